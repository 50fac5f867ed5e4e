public import Cryptography
import Encoding

/// The text a program shows to prove who it is: `cv1_` and 48 characters.
///
/// Base64url of 256 random bits and a checksum of 32: the first bytes of SHA-256(`cv1_` ‖ secret). The checksum lets a
/// mistyped token be told from a wrong one, and lets scanners recognise a leaked one. Stored is only
/// SHA-256 of the text. Specified in `Documentation/formats/policies.md`, section 3.
public struct AccessToken: Sendable {
  public let text: String

  private static let prefix = "cv1_"
  private static let secretBytes = 32
  private static let checksumBytes = 4

  /// Makes a token nobody has seen.
  ///
  /// - Throws: ``VaultError/Code/unavailable`` if the system gives no randomness.
  public static func random() throws(VaultError) -> AccessToken {
    do {
      let secret = try Random.bytes(secretBytes)
      return AccessToken(
        text: prefix + Base64.encodeURL(secret + checksum(of: secret)))
    } catch {
      throw VaultError(.unavailable, during: "making a token", cause: error)
    }
  }

  /// Reads a token as a client sent it; nil if it has not this form or its checksum is wrong.
  public init?(_ text: String) {
    guard text.utf8.count == 52, text.hasPrefix(Self.prefix),
      let bytes = Base64.decodeURL(text.dropFirst(Self.prefix.count)),
      bytes.count == Self.secretBytes + Self.checksumBytes,
      Array(bytes[Self.secretBytes...]) == Self.checksum(of: Array(bytes[..<Self.secretBytes]))
    else { return nil }
    self.text = text
  }

  private init(text: String) {
    self.text = text
  }

  /// What is stored in its place.
  public var digest: SHA256Digest { SHA256.hash(Array(text.utf8)) }

  private static func checksum(of secret: [UInt8]) -> [UInt8] {
    Array(SHA256.hash(Array(prefix.utf8) + secret).bytes[..<checksumBytes])
  }
}
