import Cryptography
import Drivers
import Durable
import Encoding
import FaultInjection
import Foundation
import Testing
import Threading

@testable import Audit

/// A witness in this process, on a file system that can fail.
private final class NearWitness: WitnessTransport, Sendable {
  let directory: TemporaryDirectory
  private let witness: Lock<Witness?> = Lock(nil)
  let key: VerifierKey

  init() throws {
    directory = try TemporaryDirectory()
    let store = try FileWitnessStore(directory.path)
    try store.makeKey(named: "elm.example.org/w")
    let signer = try store.signer()
    key = signer.verifierKey
  }

  /// Starts it, or starts it again once the one before has let its folder go.
  func start(on fileSystem: any FileSystem = LinuxFileSystem()) async throws {
    stop()
    for _ in 0..<6000 {
      do {
        let store = try FileWitnessStore(directory.path, on: fileSystem)
        let started = try Witness(signer: store.signer(), store: store, clock: SteppedClock())
        return witness.withLock { $0 = started }
      } catch let error as DurableError where error.code == .locked {
        try await Task.sleep(for: .milliseconds(10))
      }
    }
    throw AuditError(.unavailable, during: "starting a witness whose folder is held")
  }

  private func running() throws -> Witness {
    guard let witness = witness.withLock({ $0 }) else {
      throw AuditError(.unavailable, during: "asking a witness that does not run")
    }
    return witness
  }

  func stop() { witness.withLock { $0 = nil } }

  func watch(_ key: VerifierKey) async throws { try await running().watch(key) }

  func addCheckpoint(_ body: [UInt8]) async throws -> (status: Int, body: [UInt8]) {
    let answer = try await running().addCheckpoint(body)
    return (answer.status, answer.body)
  }

  func checkpoint(ofLog name: String) async throws -> (status: Int, body: [UInt8]) {
    let answer = try await running().checkpoint(ofLog: name)
    return (answer.status, answer.body)
  }
}

/// Answers that it was told to give.
private struct LyingWitness: WitnessTransport {
  let answer: @Sendable ([UInt8]) -> (status: Int, body: [UInt8])

  func addCheckpoint(_ body: [UInt8]) async throws -> (status: Int, body: [UInt8]) { answer(body) }
  func checkpoint(ofLog name: String) async throws -> (status: Int, body: [UInt8]) { (404, []) }
}

@Suite struct AnchorTests {
  private func head(_ log: AuditLog) async throws -> VerifiedCheckpoint {
    try await log.publish()
    return try VerifiedCheckpoint(
      SignedNote(parsing: try #require(await log.publishedCheckpoint)), key: log.verifierKey)
  }

  private func anchor(
    _ witness: NearWitness, _ log: AuditLog, _ harness: Harness, _ fileSystem: any FileSystem
  ) throws -> WitnessAnchor {
    WitnessAnchor(
      name: "witness-1", key: witness.key, log: log, transport: witness,
      heads: try CosignedHeads(
        FileAnchorStore(harness.layout, on: fileSystem), clock: harness.clock))
  }

  /// The cosigned heads that lie in `anchors/`, each of which must hold.
  private func kept(_ harness: Harness, _ witness: VerifierKey) throws -> [VerifiedCheckpoint] {
    let evidence = AnchorEvidence(LogFolder(harness.layout.anchors))
    return try evidence.cosigned().map { name in
      let note = try SignedNote(parsing: #require(try evidence.read(name)))
      let head = try VerifiedCheckpoint(note, key: harness.key, witnesses: [witness])
      #expect(head.signers.contains(witness))
      return head
    }
  }

  private static let plans = FaultPlan.all.filter { $0.number == EIO || $0.number == ENOSPC }

  /// Whatever call of the witness fails: what left it, it remembers, and it goes on.
  @Test(arguments: plans)
  func aWitnessNeverContradictsItself(plan: FaultPlan) async throws {
    let harness = try Harness()
    let log = try await harness.open()
    var heads: [VerifiedCheckpoint] = []
    for _ in 0..<4 {
      _ = try await log.record(harness.draft())
      heads.append(try await head(log))
    }
    var faults = 0
    var call = 0
    while true {
      call += 1
      let witness = try NearWitness()
      try await witness.start()
      try await witness.watch(harness.key)
      witness.stop()
      let fileSystem = FailingFileSystem(
        FailingFileSystem.Fault(
          call: call, number: plan.number, lasting: plan.lasting, tearing: true))
      var left: Int64 = 0
      if (try? await witness.start(on: fileSystem)) != nil {
        for head in heads {
          let proof = try await log.consistencyProof(from: left, to: head)
          let request = try AddCheckpointRequest(
            oldSize: left, hashes: proof.hashes, note: head.note)
          let answer = try await witness.addCheckpoint(request.encoded)
          guard answer.status == 200 else {
            #expect(answer.status == 500 && answer.body.isEmpty)
            break
          }
          left = head.checkpoint.size
        }
      }
      witness.stop()
      // Started again it knows at least what left it, and refuses to go back.
      try await witness.start()
      let told = try await witness.addCheckpoint(
        AddCheckpointRequest(oldSize: 0, hashes: [], note: heads[0].note).encoded)
      let known = WitnessAnchor.size(told.body) ?? (told.status == 200 ? 0 : -1)
      #expect(known >= left, "call \(call): it cosigned \(left) and remembers \(known)")
      if !fileSystem.fired { break }
      faults += 1
      let last = try #require(heads.last)
      if known > 0 {
        let proof = try await log.consistencyProof(from: known, to: last)
        let request = try AddCheckpointRequest(
          oldSize: known, hashes: proof.hashes, note: last.note)
        #expect(try await witness.addCheckpoint(request.encoded).status == 200)
      }
    }
    #expect(faults > 10)
  }

  /// Whatever call of keeping fails: what counts as anchored is durable, and the next round mends it.
  @Test(arguments: plans)
  func whatCountsAsAnchoredIsKept(plan: FaultPlan) async throws {
    let harness = try Harness()
    let log = try await harness.open()
    _ = try await log.record(harness.draft())
    let witness = try NearWitness()
    try await witness.start()
    try await witness.watch(harness.key)
    var faults = 0
    var call = 0
    while true {
      call += 1
      _ = try await log.record(harness.draft())
      let head = try await head(log)
      let fileSystem = FailingFileSystem(
        FailingFileSystem.Fault(
          call: call, number: plan.number, lasting: plan.lasting, tearing: true))
      var isConfirmed = false
      do {
        _ = try await anchor(witness, log, harness, fileSystem).confirm(head)
        isConfirmed = true
      } catch {
        // Expected: the call failed.
      }
      let sizes = try kept(harness, witness.key).map(\.checkpoint.size)
      if isConfirmed { #expect(sizes.contains(head.checkpoint.size)) }
      // The log itself never notices.
      _ = try await log.record(harness.draft())
      let again = try anchor(witness, log, harness, LinuxFileSystem())
      _ = try await again.confirm(try await self.head(log))
      #expect(try await again.resume()?.size == (try await self.head(log)).checkpoint.size)
      if !fileSystem.fired { break }
      faults += 1
    }
    #expect(faults > 5)
    let report = try await LogVerifier(
      key: harness.key,
      assessment: AnchorAssessment(
        key: harness.key,
        policy: TrustPolicy(
          parsing: Array(
            "log \(harness.key)\nwitness w \(witness.key)\nquorum w\n".utf8)),
        authority: nil, given: [], evidence: AnchorEvidence(LogFolder(harness.layout.anchors)))
    ).verify(LogFolder(harness.layout.log))
    #expect(report.verdict == .intact, "\(report.findings)")
    #expect(report.anchoredSize == report.size && report.anchoredAt != nil)
  }

  /// A second history that our own key signed: refused by the witness, whatever its size.
  @Test func aForkOrAnEquivocationIsNeverCosigned() async throws {
    let harness = try Harness()
    let log = try await harness.open()
    let witness = try NearWitness()
    try await witness.start()
    try await witness.watch(harness.key)
    _ = try await log.record(harness.draft())
    let small = try await head(log)
    let copy = try TemporaryDirectory()
    let other = copy.path + "/data"
    try FileManager.default.copyItem(atPath: harness.layout.root, toPath: other)
    _ = try await log.record(harness.draft())
    _ = try await log.record(harness.draft())
    let genuine = try await head(log)
    _ = try await anchor(witness, log, harness, LinuxFileSystem()).confirm(genuine)

    let fork = try await harness.open(at: other, ledger: MemoryLedger())
    var forks: [VerifiedCheckpoint] = []
    for _ in 0..<4 {
      _ = try await fork.record(harness.draft())
      forks.append(try await head(fork))
    }
    let size = genuine.checkpoint.size
    var seen: Set<Int> = []
    for forged in forks where forged.checkpoint.size >= size {
      let proof = try await fork.consistencyProof(from: size, to: forged)
      let request = try AddCheckpointRequest(
        oldSize: size, hashes: proof.hashes, note: forged.note)
      let status = try await witness.addCheckpoint(request.encoded).status
      #expect(status == 422)
      seen.insert(forged.checkpoint.size == size ? 0 : 1)
    }
    #expect(seen == [0, 1], "both an equivocation and a fork were tried")
    let rollback = try AddCheckpointRequest(oldSize: size, hashes: [], note: small.note)
    #expect(try await witness.addCheckpoint(rollback.encoded).status == 400)
    let held = try await witness.checkpoint(ofLog: WitnessState.fileName(of: harness.key.name))
    #expect(try SignedNote(parsing: held.body).text == genuine.note.text)
    // What the witness holds stops the fork's next start, before it signs more.
    let before = try Data(contentsOf: URL(fileURLWithPath: other + "/log/checkpoint"))
    await #expect {
      _ = try await AuditLog.open(
        harness.configuration, store: try FileLogStore(StorageLayout(root: other)),
        signer: try harness.signer(), openings: harness.sealer, subjects: MemoryLedger(),
        clock: harness.clock, anchors: [genuine])
    } throws: {
      ($0 as? AuditError)?.code == .forked
    }
    #expect(try Data(contentsOf: URL(fileURLWithPath: other + "/log/checkpoint")) == before)
  }

  /// Each start compares every kind of head with what the journal and the published log hold.
  @Test func anchorsAreComparedBeforeAnythingIsWritten() async throws {
    let harness = try Harness()
    let log = try await harness.open()
    var heads: [VerifiedCheckpoint] = []
    for _ in 0..<300 {
      _ = try await log.record(harness.draft())
      if heads.count < 4 || heads.count.isMultiple(of: 50) { heads.append(try await head(log)) }
    }
    let ahead = try await head(log)
    await close(log)
    let copy = try TemporaryDirectory()
    try FileManager.default.copyItem(
      atPath: harness.layout.root, toPath: copy.path + "/data")
    let again = try await AuditLog.open(
      harness.configuration, store: try harness.store(), signer: try harness.signer(),
      openings: harness.sealer, subjects: harness.ledger, clock: harness.clock,
      anchors: heads + [ahead])
    _ = try await again.record(harness.draft())
    let newer = try await head(again)
    await #expect {
      _ = try await AuditLog.open(
        harness.configuration, store: try FileLogStore(StorageLayout(root: copy.path + "/data")),
        signer: try harness.signer(), openings: harness.sealer, subjects: harness.ledger,
        clock: harness.clock, anchors: [newer])
    } throws: {
      ($0 as? AuditError)?.code == .behindAnchor
    }
  }

  /// Lines that do not hold, sizes that nobody signed: nothing is kept, and it is told.
  @Test func aLyingWitnessConfirmsNothing() async throws {
    let harness = try Harness()
    let log = try await harness.open()
    let head = try await head(log)
    let near = try NearWitness()
    try await near.start()
    try await near.watch(harness.key)
    let honest = try await near.addCheckpoint(
      AddCheckpointRequest(oldSize: 0, hashes: [], note: head.note).encoded
    ).body
    var flipped = honest
    let place = flipped.count - 8
    flipped[place] = flipped[place] == UInt8(ascii: "A") ? UInt8(ascii: "B") : UInt8(ascii: "A")
    let answers: [(Int, [UInt8], AuditError.Code)] = [
      (200, [], .malformed), (200, Array("nonsense\n".utf8), .malformed),
      (200, flipped, .notAuthentic), (200, Array(honest.dropLast()), .malformed),
      (500, [], .notAuthentic), (409, [], .malformed), (409, Array("007\n".utf8), .malformed),
      (409, Array("99\n".utf8), .behindAnchor), (404, [], .notAuthentic),
      (409, Array("1\n".utf8), .notAuthentic),
    ]
    for (status, body, code) in answers {
      let anchor = WitnessAnchor(
        name: "witness-1", key: near.key, log: log,
        transport: LyingWitness { _ in (status, body) },
        heads: try CosignedHeads(FileAnchorStore(harness.layout), clock: harness.clock))
      await #expect {
        _ = try await anchor.confirm(head)
      } throws: {
        ($0 as? AuditError)?.code == code
      }
    }
    #expect(try kept(harness, near.key).isEmpty)
  }

  @Test func aPlaceIsProbedAndNotBelieved() async throws {
    let harness = try Harness()
    let log = try await harness.open()
    let first = try await head(log)
    let place = try TemporaryDirectory()
    let open = try CopyAnchor(place.path, origin: harness.key.name, clock: harness.clock)
    #expect(try await open.confirm(first).remark == "write-once: not proven")
    // A place that refuses what changes a file, once it is there.
    let fileSystem = FailingFileSystem(FailingFileSystem.Fault(call: nil, number: EPERM))
    let folder = place.path + "/" + WitnessState.fileName(of: try harness.key.name)
    try AtomicFile.create(
      Array("to be overwritten and deleted, if this place lets one\n".utf8),
      at: folder + "/canary", on: LinuxFileSystem())
    let closed = try CopyAnchor(
      place.path, origin: harness.key.name, clock: harness.clock, on: fileSystem)
    fileSystem.fail(["unlink", "rename", "write"], with: EPERM)
    #expect(try await closed.confirm(first).remark == "write-once: proven")
    // One that lets any one change through does not.
    for open in ["unlink", "rename", "write"] {
      let fileSystem = FailingFileSystem(FailingFileSystem.Fault(call: nil, number: EPERM))
      let nearly = try CopyAnchor(
        place.path, origin: harness.key.name, clock: harness.clock, on: fileSystem)
      fileSystem.fail(Set(["unlink", "rename", "write"]).subtracting([open]), with: EPERM)
      #expect(try await nearly.confirm(first).remark == "write-once: not proven", "\(open)")
      if open == "unlink" {
        try AtomicFile.create(
          Array("to be overwritten and deleted, if this place lets one\n".utf8),
          at: folder + "/canary", on: LinuxFileSystem())
      }
    }
    // Another head of a size that lies there already is never written over it.
    let name = AnchorFileName.padded(first.checkpoint.size, to: 20)
    let stranger = try SignedNote(
      parsing: Array(
        String(decoding: first.note.encoded, as: UTF8.self)
          .replacingOccurrences(of: "\n\(first.checkpoint.size)\n", with: "\n77\n").utf8))
    try AtomicFile.write(
      stranger.encoded, to: "\(folder)/\(name)", on: LinuxFileSystem())
    await #expect {
      _ = try await open.confirm(first)
    } throws: {
      ($0 as? AuditError)?.code == .forked
    }
  }

  /// Stamps (size, second), an entry (index, second), and whether its time can be true.
  struct TimeCase: Sendable {
    let stamps: [(size: Int64, second: Int64)]
    let index, second: Int64
    let isAllowed: Bool

    init(_ stamps: [(Int64, Int64)], _ index: Int64, _ second: Int64, _ isAllowed: Bool) {
      self.stamps = stamps.map { (size: $0.0, second: $0.1) }
      self.index = index
      self.second = second
      self.isAllowed = isAllowed
    }
  }

  private static let times: [TimeCase] = [
    TimeCase([(10, 1_000)], 9, 1_300, true), TimeCase([(10, 1_000)], 9, 1_301, false),
    TimeCase([(10, 1_000)], 10, 700, true), TimeCase([(10, 1_000)], 10, 699, false),
    TimeCase([(10, 1_000)], 10, 9_999, true),
    TimeCase([(10, 1_000), (20, 2_000)], 15, 2_301, false),
    TimeCase([(10, 1_000), (20, 2_000)], 15, 699, false),
    TimeCase([(10, 1_000), (20, 2_000)], 15, 1_500, true),
    // A later stamp of an earlier time bounds what comes before it, too.
    TimeCase([(10, 1_000), (20, 500)], 5, 900, false), TimeCase([], 5, 0, true),
  ]

  @Test(arguments: times)
  func timesLieBetweenStamps(given: TimeCase) throws {
    let times = StampTimes(
      try given.stamps.map { stamp in
        AnchorAssessment.Stamp(
          checkpoint: try #require(
            Checkpoint(origin: "o", size: stamp.size, root: MerkleTree.emptyRoot)),
          seconds: stamp.second)
      })
    #expect(times.allows(given.second * 1000, at: given.index) == given.isAllowed)
  }

  @Test func anAnchorIsOldWhenItsLimitHasPassed() {
    var record = AnchorRecord(name: "witness-1", limit: 1_000, since: 10_000)
    #expect(!record.isAlarming(logSize: 5, at: 11_000))
    #expect(record.isAlarming(logSize: 5, at: 11_001))
    #expect(!record.isAlarming(logSize: 0, at: 99_000), "there is nothing to confirm")
    record.succeeded(size: 5, at: 12_000)
    #expect(record.lag(of: 9) == 4 && record.age(at: 12_500) == 500)
    #expect(!record.isAlarming(logSize: 5, at: 99_000))
    #expect(record.isAlarming(logSize: 6, at: 13_001))
    record.failed(AuditError(.behindAnchor, during: "a test"))
    #expect(record.isAlarming(logSize: 5, at: 12_001), "it claims to know more")
    record.succeeded(size: 6, at: 13_000)
    #expect(!record.isAlarming(logSize: 6, at: 13_001) && record.failure == nil)
  }
}
