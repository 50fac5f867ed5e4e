import Cryptography

/// The four-round Feistel network between a secret and what is shared: a passphrase is its key.
struct ShareCipher {
  private static let rounds = 4
  private static let roundsOfRound = 2500

  private let ceremony: Share.Ceremony
  private let passphrase: SharedSecret?

  init(_ ceremony: Share.Ceremony, passphrase: SharedSecret?) {
    self.ceremony = ceremony
    self.passphrase = passphrase
  }

  func encrypt(_ secret: borrowing SecretBytes) throws(ShareError) -> SecretBytes {
    try run(secret, in: Array(0..<UInt8(Self.rounds)))
  }

  func decrypt(_ secret: borrowing SecretBytes) throws(ShareError) -> SecretBytes {
    try run(secret, in: Array((0..<UInt8(Self.rounds)).reversed()))
  }

  private func run(
    _ secret: borrowing SecretBytes, in order: [UInt8]
  ) throws(ShareError) -> SecretBytes {
    let half = secret.count / 2
    var left = try part(of: secret, 0..<half)
    var right = try part(of: secret, half..<secret.count)
    for round in order {
      let mask = try function(round, right)
      let changed = try SecretSharing.secret(of: half) { sum in
        sum.xor(left, from: 0)
        sum.xor(mask, from: 0)
      }
      left = right
      right = SharedSecret(changed)
    }
    // The halves change places once more.
    return try SecretSharing.secret(of: 2 * half) { [left, right] joined in
      joined.xor(right, from: 0)
      joined.xor(left, from: half)
    }
  }

  private func function(
    _ round: UInt8, _ right: SharedSecret
  ) throws(ShareError) -> SharedSecret {
    let prefix =
      ceremony.isExtendable
      ? []
      : Array("shamir".utf8) + [
        UInt8(ceremony.identifier >> 8), UInt8(truncatingIfNeeded: ceremony.identifier),
      ]
    let salt = try SecretSharing.secret(of: prefix.count + right.count) { salt in
      for (place, byte) in prefix.enumerated() { salt.or(byte, at: place) }
      salt.xor(right, from: prefix.count)
    }
    let password = try SecretSharing.secret(of: 1 + (passphrase?.count ?? 0)) { password in
      password.or(round, at: 0)
      if let passphrase { password.xor(passphrase, from: 1) }
    }
    do throws(CryptographyError) {
      return SharedSecret(
        try PBKDF2.derive(
          password: password, salt: salt,
          iterations: Self.roundsOfRound << Int(ceremony.iterationExponent), count: right.count))
    } catch {
      throw ShareError(.libraryFailure, cause: error)
    }
  }

  private func part(
    of secret: borrowing SecretBytes, _ range: Range<Int>
  ) throws(ShareError) -> SharedSecret {
    do throws(CryptographyError) {
      return SharedSecret(
        try secret.withBytes { (bytes: RawSpan) throws(CryptographyError) in
          try SecretBytes(copying: bytes.extracting(range))
        })
    } catch {
      throw ShareError(.libraryFailure, cause: error)
    }
  }
}
