public import Cryptography

/// A witness's key with the name it signs under; has one owner.
public struct CosignatureSigner: ~Copyable, Sendable {
  private let key: Ed25519.SigningKey
  /// What checks this witness's lines.
  public let verifierKey: VerifierKey

  /// - Parameters:
  ///   - name: of the witness.
  ///   - seed: 32 bytes.
  /// - Throws: ``AuditError/Code/invalidDraft`` if the name or the seed is not one.
  public init(name: String, seed: borrowing SecretBytes) throws(AuditError) {
    let key: Ed25519.SigningKey
    do {
      key = try Ed25519.SigningKey(seed: seed)
    } catch {
      throw AuditError(.invalidDraft, during: "taking a witness's key", cause: error)
    }
    guard
      let verifierKey = VerifierKey(
        name: name, type: .cosignature, publicKey: key.publicKey.bytes)
    else { throw AuditError(.invalidDraft, during: "naming a witness's key") }
    self.key = key
    self.verifierKey = verifierKey
  }

  /// Cosigns a note.
  ///
  /// - Parameters:
  ///   - note: what is cosigned; its other lines are not.
  ///   - seconds: since 1970, not negative.
  /// - Returns: this witness's line for it.
  /// - Throws: ``AuditError/Code/unavailable`` if the library fails or the clock is before 1970.
  public borrowing func cosign(
    _ note: SignedNote, at seconds: Int64
  ) throws(AuditError) -> SignedNote.Signature {
    guard seconds >= 0 else {
      throw AuditError(.unavailable, during: "cosigning at a time before 1970")
    }
    do {
      let signature = try key.sign(Cosignature.message(seconds, note.text))
      let bytes = Cosignature(seconds: seconds, signature: signature).encoded
      return SignedNote.Signature(
        name: verifierKey.name, keyID: verifierKey.keyID, bytes: bytes)
    } catch {
      throw AuditError(.unavailable, during: "cosigning a head", cause: error)
    }
  }
}
