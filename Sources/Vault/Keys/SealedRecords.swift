import Cryptography
public import Encoding

/// Small things of the catalog that are about people, and about no single call: holds, birth dates.
///
/// `Documentation/formats/destruction.md`, 1. They need no receipt: who sees them is accounted for by the
/// operation that shows them, and planning reads all of them for nobody.
public enum SealedRecordKind: String, Sendable, CaseIterable {
  case hold
  case callFacts = "call-facts"
  case patientFacts = "patient-facts"
}

extension KeyRing {
  /// `0x01 ‖ key_id[16] ‖ iv[12] ‖ ct ‖ tag[16]` under a key derived from the newest index key.
  ///
  /// - Throws: ``VaultError/Code/sealed``; ``VaultError/Code/unavailable``.
  public func seal(
    _ record: [UInt8], as kind: SealedRecordKind, of owner: Identifier
  ) throws(VaultError) -> [UInt8] {
    guard let key = try unsealed().indexKeys.last else { throw UnverifiedRing.damaged }
    do throws(CryptographyError) {
      let nonce = try Random.bytes(AES256GCM.nonceByteCount)
      let derived = try Self.recordKey(from: key)
      let sealed = try AES256GCM.seal(
        record, key: derived, nonce: nonce, aad: context(kind, owner))
      return [1] + key.id.bytes + nonce + sealed
    } catch {
      throw VaultError(.unavailable, during: "sealing a record", cause: error)
    }
  }

  /// Opens what ``seal(_:as:of:)`` sealed.
  ///
  /// - Throws: ``VaultError/Code/tampered`` where it was changed, is another's or of another kind;
  ///   ``VaultError/Code/sealed``.
  public func open(
    _ sealed: [UInt8], as kind: SealedRecordKind, of owner: Identifier
  ) throws(VaultError) -> [UInt8] {
    guard sealed.count >= 45, sealed[0] == 1, let id = Identifier(bytes: Array(sealed[1..<17])),
      let key = try unsealed().indexKeys.first(where: { $0.id == id })
    else { throw VaultError(.tampered, during: "reading a sealed record") }
    do throws(CryptographyError) {
      return try AES256GCM.open(
        Array(sealed[29...]), key: try Self.recordKey(from: key), nonce: Array(sealed[17..<29]),
        aad: context(kind, owner))
    } catch {
      throw VaultError(.tampered, during: "reading a sealed record", cause: error)
    }
  }

  private static func recordKey(
    from key: RingState.LiveKey
  ) throws(CryptographyError) -> SecretBytes {
    try key.secret.withSecret { (secret) throws(CryptographyError) in
      try HKDFSHA256.derive(
        input: secret, salt: [], info: Array("callvault/sealed-record/v1".utf8), count: 32)
    }
  }

  private func context(_ kind: SealedRecordKind, _ owner: Identifier) -> [UInt8] {
    Array(
      "callvault/sealed-record/v1|tenant=\(tenant)|kind=\(kind.rawValue)|owner=\(owner)".utf8)
  }
}
