public import Cryptography

/// The key that signs a log's heads, with the name it signs under; has one owner.
public struct NoteSigner: ~Copyable, Sendable {
  private let key: Ed25519.SigningKey
  /// What checks this signer's lines.
  public let verifierKey: VerifierKey

  /// - Parameters:
  ///   - name: the log's origin.
  ///   - seed: 32 bytes.
  /// - Throws: ``AuditError/Code/invalidDraft`` if the name or the seed is not one.
  public init(name: String, seed: borrowing SecretBytes) throws(AuditError) {
    let key: Ed25519.SigningKey
    do {
      key = try Ed25519.SigningKey(seed: seed)
    } catch {
      throw AuditError(.invalidDraft, during: "taking the log's signing key", cause: error)
    }
    guard
      let verifierKey = VerifierKey(
        name: name, type: .ed25519, publicKey: key.publicKey.bytes)
    else { throw AuditError(.invalidDraft, during: "naming the log's signing key") }
    self.key = key
    self.verifierKey = verifierKey
  }

  /// Returns the note of `text` with this signer's line.
  ///
  /// - Precondition: the text ends with a line end.
  /// - Throws: ``AuditError/Code/unavailable`` if the library fails.
  public borrowing func sign(_ text: [UInt8]) throws(AuditError) -> SignedNote {
    do {
      let bytes = try key.sign(text)
      let line = SignedNote.Signature(
        name: verifierKey.name, keyID: verifierKey.keyID, bytes: bytes)
      return SignedNote(text: text, signatures: [line])
    } catch {
      throw AuditError(.unavailable, during: "signing the log's head", cause: error)
    }
  }

  /// Returns the signed note of `checkpoint`.
  ///
  /// - Throws: ``AuditError/Code/invalidDraft`` if its origin is not this signer's name; as
  ///   ``sign(_:)-([UInt8])``.
  public borrowing func sign(_ checkpoint: Checkpoint) throws(AuditError) -> SignedNote {
    guard checkpoint.origin == verifierKey.name else {
      throw AuditError(.invalidDraft, during: "signing the head of another log")
    }
    return try sign(checkpoint.text)
  }
}
