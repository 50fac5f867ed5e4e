/// Why bytes are not JSON as accepted here, or a value has no canonical form.
public struct JSONError: Error, Equatable, CustomStringConvertible {
  /// What went wrong, in terms a program can act on.
  public enum Code: Sendable {
    /// Not the grammar of RFC 8259.
    case syntax
    /// The bytes are not UTF-8, or an escape names half a surrogate pair.
    case encoding
    /// A key that stands twice in one object.
    case duplicateKey
    /// Longer or deeper than the limits allow.
    case tooLarge
    /// A number that no double can hold.
    case numberOutOfRange
    /// A value outside the canonical subset: null, a fraction, 2⁵³ or more, or a key beyond ASCII.
    case notCanonical
  }
  public let code: Code
  /// Bytes from the start of the text at which the parser gave up; 0 when encoding.
  public let offset: Int
  /// What was expected, in words for a client.
  public let reason: StaticString

  init(_ code: Code, at offset: Int, _ reason: StaticString) {
    self.code = code
    self.offset = offset
    self.reason = reason
  }

  public var description: String { "\(reason) (byte \(offset))" }

  public static func == (left: JSONError, right: JSONError) -> Bool {
    left.code == right.code && left.offset == right.offset
  }
}
