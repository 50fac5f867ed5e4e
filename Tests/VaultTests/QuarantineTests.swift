import Audit
import Cryptography
import Drivers
import Encoding
import Foundation
import Retention
import Testing

@testable import Vault

/// What is in quarantine is not there for those who may not review it.
@Suite struct QuarantineTests {
  private func refused(
    _ code: VaultError.Code, _ body: () async throws -> Void
  ) async {
    let error = await #expect(throws: VaultError.self) { try await body() }
    #expect(error?.code == code)
  }

  @Test func aCardNumberPutsTheCallOutOfReach() async throws {
    let practice = try await Practice.new()
    let card = try await CardCall.stored(in: practice, transcribed: false)
    let clinician = try await practice.caller(.clinician)
    let officer = try await practice.caller(.privacyOfficer)
    let system = try await practice.phoneSystem()
    let grant = try await practice.vault.grantPlayback(
      of: card.recording, as: clinician, purpose: .treatment)
    let stored = try await practice.entriesOf {
      _ = try await practice.vault.storeTranscript(
        CardCall.transcript(CardCall.number), of: card.call, as: system)
    }
    // In effect, and on record, before the transcript is.
    #expect(
      stored.map(\.action) == [.transcriptStored, .incidentOpened, .transcriptStored])
    let vault = practice.vault
    let refusals = try await practice.entriesOf {
      await refused(.notFound) {
        _ = try await practice.read(card.recording, as: clinician)
      }
      await refused(.notFound) {
        _ = try await vault.call(card.call, as: clinician, purpose: .treatment)
      }
      await refused(.notFound) { _ = try await vault.call(card.call, as: clinician, purpose: nil) }
      await refused(.notFound) {
        _ = try await vault.transcript(
          of: card.call, version: 1, as: clinician, purpose: .treatment)
      }
      await refused(.notFound) {
        _ = try await vault.notes(of: card.call, as: clinician, purpose: .treatment)
      }
      await refused(.notFound) {
        _ = try await vault.consent(of: card.call, as: clinician, purpose: .treatment)
      }
      await refused(.notFound) {
        _ = try await vault.grantPlayback(of: card.recording, as: clinician, purpose: .treatment)
      }
      await refused(.notFound) {
        try await vault.openPlayback(grant.secret, via: "192.0.2.7", request: .random()) { _ in }
      }
      await refused(.notFound) {
        try await vault.readCiphertext(of: card.recording, as: officer) { _, _ in }
      }
    }
    #expect(refusals.count == 9)
    #expect(refusals.allSatisfy { $0.outcome == .refused && $0.reason == .quarantined })
    for caller in [clinician, officer] {
      var search = CallSearch(limit: 50)
      search.party = "+13135550142"
      #expect(
        try await vault.findCalls(search, as: caller, purpose: .treatment).calls.isEmpty)
      #expect(
        try await vault.findCalls(CallSearch(limit: 50), as: caller, purpose: nil).calls.isEmpty)
    }
    await refused(.denied) {
      _ = try await vault.incidents(
        after: nil, limit: 30, as: clinician, purpose: .treatment)
    }

    // Whoever may review it hears it, and the log says so each time.
    let page = try await vault.incidents(after: nil, limit: 30, as: officer, purpose: .operations)
    let incident = try #require(page.incidents.first?.incident)
    #expect(page.incidents.count == 1 && page.next == nil && incident.call == card.call)
    #expect(incident.spans == [TimeSpan(1050, 1950)] && incident.version == 2)
    #expect(incident.due == Timestamp(milliseconds: incident.opened.milliseconds + 72 * 3_600_000))
    let reviews = try await practice.entriesOf {
      #expect(try await card.isExcised(in: practice, as: officer) == false)
      _ = try await practice.read(card.recording, as: officer, purpose: .operations)
    }
    #expect(reviews.allSatisfy { $0.flags.contains(.quarantined) })

    // It goes on being added to.
    _ = try await practice.store([1, 2, 3], in: card.call, as: system)
    _ = try await vault.storeTranscript(CardCall.transcript(nil), of: card.call, as: system)

    #expect(await vault.health().incidents == IncidentCounts(cardData: 1))
    await refused(.denied) {
      _ = try await vault.closeIncident(
        incident.id, because: "mine", as: clinician, purpose: .treatment)
    }
    _ = try await vault.closeIncident(
      incident.id, because: "an order number", as: officer, purpose: .operations)
    await refused(.notFound) {
      _ = try await vault.closeIncident(
        incident.id, because: "again", as: officer, purpose: .operations)
    }
    #expect(try await practice.read(card.recording, as: clinician) == card.sound)
    #expect(
      try await vault.findCalls(CallSearch(limit: 50), as: clinician, purpose: nil).calls.count == 1
    )
  }

  /// No digit of it in the log, in what the log commits to, or in a row that is in clear.
  @Test func nothingSaysWhatWasFound() async throws {
    for told in [CardCall.number, "4111111111111111", "4111-1111-1111-1111", "last1111"] {
      #expect(CardCall.withoutRandomNames(told) == told)
    }
    let practice = try await Practice.new()
    _ = try await CardCall.stored(in: practice)
    let bytes = try await practice.entries().map { try $0.encoded() }
    var openings = 0
    for entry in try await practice.entries() {
      for state in try await practice.log.openingStates(of: entry).values {
        guard case .present(let opening) = state else { continue }
        openings += 1
        let value = CardCall.withoutRandomNames(String(decoding: opening.value, as: UTF8.self))
        #expect(!value.contains("1111"))
      }
    }
    #expect(openings > 10)
    for entry in bytes {
      let text = CardCall.withoutRandomNames(String(decoding: entry, as: UTF8.self))
      #expect(text.contains("\"action\"") && !text.contains("1111") && !text.contains("4111"))
    }
    let walk = FileManager.default.enumerator(atPath: practice.folder.path)
    for case let name as String in try #require(walk) {
      let path = practice.folder.appending(path: name)
      guard let file = try? Data(contentsOf: path) else { continue }
      #expect(file.range(of: Data("4111 1111".utf8)) == nil, "\(name)")
    }
  }

  /// Wherever the log fails, a transcript with a card number is never there without its quarantine.
  @Test func theQuarantineIsThereBeforeTheTranscript() async throws {
    for appends in 0...6 {
      let practice = try await Practice.new()
      let card = try await CardCall.stored(in: practice, transcribed: false)
      let system = try await practice.phoneSystem()
      practice.store.fail(after: appends)
      let isStored =
        (try? await practice.vault.storeTranscript(
          CardCall.transcript(CardCall.number), of: card.call, as: system)) != nil
      let after = try await practice.restarted()
      let versions = try await after.catalog.texts(.transcript, of: card.call, sealed: false)
      let incidents = try await after.catalog.openIncidents(of: card.call)
      if isStored || versions.count == 2 { #expect(incidents.count == 1, "after \(appends)") }
      let opened = try await after.entries().filter {
        $0.action == .incidentOpened && $0.outcome == .success
      }
      #expect(opened.count == incidents.count, "after \(appends)")
      #expect(try await after.catalog.unannouncedIncidents().isEmpty)
      // And the next start finds nothing to do.
      let entries = try await after.entries().count
      let again = try await after.restarted()
      #expect(
        try await again.entries(from: Int64(entries)).allSatisfy { $0.action != .incidentOpened })
    }
  }

  @Test func anIncidentThatIsOpenTooLongIsAnAlarm() async throws {
    let practice = try await Practice.new()
    let receipt = try await practice.recording()
    let row = try #require(await practice.catalog.call(receipt.call))
    let old = Timestamp(milliseconds: practice.vault.now.milliseconds - 2000)
    try await practice.vault.quarantine(
      IncidentRow(
        id: .random(), call: receipt.call, reason: .cardData, opened: old,
        due: Timestamp(milliseconds: old.milliseconds + 1000), version: 1),
      row)
    let health = await practice.vault.health()
    #expect(health.incidents?.overdue == 1)
    #expect(health.alarms.contains { $0.contains("incident list") })
  }

  // MARK: Consent

  private func strict() async throws -> Practice {
    var home = KeyHome()
    home.consent = try PolicyFiles.consent(strict: true)
    return try await Practice.new(home: home)
  }

  @Test func withoutConsentACallIsBornOutOfReach() async throws {
    let practice = try await strict()
    let receipt = try await practice.recording([1, 2, 3])
    let clinician = try await practice.caller(.clinician)
    let officer = try await practice.caller(.privacyOfficer)
    await refused(.notFound) { _ = try await practice.read(receipt.recording, as: clinician) }
    let page = try await practice.vault.incidents(
      after: nil, limit: 30, as: officer, purpose: .operations)
    #expect(page.incidents.map(\.incident.reason) == [.consent])
    let system = try await practice.caller(.service, "consent:write")
    // Cut short is no consent.
    _ = try await practice.vault.recordConsent(
      CardCall.record(completed: false), of: receipt.call, as: system)
    await refused(.notFound) { _ = try await practice.read(receipt.recording, as: clinician) }
    let entries = try await practice.entriesOf {
      _ = try await practice.vault.recordConsent(
        CardCall.record(), of: receipt.call, as: system)
    }
    #expect(entries.last?.action == .incidentClosed && entries.last?.actor.kind == .system)
    #expect(try await practice.read(receipt.recording, as: clinician) == [1, 2, 3])
    // The same again is refused and changes nothing.
    await refused(.conflict) {
      _ = try await practice.vault.recordConsent(
        CardCall.record(), of: receipt.call, as: system)
    }
    let revoked = try await practice.entriesOf {
      _ = try await practice.vault.recordConsent(
        CardCall.record(.revoked, at: "2026-11-28T09:40:00-05:00"), of: receipt.call, as: system)
    }
    #expect(
      revoked.map(\.action) == [.consentRevoked, .incidentOpened, .consentRevoked])
    await refused(.notFound) { _ = try await practice.read(receipt.recording, as: clinician) }
    let facts = try await practice.vault.consent(
      of: receipt.call, as: officer, purpose: .operations)
    #expect(facts.records.count == 3 && facts.decision?.status == .revoked)
    #expect(facts.decision?.measure == .quarantine)
  }

  @Test func consentThatComesWithTheCallIsEnough() async throws {
    let practice = try await strict()
    let card = try await CardCall.stored(in: practice, transcribed: false)
    let clinician = try await practice.caller(.clinician)
    #expect(try await card.isExcised(in: practice, as: clinician) == false)
    #expect(try await practice.read(card.recording, as: clinician) == card.sound)
    let facts = try await practice.vault.consent(
      of: card.call, as: clinician, purpose: .treatment)
    // Nobody said where the practice takes its calls, so no state decides.
    #expect(facts.decision?.status == .given && facts.decision?.rule == .allParties)
    #expect(facts.decision?.state == nil)
    // A policy that only notes keeps nobody out.
    var home = KeyHome()
    home.consent = try PolicyFiles.consent(strict: false)
    let mild = try await Practice.new(home: home)
    let receipt = try await mild.recording([7])
    #expect(try await mild.read(receipt.recording, as: mild.caller(.clinician)) == [7])
    let shown = try await mild.vault.consent(
      of: receipt.call, as: mild.caller(.privacyOfficer), purpose: .operations)
    #expect(shown.decision?.status == .missing && shown.decision?.measure == .note)
  }

  /// Wherever the log fails, a call of a strict practice is never within reach without a record.
  @Test func aCallIsNeverWithinReachBeforeItsConsent() async throws {
    for appends in 0...4 {
      let practice = try await strict()
      let system = try await practice.phoneSystem()
      practice.store.fail(after: appends)
      let name = Identifier.random().description
      _ = try? await practice.vault.createCall(
        NewCall(source: "3cx", sourceID: name), as: system)
      let after = try await practice.restarted()
      let clinician = try await after.caller(.clinician)
      #expect(
        try await after.vault.findCalls(
          CallSearch(limit: 50), as: clinician, purpose: nil
        ).calls.isEmpty)
      let calls = try await after.catalog.counts().calls
      #expect(
        try await after.catalog.incidentCounts(at: after.vault.now).consent == calls,
        "after \(appends)")
      #expect(
        try await after.entries().filter { $0.action == .incidentOpened }.count == Int(calls))
    }
  }
}
