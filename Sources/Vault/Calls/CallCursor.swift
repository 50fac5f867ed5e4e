public import Encoding

/// Where a page of calls ended: the next page begins after this call.
///
/// Pages are cut by key, not by count, so a call that arrives meanwhile neither repeats nor hides another.
public struct CallCursor: Hashable, Sendable, LosslessStringConvertible {
  public let started: Timestamp
  public let call: Identifier

  public init(started: Timestamp, call: Identifier) {
    self.started = started
    self.call = call
  }

  /// Reads base64url of eight bytes of time and sixteen of the id; nil for anything else.
  public init?(_ text: String) {
    guard
      text.utf8.count == 32, let bytes = Base64.decodeURL(text), bytes.count == 24,
      let call = Identifier(bytes: Array(bytes[8...]))
    else { return nil }
    let time = bytes[..<8].reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
    self.init(started: Timestamp(milliseconds: Int64(bitPattern: time)), call: call)
  }

  public var description: String {
    let time = UInt64(bitPattern: started.milliseconds)
    let prefix = (0..<8).map { UInt8(truncatingIfNeeded: time >> UInt64(56 - 8 * $0)) }
    return Base64.encodeURL(prefix + call.bytes)
  }
}
