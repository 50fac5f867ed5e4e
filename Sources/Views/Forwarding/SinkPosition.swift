public import Audit
import Cryptography
import Encoding

/// Up to where entries are with a sink: section 5.1 of `Documentation/formats/views.md`.
public struct SinkPosition: Sendable, Equatable {
  /// A stored position is not longer than this.
  public static let maximumByteCount = 1024
  private static let format = "callvault/sink-position/v1"

  /// The log's name.
  public let origin: String
  /// The last entry that is delivered; nil while none is.
  public let last: LogPosition?

  /// Is nil for an origin that is empty or holds a control character.
  public init?(origin: String, last: LogPosition?) {
    guard !origin.isEmpty, origin.utf8.count <= 512, origin.utf8.allSatisfy({ $0 >= 0x20 }) else {
      return nil
    }
    self.origin = origin
    self.last = last
  }

  /// The index of the entry to deliver next.
  public var next: Int64 { (last?.index ?? -1) + 1 }

  /// Reads what is stored; the disk is not trusted.
  ///
  /// - Throws: ``SinkError/Code/malformed`` for any spelling but the one ``encoded`` has.
  public init(parsing bytes: [UInt8]) throws(SinkError) {
    guard bytes.count <= Self.maximumByteCount,
      let text = String(validating: bytes, as: UTF8.self),
      let position = Self.parse(text.utf8.split(separator: 0x0A, omittingEmptySubsequences: false)),
      position.encoded == bytes
    else { throw SinkError(.malformed, during: "reading a sink's position") }
    self = position
  }

  private static func parse(_ lines: [Substring.UTF8View]) -> SinkPosition? {
    guard lines.count == 5, let origin = value(lines[1], after: "origin "),
      let next = value(lines[2], after: "next ").flatMap({ Int64($0) }), next >= 0,
      let hash = value(lines[3], after: "leaf ").flatMap({ SHA256Digest(hex: $0) })
    else { return nil }
    return SinkPosition(
      origin: origin, last: next == 0 ? nil : LogPosition(index: next - 1, leafHash: hash))
  }

  private static func value(_ line: Substring.UTF8View, after name: String) -> String? {
    guard line.starts(with: name.utf8) else { return nil }
    return String(Substring(line.dropFirst(name.utf8.count)))
  }

  /// The four lines.
  public var encoded: [UInt8] {
    let leaf = last?.leafHash.hex ?? String(repeating: "0", count: 64)
    return Array("\(Self.format)\norigin \(origin)\nnext \(next)\nleaf \(leaf)\n".utf8)
  }
}
