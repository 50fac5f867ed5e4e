import Encoding

/// The `Content-Digest` field (RFC 9530): what the sender says its bytes hash to.
///
/// A dictionary of structured fields (RFC 8941) whose values are byte sequences:
/// `sha-256=:X48E9qOokqqrvdts8nOJRJN3OWDUoyWxBf7kbu9DBPE=:`. Algorithms that are not known here
/// are left out, as the RFC asks; its two good ones are kept.
public struct ContentDigest: Sendable, Equatable {
  /// 32 bytes, when `sha-256` was given.
  public let sha256: [UInt8]?
  /// 64 bytes, when `sha-512` was given.
  public let sha512: [UInt8]?

  public init(sha256: [UInt8]? = nil, sha512: [UInt8]? = nil) {
    self.sha256 = sha256
    self.sha512 = sha512
  }

  /// Parses the value of the field.
  ///
  /// Stricter than RFC 8941: an algorithm may come once only, and takes no parameters.
  ///
  /// - Throws: ``HTTPError/Code/malformed`` if the value is not such a dictionary, is over 1 KiB,
  ///   or a digest has the wrong length.
  public init(parsing value: String) throws(HTTPError) {
    guard value.utf8.count <= 1_024 else {
      throw HTTPError(.malformed, during: "reading Content-Digest")
    }
    var digests: [String: [UInt8]] = [:]
    for member in value.split(separator: ",", omittingEmptySubsequences: false) {
      let (algorithm, digest) = try Self.member(Syntax.trimmed(member))
      guard digests.updateValue(digest, forKey: algorithm) == nil else {
        throw HTTPError(.malformed, during: "reading an algorithm of Content-Digest twice")
      }
    }
    sha256 = digests["sha-256"]
    sha512 = digests["sha-512"]
    guard sha256.map({ $0.count == 32 }) ?? true, sha512.map({ $0.count == 64 }) ?? true else {
      throw HTTPError(.malformed, during: "reading the length of a Content-Digest")
    }
  }

  /// One `key=:base64:`.
  private static func member(_ text: Substring) throws(HTTPError) -> (String, [UInt8]) {
    guard let equals = text.utf8.firstIndex(of: 0x3D) else {
      throw HTTPError(.malformed, during: "reading Content-Digest")
    }
    let key = text[..<equals]
    let value = text[text.utf8.index(after: equals)...]
    guard let first = key.utf8.first, (0x61...0x7A).contains(first) || first == 0x2A,
      key.utf8.allSatisfy(isKeyCharacter), value.utf8.count >= 2, value.utf8.first == 0x3A,
      value.utf8.last == 0x3A, let digest = Base64.decode(value.dropFirst().dropLast())
    else { throw HTTPError(.malformed, during: "reading Content-Digest") }
    return (String(key), digest)
  }

  private static func isKeyCharacter(_ byte: UInt8) -> Bool {
    switch byte {
    case 0x30...0x39, 0x61...0x7A, 0x5F, 0x2D, 0x2E, 0x2A: true
    default: false
    }
  }

  /// The value of the field; empty when there is no digest.
  public var fieldValue: String {
    var members: [String] = []
    if let sha256 { members.append("sha-256=:\(Base64.encode(sha256)):") }
    if let sha512 { members.append("sha-512=:\(Base64.encode(sha512)):") }
    return members.joined(separator: ", ")
  }
}
