public import Audit
import Cryptography
import Encoding
import Threading

extension KeyRing: OpeningSealer {
  /// `0x01 ‖ key_id[16] ‖ iv[12] ‖ ct ‖ tag[16]` under the key of the month in which it expires.
  ///
  /// - Throws: ``VaultError/Code/sealed``; what the store throws in a month's first call.
  public func seal(_ opening: [UInt8], at address: OpeningAddress) throws -> [UInt8] {
    let key = try openingKey(at: address.time)
    let nonce = try Random.bytes(AES256GCM.nonceByteCount)
    let sealed = try key.secret.withSecret { (secret) throws(CryptographyError) in
      try AES256GCM.seal(opening, key: secret, nonce: nonce, aad: context(of: address))
    }
    return [1] + key.id.bytes + nonce + sealed
  }

  /// - Throws: ``VaultError/Code/sealed``; ``VaultError/Code/tampered`` for what is no opening.
  public func isErased(_ sealed: [UInt8], at address: OpeningAddress) throws -> Bool {
    guard sealed.count >= 45, sealed[0] == 1, let id = Identifier(bytes: Array(sealed[1..<17]))
    else { throw VaultError(.tampered, during: "reading an opening") }
    // A key that was never the ring's erases nothing: then the frame is not what was written.
    return try unsealed().removed.contains(id)
  }

  /// - Throws: ``VaultError/Code/notFound`` where the key was destroyed: the value is erased;
  ///   ``VaultError/Code/tampered`` where the bytes are not what was sealed at this address, or name a
  ///   key that was never the ring's;
  ///   ``VaultError/Code/sealed``.
  public func open(_ sealed: [UInt8], at address: OpeningAddress) throws -> [UInt8] {
    guard
      sealed.count >= 45, sealed[0] == 1, let id = Identifier(bytes: Array(sealed[1..<17]))
    else { throw VaultError(.tampered, during: "reading an opening") }
    guard let key = try unsealed().openingKey(id) else {
      throw VaultError(
        try unsealed().removed.contains(id) ? .notFound : .tampered,
        during: "looking for the key of an opening")
    }
    do throws(CryptographyError) {
      return try key.secret.withSecret { (secret) throws(CryptographyError) in
        try AES256GCM.open(
          Array(sealed[29...]), key: secret, nonce: Array(sealed[17..<29]),
          aad: context(of: address))
      }
    } catch {
      throw VaultError(.tampered, during: "reading an opening", cause: error)
    }
  }

  private func context(of address: OpeningAddress) -> [UInt8] {
    Array(
      ("callvault/opening/v1|tenant=\(tenant)|entry=\(address.entry)"
        + "|field=\(address.field.rawValue)").utf8)
  }

  /// The key of a month, made and made durable where there is none yet.
  private func openingKey(at now: Timestamp) throws(VaultError) -> RingState.LiveKey {
    let month = try KeyRing.expiryMonth(of: now)
    if let key = try unsealed().openingKey(expiring: month) { return key }
    return try changing.withLock { (_) throws(VaultError) -> RingState.LiveKey in
      if let key = try self.unsealed().openingKey(expiring: month) { return key }
      let secret = try KeyRing.freshKey()
      let record = try WrapRecord(
        secret, id: .random(), use: .opening, ownedBy: self.tenant, under: self.unsealed().newest)
      // One place is enough: the log must not stop because a copy is out of reach.
      try self.rewrite(everywhere: false) { (contents, _) in
        contents.keys.append(RingContents.Key(record: record, created: now, label: month))
      }
      guard let key = try self.unsealed().openingKey(expiring: month) else {
        throw UnverifiedRing.damaged
      }
      return key
    }
  }

  /// The month, `YYYY-MM`, at whose end an opening of this time may go.
  static func expiryMonth(of time: Timestamp) throws(VaultError) -> String {
    let (year, month) = time.yearAndMonth
    guard (1970...9000).contains(year) else {
      throw VaultError(.invalid, during: "telling when an opening expires")
    }
    return "\(year + openingYears)-" + (month < 10 ? "0\(month)" : "\(month)")
  }
}
