public import Encoding

/// What a person wrote about a call: one version of the call's notes, never overwritten.
public struct Note: Sendable, Equatable {
  /// Bytes of UTF-8.
  public static let textLimit = 20_000

  /// From 1 within the call.
  public let version: Int
  /// The identity of whoever wrote it.
  public let author: Identifier
  public let written: Timestamp
  public let text: String
}

extension Note {
  /// Checks what a person wrote.
  ///
  /// - Throws: ``VaultError/Code/invalid`` for an empty text or one beyond ``textLimit``.
  static func validate(_ text: String) throws(VaultError) {
    guard !text.isEmpty, text.utf8.count <= textLimit else {
      throw VaultError(
        .invalid, during: "reading a note", detail: "`text` must be 1…\(textLimit) bytes")
    }
    guard text.unicodeScalars.allSatisfy({ $0 != "\0" }) else {
      throw VaultError(.invalid, during: "reading a note", detail: "`text` holds a NUL")
    }
  }

  /// The bytes that are sealed.
  static func encode(_ text: String) -> [UInt8] {
    JSONValue.object(JSONObject([("text", .string(text)), ("v", .integer(1))])).encoded()
  }

  /// Reads what ``encode(_:)`` wrote.
  static func text(parsing bytes: [UInt8]) throws(VaultError) -> String {
    guard
      case .object(let object) = try? JSONValue(parsing: bytes), object["v"] == .integer(1),
      case .string(let text) = object["text"]
    else { throw VaultError(.tampered, during: "reading a note") }
    return text
  }
}
