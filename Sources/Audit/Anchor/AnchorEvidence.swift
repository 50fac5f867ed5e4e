import Cryptography

/// Reads `anchors/`, of which nothing is trusted: heads, stamps and renewals, as they lie there.
public struct AnchorEvidence: Sendable {
  /// No file in `anchors/` is longer than this.
  public static let maximumByteCount = 65_536

  /// No list of renewed stamps is longer than this.
  public static let maximumListByteCount = 1 << 20

  private let reader: any LogFolderReader

  /// - Parameter reader: the folder `anchors/`, or a copy of it.
  public init(_ reader: any LogFolderReader) { self.reader = reader }

  /// The names of cosigned heads, smallest size of the oldest month first.
  ///
  /// - Throws: any error of reading.
  public func cosigned() throws -> [AnchorFileName] {
    try inMonths("cosigned") { $0.utf8.count == 20 && Self.isNumber($0) ? $0[...] : nil }
  }

  /// The names of stamps whose response is there.
  ///
  /// - Throws: any error of reading.
  public func stamps() throws -> [AnchorFileName] {
    try inMonths("stamps") { name in
      guard name.hasSuffix(".tsr") else { return nil }
      let stem = name.dropLast(4)
      let parts = stem.split(separator: "-", omittingEmptySubsequences: false)
      return parts.count == 2 && parts[0].utf8.count == 20 && parts[1].utf8.count >= 12
        && parts.allSatisfy(Self.isNumber) ? stem : nil
    }
  }

  /// The names of renewals whose response is there.
  ///
  /// - Throws: any error of reading.
  public func renewals() throws -> [AnchorFileName] {
    try (reader.list("renewals") ?? []).compactMap { item in
      guard !item.isFolder, item.name.hasSuffix(".tsr"), Self.isNumber(item.name.dropLast(4)) else {
        return nil
      }
      return AnchorFileName(folder: "renewals", name: String(item.name.dropLast(4)))
    }.sorted()
  }

  /// The content of a file; nil if it is not there.
  ///
  /// - Throws: any error of reading; ``AuditError/Code/malformed`` if it is too long.
  public func read(_ name: AnchorFileName, _ ending: String = "") throws -> [UInt8]? {
    try reader.read(
      name.path + ending,
      limit: ending == ".sha256" ? Self.maximumListByteCount : Self.maximumByteCount)
  }

  /// The newest confirmation that one of the files kept last holds.
  ///
  /// - Parameters:
  ///   - names: oldest first.
  ///   - count: how many of them are looked at.
  ///   - confirmation: the size and time that a file confirms; nil if it confirms nothing.
  /// - Returns: nil if none of them confirms anything.
  /// - Throws: what `confirmation` throws: a file that cannot be read may be the newest.
  func newest(
    of names: [AnchorFileName], among count: Int,
    _ confirmation: (AnchorFileName) throws -> (size: Int64, milliseconds: Int64)?
  ) rethrows -> (size: Int64, milliseconds: Int64)? {
    for name in names.suffix(count).reversed() {
      if let found = try confirmation(name) { return found }
    }
    return nil
  }

  private func inMonths(
    _ folder: String, _ stem: (String) -> Substring?
  ) throws -> [AnchorFileName] {
    var names: [AnchorFileName] = []
    for month in try reader.list(folder) ?? [] where month.isFolder {
      guard HistoryReader.isMonth(month.name) else { continue }
      for item in try reader.list("\(folder)/\(month.name)") ?? [] where !item.isFolder {
        guard let stem = stem(item.name) else { continue }
        names.append(AnchorFileName(folder: "\(folder)/\(month.name)", name: String(stem)))
      }
    }
    return names.sorted()
  }

  private static func isNumber(_ text: some StringProtocol) -> Bool {
    !text.isEmpty && text.utf8.allSatisfy { (0x30...0x39).contains($0) }
  }

  /// The largest heads that the log's key signed, of those that were kept last.
  ///
  /// - Parameters:
  ///   - key: the log's.
  ///   - count: how many files of each kind are read, newest first.
  /// - Returns: the heads, largest first, and how many files hold no head of this log.
  /// - Throws: any error of reading.
  public func newestHeads(
    of key: VerifierKey, count: Int = 16
  ) throws -> (heads: [VerifiedCheckpoint], foreign: Int) {
    var heads: [VerifiedCheckpoint] = []
    var foreign = 0
    for (names, ending) in [(try cosigned(), ""), (try stamps(), ".note")] {
      for name in names.suffix(count) {
        guard let bytes = try read(name, ending) else { continue }
        do throws(AuditError) {
          heads.append(try VerifiedCheckpoint(SignedNote(parsing: bytes), key: key))
        } catch {
          foreign += 1
        }
      }
    }
    return (heads.sorted { $0.checkpoint.size > $1.checkpoint.size }, foreign)
  }
}
