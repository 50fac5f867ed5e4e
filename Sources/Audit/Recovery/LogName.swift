public import Encoding

/// Which log a data directory has since a recovery: the file `log-name`.
///
/// Specified in `Documentation/formats/recovery.md`, 6. Writing it is what decides a recovery.
public struct LogName: Sendable, Equatable {
  private static let header = "callvault/log-name/v1"
  /// No such file is longer.
  public static let maximumByteCount = 1024

  /// The log's name now.
  public let origin: String
  /// How many logs came before it; the last of them is in `earlier/<number>`.
  public let earlier: Int64
  /// When the tokens of the log before ended; nil where they live on.
  public let tokensEnded: Timestamp?

  public init(origin: String, earlier: Int64, tokensEnded: Timestamp?) {
    self.origin = origin
    self.earlier = earlier
    self.tokensEnded = tokensEnded
  }

  /// Reads what is stored; nil for any spelling but the one ``encoded`` has.
  public init?(parsing bytes: [UInt8]) {
    guard bytes.count <= Self.maximumByteCount, let text = String(validating: bytes, as: UTF8.self)
    else { return nil }
    let lines = text.utf8.split(separator: 0x0a, omittingEmptySubsequences: false)
      .map { String(Substring($0)) }
    guard lines.count == 5, lines[1].hasPrefix("origin "), lines[2].hasPrefix("earlier "),
      let earlier = Int64(lines[2].dropFirst(8)), earlier > 0
    else { return nil }
    let origin = String(lines[1].dropFirst(7))
    var ended: Timestamp?
    if lines[3].hasPrefix("tokens ended ") {
      guard let milliseconds = Int64(lines[3].dropFirst(13)), milliseconds >= 0 else { return nil }
      ended = Timestamp(milliseconds: milliseconds)
    }
    self.init(origin: origin, earlier: earlier, tokensEnded: ended)
    guard LogOrigin.isRestart(origin), encoded == bytes else { return nil }
  }

  /// The four lines.
  public var encoded: [UInt8] {
    let tokens = tokensEnded.map { "ended \($0.milliseconds)" } ?? "kept"
    return Array("\(Self.header)\norigin \(origin)\nearlier \(earlier)\ntokens \(tokens)\n".utf8)
  }
}
