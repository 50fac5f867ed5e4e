import HTTPClient

/// `application/x-www-form-urlencoded`, written and read.
enum FormEncoding {
  /// Fields that are read of one form.
  static let fieldLimit = 256

  static func encode(_ fields: [(String, String)]) -> String {
    fields.map { "\(ClientRequest.encoded($0.0))=\(ClientRequest.encoded($0.1))" }
      .joined(separator: "&")
  }

  /// The fields of a form or a query, decoded; nil for an escape that is none, text that is not UTF-8, or more than
  /// ``fieldLimit`` fields.
  static func decode(_ bytes: some Collection<UInt8>) -> [(name: String, value: String)]? {
    var fields: [(name: String, value: String)] = []
    for part in bytes.split(separator: 0x26) {
      guard fields.count < fieldLimit else { return nil }
      let equals = part.firstIndex(of: 0x3D) ?? part.endIndex
      guard let name = unescape(part[..<equals]), let value = unescape(part[equals...].dropFirst())
      else { return nil }
      fields.append((name, value))
    }
    return fields
  }

  private static func unescape(_ bytes: some Collection<UInt8>) -> String? {
    var plain: [UInt8] = []
    var rest = bytes.makeIterator()
    while let byte = rest.next() {
      switch byte {
      case 0x2B: plain.append(0x20)
      case 0x25:
        guard let high = rest.next().flatMap(digit), let low = rest.next().flatMap(digit) else {
          return nil
        }
        plain.append(high << 4 | low)
      default: plain.append(byte)
      }
    }
    return String(validating: plain, as: UTF8.self)
  }

  private static func digit(_ byte: UInt8) -> UInt8? {
    switch byte {
    case 0x30...0x39: byte - 0x30
    case 0x41...0x46: byte - 0x37
    case 0x61...0x66: byte - 0x57
    default: nil
    }
  }
}
