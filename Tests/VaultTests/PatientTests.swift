import Audit
import Cryptography
import Database
import Drivers
import Encoding
import Testing

@testable import Vault

/// Patients, the calls that are theirs, and what the log says about them.
@Suite struct PatientTests {
  /// The tags of a subject, in order, as the entries carry them.
  private func ordinals(
    of key: SubjectKey, in entries: [Entry]
  ) throws -> [Int64] {
    var tags: [SubjectTag: Int64] = [:]
    for ordinal in 1...200 {
      tags[try key.tag(Int64(ordinal), in: "vault.example.org/callvault")] = Int64(ordinal)
    }
    return entries.flatMap(\.subjects).compactMap { tags[$0] }
  }

  @Test func lateIdentificationSaysSinceWhen() async throws {
    let practice = try await Practice.new()
    let receipt = try await practice.recording([1, 2, 3])
    let clinician = try await practice.caller(.clinician)
    _ = try await practice.read(receipt.recording, as: clinician)
    let patient = try await practice.vault.createPatient(reference: "MRN-1", as: clinician)
    #expect(
      try await practice.vault.findPatient(reference: "MRN-1", as: clinician) == patient.id)
    let link = try await practice.vault.link(receipt.call, to: patient.id, as: clinician)
    _ = try await practice.read(receipt.recording, as: clinician)
    let entries = try await practice.entries()
    let row = try #require(await practice.catalog.patient(patient.id))
    let call = try #require(await practice.catalog.call(receipt.call))
    let patientKey = try practice.vault.keys.subjectKey(row.subject)
    let callKey = try practice.vault.keys.subjectKey(call.subject)
    // Created, found, linked, read: intent and outcome.
    #expect(try ordinals(of: patientKey, in: entries) == [1, 2, 3, 4, 5])
    let numbers = try ordinals(of: callKey, in: entries)
    #expect(numbers == Array(1...Int64(numbers.count)))
    let linked = entries[Int(link.logIndex)]
    #expect(linked.action == .subjectLinked && linked.objects == [receipt.call, link.id])
    // The patient's own id is in the entries that are about nobody else, and in no other.
    for entry in entries where entry.objects.contains(patient.id) {
      #expect(entry.action == .subjectCreated || entry.action == .search)
    }
    #expect(!entries.contains { $0.commits.isEmpty && $0.action == .subjectCreated })
  }

  @Test func aWrongIdentificationIsTakenBack() async throws {
    let practice = try await Practice.new()
    let receipt = try await practice.recording([1, 2, 3])
    let clinician = try await practice.caller(.clinician)
    let vault = practice.vault
    let patient = try await vault.createPatient(reference: "MRN-1", as: clinician)
    let other = try await vault.createPatient(reference: "MRN-2", as: clinician)
    let link = try await vault.link(receipt.call, to: patient.id, as: clinician)
    await #expect(throws: VaultError.self) {
      try await vault.unlink(receipt.call, from: other.id, as: clinician)
    }
    let ended = try await vault.unlink(receipt.call, from: patient.id, as: clinician)
    #expect(ended.id == link.id)
    _ = try await practice.read(receipt.recording, as: clinician)
    await #expect(throws: VaultError.self) {
      try await vault.unlink(receipt.call, from: patient.id, as: clinician)
    }
    let entries = try await practice.entries()
    let unlinked = entries[Int(ended.logIndex)]
    #expect(unlinked.action == .subjectUnlinked && unlinked.objects == [receipt.call, link.id])
    #expect(unlinked.subjects.count == 2)
    // From then on the call's entries are its own.
    for entry in entries[(Int(ended.logIndex) + 1)...] where entry.objects.contains(receipt.call) {
      #expect(entry.subjects.count == 1 && !entry.objects.contains(link.id))
    }
    let officer = try await practice.caller(.privacyOfficer)
    let proof = try await vault.proveSubject(patient.id, as: officer, purpose: .patientRequest)
    #expect(proof.subjects.count == 1, "the call is somebody else's")
    // What stands for the patient is told to whom a proof may be given, and to nobody else.
    #expect(
      try await vault.aliases(of: patient.id, as: officer, purpose: .patientRequest) == [link.id])
    #expect(try await vault.aliases(of: patient.id, as: clinician, purpose: nil).isEmpty)
    // The call may be somebody's again.
    let right = try await vault.link(receipt.call, to: other.id, as: clinician)
    #expect(
      try await vault.aliases(of: other.id, as: officer, purpose: .patientRequest)
        == [right.id, receipt.call])
  }

  @Test func aReferenceBelongsToOnePatientAndACallToOne() async throws {
    let practice = try await Practice.new()
    let receipt = try await practice.recording([1])
    let clinician = try await practice.caller(.clinician)
    let one = try await practice.vault.createPatient(reference: "MRN-1", as: clinician)
    let error = await #expect(throws: VaultError.self) {
      try await practice.vault.createPatient(reference: "MRN-1", as: clinician)
    }
    #expect(error?.code == .conflict && error?.existing == one.id)
    _ = try await practice.vault.link(receipt.call, to: one.id, as: clinician)
    let two = try await practice.vault.createPatient(reference: "MRN-2", as: clinician)
    let second = await #expect(throws: VaultError.self) {
      try await practice.vault.link(receipt.call, to: two.id, as: clinician)
    }
    #expect(second?.code == .conflict)
    let unknown = await #expect(throws: VaultError.self) {
      try await practice.vault.link(receipt.call, to: .random(), as: clinician)
    }
    #expect(unknown?.code == .notFound)
    let auditor = try await practice.caller(.auditor)
    let refused = await #expect(throws: VaultError.self) {
      try await practice.vault.createPatient(reference: "MRN-3", as: auditor)
    }
    #expect(refused?.code == .denied)
  }

  /// What is stored in a linked call is found again at a start, and tags go on without a gap.
  @Test func aStopWithoutWarningLosesNoCountAndNoRow() async throws {
    let practice = try await Practice.new()
    let receipt = try await practice.recording([1])
    let clinician = try await practice.caller(.clinician)
    let patient = try await practice.vault.createPatient(reference: "MRN-1", as: clinician)
    _ = try await practice.vault.link(receipt.call, to: patient.id, as: clinician)
    let system = try await practice.phoneSystem()
    let bytes = [UInt8](repeating: 7, count: 70_000)
    let second = try await practice.store(bytes, in: receipt.call, as: system)
    let again = try await practice.restarted()
    let reader = try await again.caller(.clinician)
    #expect(try await again.read(second.recording, as: reader) == bytes)
    let officer = try await again.caller(.privacyOfficer)
    let proof = try await again.vault.proveSubject(
      patient.id, as: officer, purpose: .patientRequest)
    let subject = try #require(proof.subjects.first)
    let row = try #require(await again.catalog.patient(patient.id))
    let key = try again.vault.keys.subjectKey(row.subject)
    let entries = try await again.entries()
    #expect(subject.entries.count == (try ordinals(of: key, in: entries)).count)
    #expect(proof.subjects.count == 2)
    // The file's own making is its last entry.
    #expect(subject.entries.last.map { entries[Int($0.index)].action } == .auditExported)
  }

  /// The log fails at each append in turn: a patient and a link are wholly there or absent.
  @Test(arguments: 0..<4)
  func aLogThatFailsLeavesNoHalfLink(appends: Int) async throws {
    let practice = try await Practice.new()
    let receipt = try await practice.recording([1])
    let clinician = try await practice.caller(.clinician)
    practice.store.fail(after: appends)
    var linked = false
    do throws(VaultError) {
      let patient = try await practice.vault.createPatient(reference: "MRN-1", as: clinician)
      _ = try await practice.vault.link(receipt.call, to: patient.id, as: clinician)
      linked = true
    } catch {
      #expect(error.code == .unavailable)
    }
    let again = try await practice.restarted()
    #expect(try await again.catalog.pendingRows(limit: 10).isEmpty)
    let reader = try await again.caller(.clinician)
    let call = try #require(await again.catalog.call(receipt.call))
    if linked { #expect(call.patient != nil) }
    if call.patient == nil {
      let id: Identifier
      do throws(VaultError) {
        id = try await again.vault.createPatient(reference: "MRN-1", as: reader).id
      } catch {
        id = try #require(error.existing)
      }
      _ = try await again.vault.link(receipt.call, to: id, as: reader)
    }
    #expect(try await again.read(receipt.recording, as: reader) == [1])
  }

  /// The log fails at each append of an unlinking in turn, or the program ends between entry and row: the link has
  /// ended exactly if the log says so, and tags go on without a gap.
  @Test(arguments: [0, 1, 2, nil])
  func anUnlinkingIsWhollyThereOrNot(appends: Int?) async throws {
    let practice = try await Practice.new()
    let receipt = try await practice.recording([1])
    let clinician = try await practice.caller(.clinician)
    let patient = try await practice.vault.createPatient(reference: "MRN-1", as: clinician)
    let link = try await practice.vault.link(receipt.call, to: patient.id, as: clinician)
    if let appends {
      practice.store.fail(after: appends)
      do throws(VaultError) {
        _ = try await practice.vault.unlink(receipt.call, from: patient.id, as: clinician)
      } catch {
        #expect(error.code == .unavailable)
      }
    } else {
      let call = try #require(await practice.catalog.call(receipt.call))
      var draft = EntryDraft(
        .subjectUnlinked, .single, by: clinician.actor, on: [receipt.call, link.id])
      draft.subjects = try practice.keys.subjectKeys(of: call)
      draft.outcome = .success
      _ = try await practice.log.record(draft)
    }
    // Put right once, it stays so. A practice that goes takes its folder along.
    var opened: [Practice] = []
    for _ in 0..<2 {
      let again = try await practice.restarted()
      opened.append(again)
      let says = try await again.entries().contains {
        $0.action == .subjectUnlinked && $0.outcome == .success
      }
      let call = try #require(await again.catalog.call(receipt.call))
      #expect((call.patient == nil) == says)
      #expect(try await again.catalog.endedLinks(of: patient.id) == (says ? [link.id] : []))
      if appends == nil { #expect(says) }
      let reader = try await again.caller(.clinician)
      #expect(try await again.read(receipt.recording, as: reader) == [1])
      let officer = try await again.caller(.privacyOfficer)
      let proof = try await again.vault.proveSubject(
        patient.id, as: officer, purpose: .patientRequest)
      let row = try #require(await again.catalog.patient(patient.id))
      let key = try again.vault.keys.subjectKey(row.subject)
      let numbers = try ordinals(of: key, in: try await again.entries())
      #expect(numbers == Array(1...Int64(numbers.count)))
      #expect(proof.subjects.first?.entries.count == numbers.count)
    }
  }

  /// The catalog stops before each of its commits of an unlinking, of which the last is overtaken by another
  /// operation's: the link has ended, as the log says.
  @Test func anUnlinkingThatWasOvertakenIsCarriedOut() async throws {
    let practice = try await Practice.new()
    let receipt = try await practice.recording([1])
    let clinician = try await practice.caller(.clinician)
    let patient = try await practice.vault.createPatient(reference: "MRN-1", as: clinician)
    let link = try await practice.vault.link(receipt.call, to: patient.id, as: clinician)
    let before = try practice.catalogCommits().count
    let ended = try await practice.vault.unlink(receipt.call, from: patient.id, as: clinician)
    let commits = try practice.catalogCommits()
    #expect(commits.count == before + 2)
    for number in (before - 1)..<commits.count {
      let isOvertaken = number == commits.count - 2
      let folder = try await practice.stopped(
        after: commits[number], overtakenBy: isOvertaken ? ended.logIndex : nil)
      let again = try await practice.reopened(folder, practice.home)
      let call = try #require(await again.catalog.call(receipt.call))
      #expect(call.patient == nil, "commit \(number)")
      #expect(try await again.catalog.endedLinks(of: patient.id) == [link.id])
      #expect(try await again.catalog.pendingRows(limit: 10).isEmpty)
      let reader = try await again.caller(.clinician)
      let entries = try await again.entriesOf {
        let bytes = try await again.read(receipt.recording, as: reader)
        #expect(bytes == [1])
      }
      #expect(entries.allSatisfy { !$0.objects.contains(link.id) })
      try await again.catalog.checkIntegrity()
    }
  }

  /// The catalog has no room for what the log has taken: it is carried on before the next row comes.
  @Test func anUnlinkingThatTheCatalogCouldNotTakeIsCarriedOn() async throws {
    let practice = try await Practice.new()
    let receipt = try await practice.recording([1])
    let clinician = try await practice.caller(.clinician)
    let patient = try await practice.vault.createPatient(reference: "MRN-1", as: clinician)
    let other = try await practice.vault.createPatient(reference: "MRN-2", as: clinician)
    let link = try await practice.vault.link(receipt.call, to: patient.id, as: clinician)
    try await practice.refusing("log_index", of: "ended_link") {
      let error = await #expect(throws: VaultError.self) {
        try await practice.vault.unlink(receipt.call, from: patient.id, as: clinician)
      }
      #expect(error?.code == .unavailable)
      let held = try await practice.catalog.call(receipt.call)
      #expect(held?.patient?.alias == link.id)
    }
    let says = try await practice.entries().filter { $0.action == .subjectUnlinked }
    #expect(says.map(\.outcome) == [.success])
    _ = try await practice.vault.link(receipt.call, to: other.id, as: clinician)
    #expect(try await practice.catalog.call(receipt.call)?.patient?.id == other.id)
    #expect(try await practice.catalog.endedLinks(of: patient.id) == [link.id])
    #expect(try await practice.catalog.pendingRows(limit: 10).isEmpty)
  }

  /// A page of a search names each patient once, and never more than an entry can hold.
  @Test func aPageNamesEachPatientOnce() async throws {
    let practice = try await Practice.new()
    let system = try await practice.phoneSystem()
    let clinician = try await practice.caller(.clinician)
    var calls: [Identifier] = []
    for number in 0..<70 {
      calls.append(
        try await practice.vault.createCall(
          NewCall(source: "3cx", sourceID: "\(number)"), as: system
        ).call)
    }
    for (number, call) in calls.enumerated() {
      let patient = try await practice.vault.createPatient(
        reference: "MRN-\(number)", as: clinician)
      _ = try await practice.vault.link(call, to: patient.id, as: clinician)
    }
    var found: [Identifier] = []
    var cursor: CallCursor?
    repeat {
      var search = CallSearch()
      search.limit = 100
      search.cursor = cursor
      let page = try await practice.vault.findCalls(search, as: clinician, purpose: nil)
      found += page.calls.map(\.call)
      cursor = page.next
    } while cursor != nil
    #expect(Set(found) == Set(calls) && found.count == 70)
  }
}
