import Audit
import Cryptography
import Encoding
import Vault

/// Openings of a log that is written without the key ring, under a key of the machine's own.
///
/// They say the log's name and key, from which address somebody came, and what was decided.
struct MachineOpenings: OpeningSealer {
  private static let version: UInt8 = 1
  private static let head = 1 + 16 + AES256GCM.nonceByteCount

  private let key: SharedSecret
  private let id: Identifier
  private let tenant: Identifier

  /// - Parameters:
  ///   - seed: the machine's secret.
  ///   - tenant: the practice.
  ///   - log: the log's own word, `unsealing` or `failover`.
  /// - Throws: what keeps a key from being derived.
  init(seed: borrowing SecretBytes, tenant: Identifier, of log: String) throws {
    let context = "callvault/\(log)/v1|openings"
    let derived = try HKDFSHA256.derive(
      input: seed, salt: [], info: Array(context.utf8), count: 32)
    let name = try HKDFSHA256.derive(
      input: seed, salt: [], info: Array((context + " id").utf8), count: 16)
    var bytes = name.withBytes { (bytes: RawSpan) in
      unsafe bytes.withUnsafeBytes { unsafe Array($0) }
    }
    bytes[6] = bytes[6] & 0x0F | 0x40
    bytes[8] = bytes[8] & 0x3F | 0x80
    guard let id = Identifier(bytes: bytes) else {
      throw VaultError(.unavailable, during: "naming the machine's key for openings")
    }
    key = SharedSecret(derived)
    self.id = id
    self.tenant = tenant
  }

  func seal(_ opening: [UInt8], at address: OpeningAddress) throws -> [UInt8] {
    let nonce = try Random.bytes(AES256GCM.nonceByteCount)
    let sealed = try key.withSecret { (key) throws(CryptographyError) in
      try AES256GCM.seal(opening, key: key, nonce: nonce, aad: context(of: address))
    }
    return [Self.version] + id.bytes + nonce + sealed
  }

  func open(_ sealed: [UInt8], at address: OpeningAddress) throws -> [UInt8] {
    guard sealed.count > Self.head, sealed[0] == Self.version, Array(sealed[1..<17]) == id.bytes
    else { throw VaultError(.tampered, during: "reading an opening of a machine's log") }
    return try key.withSecret { (key) throws(CryptographyError) in
      try AES256GCM.open(
        Array(sealed[Self.head...]), key: key, nonce: Array(sealed[17..<Self.head]),
        aad: context(of: address))
    }
  }

  func isErased(_ sealed: [UInt8], at address: OpeningAddress) -> Bool { false }

  private func context(of address: OpeningAddress) -> [UInt8] {
    Array(
      ("callvault/opening/v1|tenant=\(tenant)|entry=\(address.entry)"
        + "|field=\(address.field.rawValue)").utf8)
  }
}

/// The ledger of a log whose entries are about nobody.
struct NoSubjects: SubjectLedger {
  func countedPosition() async throws -> LogPosition? { nil }
  func countedEntries(of subjects: [Identifier]) async throws -> [Identifier: Int64] { [:] }
  func storeCounts(_ counts: [SubjectCount], through position: LogPosition) async throws {}
}
