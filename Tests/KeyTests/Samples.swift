import ConformanceSuites
import Cryptography
import Encoding
import Foundation
import Testing

@testable import Audit
@testable import Vault

/// 2026-11-20T15:20:00.123Z.
let noon = Timestamp(milliseconds: 1_795_188_000_123)

/// A root key given by the test; counts how often it was asked for.
final class GivenCustodian: KeyCustodian, @unchecked Sendable {
  // Read by one task after the calls it counts.
  private(set) var asked = 0
  private let root: [UInt8]

  init(_ root: [UInt8] = [UInt8](repeating: 7, count: 32)) {
    self.root = root
  }

  func enrol() throws(VaultError) -> CustodianRecord {
    CustodianRecord(kind: .file, destruction: .file, derivation: .none)
  }

  func root(for record: CustodianRecord) throws(VaultError) -> SecretBytes {
    asked += 1
    do throws(CryptographyError) {
      return try SecretBytes(copying: root)
    } catch {
      throw VaultError(.unavailable, during: "giving a root", cause: error)
    }
  }
}

func newRing(_ store: RingInMemory = RingInMemory()) throws -> KeyRing {
  try KeyRing.create(
    tenant: .random(), custodian: GivenCustodian(), store: store, at: noon)
}

/// The receipt of an entry that was never written: what a log would have given.
func receipt(
  _ action: Action, _ phase: Phase = .intent, outcome: OutcomeCode? = nil,
  by principal: Identifier, on objects: [Identifier], parts: [String]
) throws -> Receipt {
  let parts = try parts.map { try #require(PartName($0)) }
  return Receipt(
    position: LogPosition(index: 7, leafHash: SHA256.hash([UInt8]())), entryID: .random(),
    time: noon, action: action, phase: phase, outcome: outcome, principal: principal,
    objects: objects, parts: parts)
}

func bytes(_ hex: String) throws -> [UInt8] {
  try #require(Hex.decode(hex))
}

func exposed(_ secret: borrowing SecretBytes) -> [UInt8] {
  secret.withBytes { (bytes: RawSpan) in unsafe bytes.withUnsafeBytes { unsafe Array($0) } }
}

/// Expects a refusal with this code; for calls that lend a value with one owner.
@discardableResult
func expectRefusal(
  _ codes: VaultError.Code..., comment: String = "",
  sourceLocation: SourceLocation = #_sourceLocation, of body: () throws -> Void
) -> VaultError? {
  do {
    try body()
    Issue.record("nothing was thrown: \(comment)", sourceLocation: sourceLocation)
    return nil
  } catch {
    let refusal = error as? VaultError
    #expect(
      refusal.map { codes.contains($0.code) } == true, "\(comment): \(error)",
      sourceLocation: sourceLocation)
    return refusal
  }
}

/// What `Tests/Outside/key_vectors.py` made from the format pages.
struct KeyVectors: Decodable {
  struct Part: Decodable {
    let dek, tenant, call, part, aad, pk: String
    let generation: Int
  }
  struct Wrap: Decodable {
    let tenant, owner, kek, kekId, key, keyId, record: String
    let use: UInt8
    let epoch: UInt32
  }
  struct Token: Decodable {
    let key, field, value, token: String
  }
  struct Ring: Decodable {
    struct Key: Decodable { let id, key: String }
    struct Opening: Decodable {
      let entry, field, value, sealed: String
      let time: Int64
    }
    let name, tenant, kekId, removed, file, root: String
    let passphrase, anchor: String?
    let generation: UInt64
    let keys: [String: Key]
    let opening: Opening
  }
  let partKeys: [Part]
  let wraps: [Wrap]
  let tokens: [Token]
  let rings: [Ring]

  static func load() throws -> KeyVectors {
    let decoder = JSONDecoder()
    decoder.keyDecodingStrategy = .convertFromSnakeCase
    let tests = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
      .deletingLastPathComponent()
    return try decoder.decode(
      KeyVectors.self,
      from: try Data(contentsOf: tests.appendingPathComponent("Vectors/keys/keys.json")))
  }
}
