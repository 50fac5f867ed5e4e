import Cryptography
import Encoding
import Foundation

/// The objects of Google Tink: in `$CALLVAULT_VECTORS`, else in this repository.
struct TinkVector: Decodable, Sendable, CustomStringConvertible {
  struct Plaintext: Decodable, Sendable {
    let kind: String
    let label: String?
    let length: Int?
    let hex: String?
  }
  struct Header: Decodable, Sendable {
    let saltHex: String
    let noncePrefixHex: String
  }
  let id: String
  let comment: String?
  let result: String
  let keyHex: String
  let aadHex: String
  let segmentSize: Int
  let plaintext: Plaintext?
  let plaintextSha256: String?
  let header: Header?
  let ciphertextSha256: String?
  let ciphertextHex: String?

  var description: String { "\(id) \(comment ?? "")" }

  static func load(_ file: String) throws -> [TinkVector] {
    struct File: Decodable { let vectors: [TinkVector] }
    let decoder = JSONDecoder()
    decoder.keyDecodingStrategy = .convertFromSnakeCase
    let folder =
      ProcessInfo.processInfo.environment["CALLVAULT_VECTORS"].map {
        URL(fileURLWithPath: $0, isDirectory: true)
      }
      ?? URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .appendingPathComponent("Vectors")
    return try decoder.decode(
      File.self, from: try Data(contentsOf: folder.appendingPathComponent(file))
    ).vectors
  }

  /// The plaintext that the vector's rule spells: SHA-256(label ‖ u64be(i)) for i = 0, 1, …, cut.
  func plainBytes() -> [UInt8]? {
    guard let plaintext else { return nil }
    if let hex = plaintext.hex { return Hex.decode(hex) }
    guard plaintext.kind == "sha256-counter", let label = plaintext.label,
      let length = plaintext.length
    else { return nil }
    return counted(label, length)
  }
}

/// SHA-256(label ‖ u64be(i)) for i = 0, 1, …, cut to `length`.
func counted(_ label: String, _ length: Int) -> [UInt8] {
  var bytes: [UInt8] = []
  var index: UInt64 = 0
  while bytes.count < length {
    let counter = (0..<8).map { UInt8(truncatingIfNeeded: index >> UInt64(56 - 8 * $0)) }
    bytes += SHA256.hash(Array(label.utf8) + counter).bytes
    index += 1
  }
  return Array(bytes[..<length])
}
