import Cryptography
import Encoding

/// What a signature line of a note is made with: the type byte of c2sp.org/signed-note.
public enum SignatureType: UInt8, Sendable {
  /// Ed25519 over the note's text.
  case ed25519 = 0x01
  /// cosignature/v1: Ed25519 over a time and the note's text, by a witness.
  case cosignature = 0x04
  /// ML-DSA-44 cosignature. Its keys are read, its signatures are reported and never accepted:
  /// this program cannot check them.
  case mldsa44 = 0x06

  var keyByteCount: Int {
    switch self {
    case .ed25519, .cosignature: Ed25519.PublicKey.byteCount
    case .mldsa44: 1312
    }
  }
}

/// The name of a signer, as it stands in its key and on its lines.
enum SignerName {
  /// Names are not empty and hold neither `+`, which divides a key's text, nor any white space,
  /// which divides a line; nor control characters, which no note may hold.
  static func isValid(_ name: some StringProtocol) -> Bool {
    !name.isEmpty
      && name.unicodeScalars.allSatisfy {
        $0 != "+" && $0.value >= 0x20 && !$0.properties.isWhitespace
      }
  }
}

/// A public key with its owner's name: `name+hex8(key id)+base64(type ‖ key)`.
public struct VerifierKey: Hashable, Sendable, LosslessStringConvertible {
  /// The origin of a log, or the name of a witness.
  public let name: String
  public let type: SignatureType
  /// The key without its type byte.
  public let publicKey: [UInt8]
  /// First four bytes of SHA-256(name ‖ LF ‖ type ‖ key).
  public let keyID: [UInt8]

  /// Is nil if the name is not one, or the key has not the length of its type.
  public init?(name: String, type: SignatureType, publicKey: [UInt8]) {
    guard SignerName.isValid(name), publicKey.count == type.keyByteCount else { return nil }
    self.name = name
    self.type = type
    self.publicKey = publicKey
    let digest = SHA256.hash(Array(name.utf8) + [0x0a, type.rawValue] + publicKey)
    keyID = Array(digest.bytes.prefix(4))
  }

  /// Reads a key's text, which must come by another way than the log.
  ///
  /// Is nil for an unknown type, a key id that is not this name's and key's, and any spelling but
  /// the one ``description`` has.
  public init?(_ description: String) {
    let fields = description.split(separator: "+", maxSplits: 2, omittingEmptySubsequences: false)
    guard fields.count == 3, let bytes = Base64.decode(fields[2]), let first = bytes.first,
      let type = SignatureType(rawValue: first)
    else { return nil }
    self.init(name: String(fields[0]), type: type, publicKey: Array(bytes.dropFirst()))
    guard Hex.encode(keyID) == fields[1] else { return nil }
  }

  public var description: String {
    "\(name)+\(Hex.encode(keyID))+\(Base64.encode([type.rawValue] + publicKey))"
  }

  /// Whether `signature`, without its key id, is this key's over `text`.
  ///
  /// Is false for ``SignatureType/mldsa44``, always.
  func verifies(_ signature: [UInt8], over text: [UInt8]) -> Bool {
    guard let key = Ed25519.PublicKey(bytes: publicKey) else { return false }
    switch type {
    case .ed25519:
      return key.verify(signature: signature, message: text)
    case .cosignature:
      guard let cosignature = Cosignature(parsing: signature) else { return false }
      return key.verify(
        signature: cosignature.signature, message: Cosignature.message(cosignature.seconds, text))
    case .mldsa44:
      return false
    }
  }
}
