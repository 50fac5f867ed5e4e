import Cryptography

/// A signing key with the name it signs under: what a log's signer and a witness's have in common.
struct NamedKey: ~Copyable, Sendable {
  private let key: Ed25519.SigningKey
  /// What checks this key's lines.
  let verifierKey: VerifierKey

  /// - Throws: ``AuditError/Code/invalidDraft`` if the name or the seed, of 32 bytes, is not one.
  init(
    name: String, type: SignatureType, seed: borrowing SecretBytes
  ) throws(AuditError) {
    let key: Ed25519.SigningKey
    do {
      key = try Ed25519.SigningKey(seed: seed)
    } catch {
      throw AuditError(.invalidDraft, during: "taking a signing key", cause: error)
    }
    guard let verifierKey = VerifierKey(name: name, type: type, publicKey: key.publicKey.bytes)
    else { throw AuditError(.invalidDraft, during: "naming a signing key") }
    self.key = key
    self.verifierKey = verifierKey
  }

  /// Signs `message`, and makes the line of what `wrap` makes of the signature.
  ///
  /// - Throws: ``AuditError/Code/unavailable`` if the library fails.
  borrowing func line(
    signing message: [UInt8], wrap: ([UInt8]) -> [UInt8] = { $0 }
  ) throws(AuditError) -> SignedNote.Signature {
    do throws(CryptographyError) {
      return SignedNote.Signature(
        name: verifierKey.name, keyID: verifierKey.keyID, bytes: wrap(try key.sign(message)))
    } catch {
      throw AuditError(.unavailable, during: "signing a head", cause: error)
    }
  }
}
