public import Cryptography

/// A witness's key with the name it signs under; has one owner.
public struct CosignatureSigner: ~Copyable, Sendable {
  private let key: NamedKey
  /// What checks this witness's lines.
  public var verifierKey: VerifierKey { key.verifierKey }

  /// - Parameters:
  ///   - name: of the witness.
  ///   - seed: 32 bytes.
  /// - Throws: ``AuditError/Code/invalidDraft`` if the name or the seed is not one.
  public init(name: String, seed: borrowing SecretBytes) throws(AuditError) {
    key = try NamedKey(name: name, type: .cosignature, seed: seed)
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
    return try key.line(signing: Cosignature.message(seconds, note.text)) {
      Cosignature(seconds: seconds, signature: $0).encoded
    }
  }
}
