import Audit
import Cryptography
import Drivers
import Durable
import Encoding
import FaultInjection
import Foundation
import Glibc
import Testing

@testable import Vault

/// A data directory put back from an old copy while an anchor knows more: refused, and what people
/// can do then.
@Suite(.timeLimit(.minutes(30))) struct LossTests {
  private func report(
    _ practice: LostPractice, _ folder: String, origin: String, root: VerifierKey? = nil,
    anchors: [[UInt8]]
  ) async throws -> LogReport {
    let signer = try practice.signer(origin)
    var verifier = try LogVerifier(key: signer.verifierKey, anchors: anchors)
    verifier.rootKey = root
    return try await verifier.verify(LogFolder(folder))
  }

  private func checkpoint(_ folder: String) throws -> [UInt8] {
    try AtomicFile.read(folder + "/checkpoint", limit: 1 << 16, on: LinuxFileSystem())
  }

  private func refuses(_ practice: LostPractice, _ path: String) async {
    let error = await #expect(throws: AuditError.self) {
      _ = try await practice.open(path, anchors: [practice.anchor])
    }
    #expect(error?.code == .behindAnchor)
  }

  /// What holds of a data directory after a recovery, however it came to be finished.
  private func check(
    _ practice: LostPractice, _ path: String, _ comment: Comment
  ) async throws {
    let layout = StorageLayout(root: path)
    let opened = try await practice.open(path, anchors: [practice.anchor])
    try await opened.log.publish()
    let origin = opened.log.configuration.origin
    #expect(LogOrigin.isRestart(origin), comment)
    let note = try SignedNote(
      parsing: AtomicFile.read(layout.log + "/recovery", limit: 1 << 16, on: LinuxFileSystem()))
    let recovery = try RecoveryNote(parsing: note.text)
    #expect(recovery.holds(note), comment)
    let new = try await report(
      practice, layout.log, origin: origin, root: recovery.root,
      anchors: [try checkpoint(layout.log)])
    #expect(new.verdict == .intact, "\(comment): \(new.findings)")
    #expect(new.notes.contains { $0.hasPrefix("restarted: entries ") }, comment)
    #expect(new.sentence.hasPrefix("Intact since it was restarted"), comment)
    let old = try await report(
      practice, layout.earlier(1).log, origin: LostPractice.origin,
      anchors: [practice.anchor.note.encoded])
    #expect(old.verdict == .behindAnchor, "\(comment): \(old.findings)")
    #expect(recovery.kept.size == old.size && recovery.anchored == practice.anchor.checkpoint)
    #expect(try Directory.status(of: layout.recovery.root, on: LinuxFileSystem()) == nil, comment)
    #expect(try await opened.catalog.pendingRows(limit: 10).isEmpty, comment)
  }

  /// Between a purge's entry and its rows: the ceremony removes the rows, and no backup brings the key back.
  @Test func aPurgeThatARecoverySettlesLeavesItsTombstone() async throws {
    let practice = try await LostPractice()
    let path = try practice.restored("restored")
    let opened = try await practice.open(path)
    let call = practice.life.recording.call
    let row = try #require(await opened.catalog.call(call))
    try await opened.catalog.insertPurge(
      of: call, at: opened.vault.now, since: await opened.vault.logSize)
    var draft = EntryDraft(.recordingPurged, .single, by: opened.log.system, on: [call])
    draft.outcome = .success
    draft.keyID = row.keyID
    _ = try await opened.log.record(draft)
    try await opened.log.publish()
    #expect(try practice.keys.buried().isEmpty)
    _ = try await practice.hold(in: path)
    #expect(try practice.keys.buried() == [row.keyID])
    let key = WrappedKeyRow(owner: .call, id: call, record: row.wrappedKey)
    #expect(!practice.keys.opens(key))
    let again = try await practice.open(path)
    #expect(try await again.catalog.call(call) == nil)
    #expect(try await again.catalog.purgedCall(call)?.keyID == row.keyID)
  }

  /// Questions about the time before two recoveries: each log answers under its own head, and one that is not
  /// what the log after it names answers nothing.
  @Test func earlierLogsAnswerAsTheLogsAfterThemNameThem() async throws {
    let practice = try await LostPractice()
    let path = try practice.restored("restored")
    let layout = StorageLayout(root: path)
    _ = try await practice.hold(in: path)
    // A second loss: an anchor knows a head of the new log that the folder does not lead to.
    let second = try await practice.open(path)
    let signer = try practice.signer(second.log.configuration.origin)
    let ahead = try #require(
      Checkpoint(
        origin: second.log.configuration.origin, size: await second.log.durableHead.size + 9,
        root: SHA256.hash([1])))
    let anchor = try VerifiedCheckpoint(signer.sign(ahead), key: signer.verifierKey)
    let administrator = try await practice.administrator(of: second.vault)
    _ = try await practice.caller(.auditor, of: second.vault, by: administrator)
    try await second.log.publish()
    // Its names have seconds.
    try await Task.sleep(for: .milliseconds(1100))
    _ = try await practice.hold(in: path, anchors: [anchor])

    let opened = try await practice.open(path)
    let logs = EarlierLogs(
      try (1...2).map { try PublishedDirectory(layout.earlier($0)) }, sealer: practice.keys)
    opened.vault.keep(logs)
    #expect(opened.vault.logCount == 3)
    let first = try await opened.vault.auditableLog(1)
    #expect(first.origin == LostPractice.origin)
    let recording = practice.life.recording.recording
    var filter = EntryFilter()
    filter.object = recording
    let found = try await first.entries(matching: filter, limit: 10).entries.map(\.entry)
    #expect(found.contains { $0.action == .recordingStored })
    let states = try await first.openingStates(of: found)
    #expect(
      states.allSatisfy { $0.values.allSatisfy { if case .present = $0 { true } else { false } } })
    let proof = try await first.proof(of: found[0].index)
    #expect(
      proof.checkpoint.text == (try SignedNote(parsing: checkpoint(layout.earlier(1).log)).text))
    #expect(try await opened.vault.auditableLog(2).origin == signer.verifierKey.name)
    #expect(try await opened.vault.auditableLog(3).origin == opened.log.configuration.origin)
    #expect(try await opened.vault.auditableLog(nil).origin == opened.log.configuration.origin)
    for number: Int64 in [0, 4, .max] {
      let error = await #expect(throws: VaultError.self) {
        _ = try await opened.vault.auditableLog(number)
      }
      #expect(error?.code == .notFound)
    }
    let again = try await practice.administrator(of: opened.vault)
    let (officer, _) = try await practice.caller(.privacyOfficer, of: opened.vault, by: again)
    for number: Int64 in [1, 2, 3] {
      let proof = try await opened.vault.proveSubject(
        practice.life.patient, as: officer, purpose: .patientRequest, in: number)
      #expect(proof.subjects.map(\.entries.isEmpty) == [false, false])
    }

    // Another head of the same key, and a note that is another's.
    let head = layout.earlier(1).log + "/checkpoint"
    let kept = try checkpoint(layout.earlier(1).log)
    try AtomicFile.write(practice.anchor.note.encoded, to: head, on: LinuxFileSystem())
    let error = await #expect(throws: VaultError.self) {
      _ = try await opened.vault.auditableLog(1)
    }
    #expect(error?.code == .tampered)
    #expect(try await opened.vault.auditableLog(2).readableSize() > 0)
    try AtomicFile.write(kept, to: head, on: LinuxFileSystem())
    let note = try AtomicFile.read(layout.log + "/recovery", limit: 1 << 16, on: LinuxFileSystem())
    try AtomicFile.write(note, to: layout.earlier(2).log + "/recovery", on: LinuxFileSystem())
    let foreign = await #expect(throws: VaultError.self) {
      _ = try await opened.vault.auditableLog(1)
    }
    #expect(foreign?.code == .tampered)
  }

  @Test func aNewLogGoesOnAndSaysWhatWasLost() async throws {
    let practice = try await LostPractice()
    let path = try practice.restored("restored")
    let layout = StorageLayout(root: path)
    await refuses(practice, path)
    let before = try checkpoint(layout.log)
    let outcome = try await practice.hold(in: path)
    #expect(outcome.number == 1)
    #expect(outcome.note.anchored == practice.anchor.checkpoint)
    // Two tokens, the administrator, their holders, the one whose row was pending; the other one went.
    #expect(outcome.carried.identities == 4)
    #expect(outcome.carried.endedTokens == 2)
    #expect(outcome.carried.patients == 1 && outcome.carried.links == 1)
    #expect(outcome.carried.openIntents == 1)
    try await check(practice, path, "held")
    #expect(try checkpoint(layout.earlier(1).log) == before, "something was signed for the old log")
    #expect(
      try AtomicFile.read(layout.earlier(1).anchored, limit: 1 << 16, on: LinuxFileSystem())
        == practice.anchor.note.encoded)

    let opened = try await practice.open(path)
    let entries = try await opened.log.entries(matching: EntryFilter(), limit: 1000).entries.map(
      \.entry)
    let genesis = try #require(entries.first)
    #expect(genesis.action == .logGenesis && genesis.flags == [.restarted])
    #expect(genesis.evidence == SHA256.hash(outcome.note.text))
    let states = try await opened.log.openingStates(of: genesis)
    guard case .present(let reason)? = states[.reason] else {
      Issue.record("the reason has no opening")
      return
    }
    #expect(String(decoding: reason.value, as: UTF8.self) == "the disk died")
    let person = try #require(await opened.catalog.identity(.localUser, named: "1000"))
    #expect(genesis.behalf == person.id)
    let introduced = entries.filter { $0.action == .personCreated }.flatMap(\.objects)
    #expect(introduced.contains(person.id))
    let closed = try #require(entries.first { $0.reference == practice.life.openIntent })
    #expect(closed.outcome == .presumed && closed.flags == [.carried, .recovered])
    // The next start closes nothing twice, and announces the policies that are in force.
    #expect(opened.log.unfinishedIntents.isEmpty)
    #expect(entries.count { $0.action == .policyChanged } == 2)

    // Nobody knows which tokens were revoked in what is lost.
    let refused = await #expect(throws: VaultError.self) {
      _ = try await opened.vault.authenticate(
        token: practice.life.token, via: "192.0.2.7", request: .random())
    }
    #expect(refused?.code == .unauthenticated)

    let administrator = try await practice.administrator(of: opened.vault)
    let (officer, _) = try await practice.caller(
      .privacyOfficer, of: opened.vault, by: administrator)
    let proof = try await opened.vault.proveSubject(
      practice.life.patient, as: officer, purpose: .operations)
    #expect(proof.subjects.count == 2)
    #expect(proof.subjects.allSatisfy { $0.introduced != nil })
    // The same bytes again: their entry is the old log's, and the answer says so.
    let (system, _) = try await practice.caller(
      .service, "recordings:write", of: opened.vault, by: administrator)
    let again = try await practice.store(
      [1, 2, 3], in: practice.life.recording.call, of: opened.vault, as: system)
    #expect(again.isRepeated && again.earlierLog == 1)
    #expect(again.logIndex == practice.life.recording.logIndex)
    let more = try await practice.store(
      [4], in: practice.life.recording.call, of: opened.vault, as: system)
    #expect(more.earlierLog == nil)
  }

  @Test func tagsOfTwoLogsDoNotLink() async throws {
    let practice = try await LostPractice()
    let path = try practice.restored("restored")
    _ = try await practice.hold(in: path)
    func tags(_ folder: String) throws -> [SubjectTag] {
      let bundles = try FileManager.default.contentsOfDirectory(
        atPath: folder + "/tile/entries/000.p")
      let widest = try #require(bundles.compactMap { Int($0) }.max())
      let bytes = try AtomicFile.read(
        folder + "/tile/entries/000.p/\(widest)", limit: 1 << 22, on: LinuxFileSystem())
      return try EntryBundle.parse(bytes, count: widest).flatMap { try Entry(parsing: $0).subjects }
    }
    let layout = StorageLayout(root: path)
    let (old, new) = (try tags(layout.earlier(1).log), try tags(layout.log))
    #expect(!old.isEmpty && !new.isEmpty && Set(old).isDisjoint(with: new))
  }

  @Test func onlyALogThatIsContradictedAndItsRootBeginAnother() async throws {
    let practice = try await LostPractice()
    let path = try practice.restored("restored")
    let layout = StorageLayout(root: path)
    let signer = try practice.signer(LostPractice.origin)
    let known = try VerifiedCheckpoint(
      SignedNote(parsing: checkpoint(layout.log)), key: signer.verifierKey)
    var error = await #expect(throws: VaultError.self) {
      _ = try await practice.hold(in: path, anchors: [known])
    }
    #expect(error?.code == .conflict)
    let elsewhere = StorageLayout(root: try practice.restored("elsewhere"))
    let other = elsewhere.root + "/other.key"
    _ = try LogRootFile.make(other, for: LostPractice.origin, in: elsewhere)
    error = await #expect(throws: VaultError.self) {
      _ = try await practice.hold(in: path, rootFile: other)
    }
    #expect(error?.code == .conflict)
    await refuses(practice, path)
    #expect(try LogName.read(layout) == nil)
  }

  /// An old copy of a catalog beside its log loses rows that the log knows of.
  @Test func aCatalogOfAnotherDayStopsTheCeremony() async throws {
    let practice = try await LostPractice()
    let path = try practice.restored("restored")
    for name in try FileManager.default.contentsOfDirectory(atPath: path)
    where name.hasPrefix("catalog.sqlite") {
      try FileManager.default.removeItem(atPath: path + "/" + name)
    }
    let error = await #expect(throws: VaultError.self) { _ = try await practice.hold(in: path) }
    #expect(error?.code == .behindLog)
    #expect(try LogName.read(StorageLayout(root: path)) == nil)
  }

  @Test func aLogCanBeLostTwice() async throws {
    let practice = try await LostPractice()
    let path = try practice.restored("restored")
    let first = try await practice.hold(in: path, endsTokens: false)
    let opened = try await practice.open(path)
    try await opened.log.publish()
    let kept = path + "-kept"
    try FileManager.default.copyItem(atPath: path, toPath: kept)
    _ = try await practice.administrator(of: opened.vault)
    try await opened.log.publish()
    let anchor = try VerifiedCheckpoint(
      SignedNote(parsing: checkpoint(StorageLayout(root: path).log)), key: first.note.log)
    // A name is a second's: the next one is another.
    try await Task.sleep(for: .seconds(1.1))
    let second = try await practice.hold(in: kept, anchors: [anchor])
    #expect(second.number == 2 && second.note.old == first.note.log)
    #expect(second.note.log.name.utf8.count == first.note.log.name.utf8.count)
    let again = try await practice.open(kept)
    try await again.log.publish()
    let layout = StorageLayout(root: kept)
    for (folder, origin) in [
      (layout.log, second.note.log.name), (layout.earlier(2).log, first.note.log.name),
    ] {
      let report = try await report(
        practice, folder, origin: origin, anchors: [try checkpoint(folder)])
      #expect(report.verdict == .intact, "\(report.findings)")
      #expect(report.restart != nil)
    }
  }

  /// Whoever takes the note away, or puts another in its place, is found.
  @Test func theNoteOfARecoveryCannotGo() async throws {
    let practice = try await LostPractice()
    let path = try practice.restored("restored")
    let outcome = try await practice.hold(in: path)
    let log = StorageLayout(root: path).log
    let file = log + "/recovery"
    let head = try checkpoint(log)
    let bytes = try AtomicFile.read(file, limit: 1 << 16, on: LinuxFileSystem())
    func verdict() async throws -> Verdict {
      try await report(
        practice, log, origin: outcome.note.log.name, root: outcome.note.root, anchors: [head]
      ).verdict
    }
    #expect(try await verdict() == .intact)
    // Another loss, signed by the keys that are on the machine and by a root of one's own.
    let other = path + "/other.key"
    _ = try LogRootFile.make(
      other, for: outcome.note.old.name, in: StorageLayout(root: try practice.restored("x")))
    let root = try LogRootFile.signer(in: other, for: outcome.note.old.name)
    let newRoot = try LogRootFile.signer(in: other, for: outcome.note.log.name)
    let smaller = try #require(
      Checkpoint(
        origin: outcome.note.old.name, size: outcome.note.kept.size + 1,
        root: outcome.note.anchored.root))
    let lie = try #require(
      RecoveryNote(
        log: outcome.note.log, root: newRoot.verifierKey, old: outcome.note.old,
        anchored: smaller, kept: outcome.note.kept))
    let forged = try lie.signed(by: root, and: practice.signer(outcome.note.log.name)).encoded
    var changed = bytes
    // Another digit of the signature's base64: any other byte would make it no note at all.
    let digit = bytes.count - 10
    changed[digit] = changed[digit] == UInt8(ascii: "A") ? UInt8(ascii: "B") : UInt8(ascii: "A")
    for (content, expected) in [
      (forged, Verdict.unauthentic), (changed, .unauthentic), (Array("callvault\n".utf8), .altered),
      (nil, .altered),
    ] as [([UInt8]?, Verdict)] {
      try FileManager.default.removeItem(atPath: file)
      if let content {
        try AtomicFile.write(content, to: file, mode: .publicFile, on: LinuxFileSystem())
      }
      #expect(try await verdict() == expected)
      if content == nil { try AtomicFile.write(bytes, to: file, on: LinuxFileSystem()) }
    }
    #expect(try await verdict() == .intact)
  }

  /// Every step of the ceremony fails once, as in a crash: what is there then is the old log as it was
  /// refused, or the new one, and the ceremony or the next start ends it.
  @Test func whicheverCallFailsThereIsOneLog() async throws {
    let practice = try await LostPractice()
    let isTorture = ProcessInfo.processInfo.environment["CALLVAULT_TORTURE"] != nil
    let counting = FailingFileSystem(FailingFileSystem.Fault(call: nil, number: EIO))
    _ = try await practice.hold(in: practice.restored("restored"), on: counting)
    let calls = counting.calls.count
    var decided = 0
    var tried = 0
    for call in stride(from: 1, through: calls, by: isTorture ? 1 : 37) {
      let path = try practice.restored("restored")
      let files = FailingFileSystem(
        FailingFileSystem.Fault(call: call, number: EIO, lasting: true, tearing: true))
      await #expect(throws: (any Error).self, "call \(call)") {
        _ = try await practice.hold(in: path, on: files)
      }
      tried += 1
      if try LogName.read(StorageLayout(root: path)) == nil {
        await refuses(practice, path)
        _ = try await practice.hold(in: path)
      } else {
        decided += 1
      }
      try await check(practice, path, "call \(call) of \(calls)")
    }
    #expect(decided > 0 && decided < tried)
    print(
      ": \(tried) of \(calls) calls of a recovery failed in turn, \(decided) after the decision")
  }
}
