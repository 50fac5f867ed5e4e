import Cryptography
public import Encoding

/// The key of one part of a call: what an export gives, and what Tink calls the key.
///
/// PK = HKDF-SHA256(DEK, salt "", info `callvault/part/v1|` ‖ associated data, 32 bytes). Of a call
/// that exists, only ``KeyRing`` makes one, for the receipt of an entry that names the part.
public struct PartKey: ~Copyable, Sendable {
  public static let byteCount = 32

  public let address: PartAddress
  /// The id of the call key it was derived from.
  public let callKeyID: Identifier
  let secret: SecretBytes
  private let mayLeave: Bool

  init(
    derivedFrom callKey: borrowing SecretBytes, id: Identifier, at address: PartAddress,
    mayLeave: Bool
  ) throws(VaultError) {
    do throws(CryptographyError) {
      secret = try HKDFSHA256.derive(
        input: callKey, salt: [], info: Array("callvault/part/v1|".utf8) + address.associatedData,
        count: PartKey.byteCount)
    } catch {
      throw VaultError(.unavailable, during: "deriving a part's key", cause: error)
    }
    self.address = address
    callKeyID = id
    self.mayLeave = mayLeave
  }

  /// The 32 bytes for somebody outside, who opens this part with them and no other.
  ///
  /// - Throws: ``VaultError/Code/denied`` unless the receipt that opened the key was for an export.
  public borrowing func exported() throws(VaultError) -> [UInt8] {
    guard mayLeave else {
      throw VaultError(.denied, during: "exporting a key that was opened for another purpose")
    }
    return secret.withBytes { (bytes: RawSpan) in
      unsafe bytes.withUnsafeBytes { unsafe Array($0) }
    }
  }
}
