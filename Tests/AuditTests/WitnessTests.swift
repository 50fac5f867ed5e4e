import Audit
import Cryptography
import Encoding
import Foundation
import Testing
import Threading

private struct WitnessFile: Decodable {
  struct Step: Decodable {
    let desc: String
    let expectStatus: Int
    let expectBody: String?
    let requestBody: String
  }
  let steps: [Step]
  let trustedVkeys: [String]
}

/// States in memory; can fail from a call on.
private final class MemoryWitnessStore: WitnessStore {
  struct Fault: Error {}
  let kept = Lock<[String: [UInt8]]>([:])
  let fails = Lock(false)

  func states() throws(AuditError) -> [[UInt8]] { kept.withLock { Array($0.values) } }

  func keep(_ state: [UInt8], named name: String) throws(AuditError) {
    if fails.withLock({ $0 }) { throw AuditError(.unavailable, during: "a test") }
    kept.withLock { $0[name] = state }
  }
}

private struct FixedClock: WallClock {
  func read() -> ClockReading { ClockReading(milliseconds: 1_795_188_000_000, state: .synced) }
  func hasPassed(_ milliseconds: Int64) {}
}

private func witness(_ store: any WitnessStore) throws -> Witness {
  try Witness(
    signer: CosignatureSigner(
      name: "elm.example.org/witness",
      seed: SecretBytes(copying: [UInt8](repeating: 9, count: 32))),
    store: store, clock: FixedClock())
}

@Suite struct WitnessTests {
  /// Each vector in order, by one witness, and by one that starts again before every request.
  @Test(arguments: [false, true])
  func requestsGetTheStatusThatTheSpecificationGives(restarting: Bool) async throws {
    let file = try Vectors.load(WitnessFile.self, from: "witness.json")
    #expect(file.steps.count == 15)
    let store = MemoryWitnessStore()
    var witness = try witness(store)
    for text in file.trustedVkeys { try await witness.watch(demand(VerifierKey(text))) }
    for step in file.steps {
      if restarting { witness = try AuditTests.witness(store) }
      let before = store.kept.withLock { $0 }
      let answer = await witness.addCheckpoint(Array(step.requestBody.utf8))
      #expect(answer.status == step.expectStatus, "\(step.desc)")
      if let body = step.expectBody {
        #expect(answer.body == Array(body.utf8), "\(step.desc)")
        #expect(answer.type == "text/x.tlog.size")
      }
      guard answer.status == 200 else {
        #expect(store.kept.withLock { $0 } == before, "\(step.desc): the state changed")
        continue
      }
      // What anybody does with the answer: put it below the head, and look whether it holds.
      let request = try AddCheckpointRequest(parsing: Array(step.requestBody.utf8))
      let note = try SignedNote(parsing: request.note.encoded + answer.body)
      #expect(try note.open(with: [witness.verifierKey]).verified == [witness.verifierKey])
    }
  }

  @Test func requestsHaveOneSpelling() throws {
    for step in try Vectors.load(WitnessFile.self, from: "witness.json").steps {
      let bytes = Array(step.requestBody.utf8)
      #expect(try AddCheckpointRequest(parsing: bytes).encoded == bytes)
    }
    let good = try demand(Vectors.load(WitnessFile.self, from: "witness.json").steps.first)
      .requestBody
    let proof = String(repeating: "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n", count: 64)
    for bad in [
      "", "old 0\n", good.replacingOccurrences(of: "old 0", with: "old 00"),
      good.replacingOccurrences(of: "old 0", with: "old -1"),
      good.replacingOccurrences(of: "old 0", with: "old 9223372036854775808"),
      good.replacingOccurrences(of: "old 0", with: "OLD 0"), "\n" + good,
      good.replacingOccurrences(of: "old 0\n", with: "old 0\n" + proof),
      good.replacingOccurrences(of: "old 0\n", with: "old 0\nAAAA\n"),
      good.replacingOccurrences(of: "old 0\n", with: "old 0\r\n"), String(good.dropLast()),
    ] {
      #expect(throws: AuditError.self) { try AddCheckpointRequest(parsing: Array(bad.utf8)) }
    }
  }

  /// A state that may or may not be durable is not spoken about until it is read again.
  @Test func aStateThatCannotBeKeptIsNotAnswered() async throws {
    let file = try Vectors.load(WitnessFile.self, from: "witness.json")
    let store = MemoryWitnessStore()
    let first = try witness(store)
    for text in file.trustedVkeys { try await first.watch(demand(VerifierKey(text))) }
    let request = Array(file.steps[0].requestBody.utf8)
    store.fails.withLock { $0 = true }
    let failed = await first.addCheckpoint(request)
    #expect(failed.status == 500 && failed.body.isEmpty)
    store.fails.withLock { $0 = false }
    #expect(await first.addCheckpoint(request).status == 500)
    let second = try witness(store)
    #expect(await second.addCheckpoint(request).status == 200)
  }

  @Test func aDamagedStateStopsTheStart() async throws {
    let file = try Vectors.load(WitnessFile.self, from: "witness.json")
    let store = MemoryWitnessStore()
    let first = try witness(store)
    let key = try demand(VerifierKey(file.trustedVkeys[0]))
    try await first.watch(key)
    #expect(await first.addCheckpoint(Array(file.steps[0].requestBody.utf8)).status == 200)
    let name = WitnessState.fileName(of: key.name)
    let state = try demand(store.kept.withLock { $0[name] })
    for place in state.indices {
      var changed = state
      changed[place] ^= 1
      store.kept.withLock { $0[name] = changed }
      #expect(throws: AuditError.self) { _ = try witness(store) }
    }
    store.kept.withLock { $0[name] = Array(state.dropLast(20)) }
    #expect(throws: AuditError.self) { _ = try witness(store) }
  }

  @Test func aLogKeepsItsKey() async throws {
    let store = MemoryWitnessStore()
    let witness = try witness(store)
    let file = try Vectors.load(WitnessFile.self, from: "witness.json")
    let key = try demand(VerifierKey(file.trustedVkeys[0]))
    try await witness.watch(key)
    let other = try demand(
      VerifierKey(name: key.name, type: .ed25519, publicKey: [UInt8](repeating: 1, count: 32)))
    await #expect(throws: AuditError.self) { try await witness.watch(other) }
    await #expect(throws: AuditError.self) { try await witness.watch(witness.verifierKey) }
    #expect(await witness.known.map(\.key) == [key])
  }
}

private struct ProofVectors: Decodable {
  struct Policy: Decodable {
    let log: String
    let witnesses: [String]
    let quorum: Int
  }
  struct Case: Decodable {
    let id: String
    let proof: String
  }
  let policy: Policy
  let cases: [Case]
}

@Suite struct TrustPolicyTests {
  private static let log =
    "audit.example.com/vault1+0b361a81+AVQ9MHDR31UbczjlKsJfb/qYRiPXiVmwotin4UJUlrLq"
  private static let witnesses = [
    "witness1.example.org/w+55521e5f+BC1XpGLxMbVF8crlvlbuEIgbSVCgqAHdBoHAC3g9kTXJ",
    "witness2.example.net/w+e9b1b038+BN3zW6E4lUUPieu8pXCwI8QCNNr/cFljBV7SKVkTF8rv",
    "auditor.example/cosigner+2bf97944+BExy9aIMrIqyrDEdV/re5kbAzCsg9viFh5mch25arUTK",
  ]
  private static let head =
    "log \(log)\nwitness a \(witnesses[0])\nwitness b \(witnesses[1]) https://b.example/w\n"
    + "witness c \(witnesses[2])\n"

  private func policy(_ text: String) throws -> TrustPolicy {
    try TrustPolicy(parsing: Array(text.utf8))
  }

  @Test(arguments: [
    ("quorum none\n", "", true), ("quorum a\n", "a", true), ("quorum a\n", "bc", false),
    ("group g 2 a b c\nquorum g\n", "ab", true), ("group g 2 a b c\nquorum g\n", "c", false),
    ("group g all a b c\nquorum g\n", "ab", false), ("group g all a b c\nquorum g\n", "abc", true),
    ("group g any a b\nquorum g\n", "b", true), ("group g any a b\nquorum g\n", "c", false),
    ("group g any a b\ngroup h all g c\nquorum h\n", "ac", true),
    ("group g any a b\ngroup h all g c\nquorum h\n", "ab", false),
    ("# a comment\n\n \t# another\n\tgroup g  1\ta b \n quorum g\n", "a", true),
  ])
  func aQuorumIsMetByItsWitnesses(text: String, cosigned: String, isMet: Bool) throws {
    let policy = try policy(Self.head + text)
    let keys = Dictionary(
      uniqueKeysWithValues: policy.witnesses.map {
        (String(decoding: $0.name, as: UTF8.self), $0.key)
      })
    let set = Set(cosigned.compactMap { keys[String($0)] })
    #expect(policy.isMet(by: set) == isMet)
    #expect(policy.witnesses[1].url == "https://b.example/w")
  }

  @Test(arguments: [
    "", "quorum a", "quorum d\n", "quorum none\nquorum none\n", "quorum none\nwhat\n",
    "group none any a\nquorum none\n", "group a any b\nquorum a\n", "group g 0 a\nquorum g\n",
    "group g 3 a b\nquorum g\n", "group g 01 a\nquorum g\n", "group g +1 a\nquorum g\n",
    "group g any\nquorum g\n", "group g any a a\nquorum g\n",
    "group g any a\ngroup h any a\nquorum h\n", "group g any h\ngroup h any a\nquorum g\n",
    "group g any none\nquorum g\n", "quorum none\r\n", "quorum none a\n",
    "witness d \(witnesses[0])\nquorum none\n", "log \(log)\nquorum none\n",
    "witness d \(log)\nquorum none\n", "log \(witnesses[0])\nquorum none\n",
    "witness d\nquorum none\n", "log\nquorum none\n",
  ])
  func aPolicyThatIsNoneIsRefused(text: String) {
    #expect(throws: AuditError.self) { try policy(Self.head + text) }
  }

  /// The heads of the proof vectors, by the same policy as a tlog-policy file.
  @Test func cosignedHeadsAreConfirmedOrNot() throws {
    let file = try Vectors.load(ProofVectors.self, from: "tlog_proofs.json")
    var text = "log \(file.policy.log)\n"
    for (number, key) in file.policy.witnesses.enumerated() {
      text += "witness w\(number) \(key)\n"
    }
    let names = file.policy.witnesses.indices.map { "w\($0)" }.joined(separator: " ")
    let policy = try policy(text + "group g \(file.policy.quorum) \(names)\nquorum g\n")
    var confirmed = 0
    for vector in file.cases {
      guard let proof = try? TLogProof(parsing: Array(vector.proof.utf8)) else { continue }
      let cosigned = try? policy.check(proof.checkpoint)
      let bySignatures =
        (try? proof.checkpoint.open(
          with: [demand(VerifierKey(file.policy.log))]
            + file.policy.witnesses.compactMap { VerifierKey($0) }
        ).verified) ?? []
      let cosigners = Set(bySignatures.filter { $0.type == .cosignature })
      // A line of the log's key under another origin is no head of that log.
      let origin = (try? Checkpoint(parsing: proof.checkpoint.text))?.origin
      let hasLog = bySignatures.contains { $0.type == .ed25519 && $0.name == origin }
      #expect(
        (cosigned?.isConfirmed ?? false) == (hasLog && cosigners.count >= file.policy.quorum),
        "\(vector.id)")
      if cosigned?.isConfirmed == true {
        confirmed += 1
        #expect(cosigned?.seconds != nil)
      }
    }
    #expect(confirmed > 0 && confirmed < file.cases.count)
    #expect(policy.isMet(by: []) == (file.policy.quorum == 0))
  }
}
