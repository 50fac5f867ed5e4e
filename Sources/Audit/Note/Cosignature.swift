/// A witness's statement that at a time it had seen this head and no fork of it
/// (c2sp.org/tlog-cosignature, type 0x04).
public struct Cosignature: Hashable, Sendable {
  /// Bytes after the key id: `u64be seconds ‖ signature`.
  public static let byteCount = 72

  /// Seconds since 1970, 0 to 2^63 − 1.
  public let seconds: Int64
  /// Ed25519 over ``message(_:_:)``.
  public let signature: [UInt8]

  init(seconds: Int64, signature: [UInt8]) {
    self.seconds = seconds
    self.signature = signature
  }

  /// Reads what follows the key id on a witness's line; nil for another length or a time above
  /// 2^63 − 1.
  public init?(parsing bytes: [UInt8]) {
    guard bytes.count == Self.byteCount else { return nil }
    let seconds = bytes[..<8].reduce(into: UInt64(0)) { $0 = $0 << 8 | UInt64($1) }
    guard let seconds = Int64(exactly: seconds) else { return nil }
    self.seconds = seconds
    signature = Array(bytes[8...])
  }

  /// The bytes after the key id.
  public var encoded: [UInt8] {
    (0..<8).reversed().map { UInt8(truncatingIfNeeded: seconds >> Int64(8 * $0)) } + signature
  }

  /// What a witness signs: the time, then the whole text of the checkpoint with its extensions.
  static func message(_ seconds: Int64, _ text: [UInt8]) -> [UInt8] {
    Array("cosignature/v1\ntime \(seconds)\n".utf8) + text
  }
}
