import Cryptography

extension KeyRing {
  /// The token of a value under the newest index key: what a new row carries.
  ///
  /// HMAC-SHA-256(IK, `callvault/index/v1` ‖ u8 len(field) ‖ field ‖ u32be len(value) ‖ value). The
  /// value is normalised by the caller: numbers to E.164.
  ///
  /// - Throws: ``VaultError/Code/sealed``; ``VaultError/Code/invalid`` for a value over 4 GiB.
  public func lookupToken(
    _ field: LookupToken.Field, of value: [UInt8]
  ) throws(VaultError) -> LookupToken {
    guard let key = try unsealed().indexKeys.last else { throw UnverifiedRing.damaged }
    return try KeyRing.lookupToken(field, of: value, under: key)
  }

  /// The tokens of a value under every index key that is alive: what a search looks for.
  ///
  /// - Throws: as ``lookupToken(_:of:)``.
  public func lookupTokens(
    _ field: LookupToken.Field, of value: [UInt8]
  ) throws(VaultError) -> [LookupToken] {
    var tokens: [LookupToken] = []
    for key in try unsealed().indexKeys {
      tokens.append(try KeyRing.lookupToken(field, of: value, under: key))
    }
    return tokens
  }

  static func lookupToken(
    _ field: LookupToken.Field, of value: [UInt8], under key: RingState.LiveKey
  ) throws(VaultError) -> LookupToken {
    let name = Array(field.rawValue.utf8)
    guard let nameLength = UInt8(exactly: name.count), let length = UInt32(exactly: value.count)
    else { throw VaultError(.invalid, during: "making an index token") }
    var message = Array("callvault/index/v1".utf8) + [nameLength] + name
    for shift in [24, 16, 8, 0] as [UInt32] {
      message.append(UInt8(truncatingIfNeeded: length >> shift))
    }
    message += value
    do throws(CryptographyError) {
      let code = try key.secret.withBytes { (bytes: RawSpan) throws(CryptographyError) in
        try HMACSHA256.authenticate(message, key: bytes)
      }
      return LookupToken(field: field, key: key.id, value: code)
    } catch {
      throw VaultError(.unavailable, during: "making an index token", cause: error)
    }
  }
}
