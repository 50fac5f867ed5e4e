public import Cryptography

/// The key that signs a log's heads, with the name it signs under; has one owner.
public struct NoteSigner: ~Copyable, Sendable {
  private let key: NamedKey
  /// What checks this signer's lines.
  public var verifierKey: VerifierKey { key.verifierKey }

  /// - Parameters:
  ///   - name: the log's origin.
  ///   - seed: 32 bytes.
  /// - Throws: ``AuditError/Code/invalidDraft`` if the name or the seed is not one.
  public init(name: String, seed: borrowing SecretBytes) throws(AuditError) {
    key = try NamedKey(name: name, type: .ed25519, seed: seed)
  }

  /// Returns the note of `text` with this signer's line.
  ///
  /// - Precondition: the text ends with a line end.
  /// - Throws: ``AuditError/Code/unavailable`` if the library fails.
  public borrowing func sign(_ text: [UInt8]) throws(AuditError) -> SignedNote {
    SignedNote(text: text, signatures: [try key.line(signing: text)])
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
