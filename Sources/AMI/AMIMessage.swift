/// A response or an event of Asterisk's manager: section 4 of
/// `Documentation/formats/failover-actuators.md`.
///
/// Values may hold what a caller chose (a display name, say), so they are bytes; ``subscript(_:)``
/// gives only those that are clean text.
public struct AMIMessage: Sendable, Equatable {
  /// One line: a name and what stands after it.
  public struct Field: Sendable, Equatable {
    public let name: String
    public let value: [UInt8]
  }

  public enum Kind: Sendable, Equatable {
    case response
    case event
  }

  /// Lines in a message.
  public static let lineLimit = 512
  /// Bytes in a message, its empty line included.
  public static let byteLimit = 65_536

  public let kind: Kind
  /// 1 to ``lineLimit``, in order; the first is `Response` or `Event`.
  public let fields: [Field]

  /// Parses one message, from its first byte to the end of its empty line.
  ///
  /// The peer is not trusted: whatever `bytes` holds, this returns or throws, and never traps.
  ///
  /// - Throws: ``AMIError/Code/malformed`` for anything but lines `Name: value` of CRLF and an empty
  ///   one, for other names in front, and where what decides stands twice.
  public init(parsing bytes: [UInt8]) throws(AMIError) {
    guard bytes.count <= Self.byteLimit else { throw Self.malformed }
    var fields: [Field] = []
    var start = 0
    while true {
      guard let end = Self.lineEnd(in: bytes, from: start) else { throw Self.malformed }
      if end == start {
        guard end + 2 == bytes.count else { throw Self.malformed }
        break
      }
      guard fields.count < Self.lineLimit else { throw Self.malformed }
      fields.append(try Self.field(bytes[start..<end]))
      start = end + 2
    }
    guard let first = fields.first?.name else { throw Self.malformed }
    switch first {
    case "Response": kind = .response
    case "Event": kind = .event
    default: throw Self.malformed
    }
    // Two answers in one message, or one for two questions: whoever made it wants to be misread.
    let decisive = kind == .response ? ["Response", "Event"] : ["Event"]
    guard fields.count(where: { decisive.contains($0.name) }) == 1,
      fields.count(where: { $0.name == "ActionID" }) <= 1
    else { throw Self.malformed }
    self.fields = fields
  }

  /// The first value of that name, exactly as written; nil where there is none or it is not clean
  /// text (UTF-8 without control characters).
  public subscript(name: String) -> String? {
    guard let value = fields.first(where: { $0.name == name })?.value,
      value.allSatisfy({ $0 >= 0x20 && $0 != 0x7F })
    else { return nil }
    return String(validating: value, as: UTF8.self)
  }

  /// The message as it was read.
  public var encoded: [UInt8] {
    var bytes: [UInt8] = []
    for field in fields {
      bytes += field.name.utf8
      bytes += [0x3A, 0x20]
      bytes += field.value
      bytes += [0x0D, 0x0A]
    }
    return bytes + [0x0D, 0x0A]
  }

  private static let malformed = AMIError(.malformed, during: "reading a manager's message")

  /// The index of the CRLF that ends the line; nil where a CR or LF stands alone, or none comes.
  private static func lineEnd(in bytes: [UInt8], from start: Int) -> Int? {
    for index in start..<max(start, bytes.count - 1) {
      if bytes[index] == 0x0A { return nil }
      if bytes[index] == 0x0D { return bytes[index + 1] == 0x0A ? index : nil }
    }
    return nil
  }

  private static func field(_ line: ArraySlice<UInt8>) throws(AMIError) -> Field {
    guard let colon = line.firstIndex(of: 0x3A), colon > line.startIndex,
      colon - line.startIndex <= 64, line.index(after: colon) < line.endIndex,
      line[colon + 1] == 0x20, line[..<colon].allSatisfy(isNameByte)
    else { throw malformed }
    return Field(
      name: String(decoding: line[..<colon], as: UTF8.self), value: Array(line[(colon + 2)...]))
  }

  /// Letters, digits and what names such as `Cause-txt` and `ChanVariable(X)` have besides.
  private static func isNameByte(_ byte: UInt8) -> Bool {
    switch byte {
    case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, 0x2D, 0x5F, 0x28, 0x29: true
    default: false
    }
  }
}
