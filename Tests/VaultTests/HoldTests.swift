import Audit
import Cryptography
import Database
import Drivers
import Encoding
import Foundation
import Retention
import Testing

@testable import Vault

/// What is held stays, whoever approved what.
@Suite struct HoldTests {
  private func hold(_ scope: (inout HoldScope) -> Void) -> HoldRequest {
    var wanted = HoldScope()
    scope(&wanted)
    return HoldRequest(
      matter: "Doe v. Practice", reason: "subpoena", custodian: "Counsel", scope: wanted)
  }

  private func purge(_ forgetting: Forgetting, _ calls: RecordingReceipt...) async throws {
    _ = try await forgetting.vault.purge(
      calls.map { PurgeOrder(call: $0.call, evidence: nil, rule: "test") }, holds: NoHolds(),
      by: forgetting.practice.log.system)
  }

  @Test func everyScopeHoldsWhatItSays() async throws {
    let forgetting = try await Forgetting()
    let manager = try await forgetting.manager()
    let clinician = try await forgetting.practice.caller(.clinician)
    let patient = try await forgetting.vault.createPatient(reference: "MRN-1", as: clinician)
    let theirs = try await forgetting.call(from: "+13135550142", callExtension: "204")
    _ = try await forgetting.vault.link(theirs.call, to: patient.id, as: clinician)
    let unidentified = try await forgetting.call(from: "(313) 555-0142", callExtension: "205")
    let other = try await forgetting.call(from: "+13135550199", callExtension: "206")
    let withheld = try await forgetting.call(from: "anonymous", callExtension: "207")
    let young = try await forgetting.call(yearsAgo: 1, from: "+13135550198")
    let all = [theirs, unidentified, other, withheld, young]
    let twoYearsAgo = try #require(
      CivilDate(forgetting.vault.now, minutesEast: 0)?.adding(days: -730))
    let scopes: [((inout HoldScope) -> Void, [RecordingReceipt])] = [
      ({ $0.calls = [other.call] }, [other]),
      // Who withheld the number may have been the patient.
      ({ $0.patients = [patient.id] }, [theirs, unidentified, withheld]),
      ({ $0.numbers = ["313-555-0199"] }, [other, withheld]),
      ({ $0.extensions = ["204", "205"] }, [theirs, unidentified]),
      ({ $0.sources = ["elsewhere"] }, []),
      ({ $0.from = twoYearsAgo }, []),
      (
        {
          $0.sources = ["3cx"]; $0.extensions = ["206"]
        }, [other]
      ),
      ({ _ in }, all),
    ]
    for (number, (scope, kept)) in scopes.enumerated() {
      let receipt = try await forgetting.vault.setHold(hold(scope), as: manager)
      for call in all {
        let held = try await forgetting.vault.holds.heldCall(among: [call.call])
        let isYoung = call.call == young.call && number == 5
        #expect(
          (held != nil) == (kept.contains { $0.call == call.call } || isYoung), "\(number)")
        if held != nil { await refuses(.held) { try await purge(forgetting, call) } }
      }
      for who in [manager, try await forgetting.officer()] {
        _ = try await forgetting.vault.releaseHold(receipt.id, reason: "over", as: who)
      }
    }
    // Nothing is held any more, and a call that comes later is caught by a hold that was there.
    let receipt = try await forgetting.vault.setHold(hold { $0.extensions = ["300"] }, as: manager)
    let later = try await forgetting.call(callExtension: "300")
    await refuses(.held) { try await purge(forgetting, later) }
    try await purge(forgetting, theirs, unidentified, other, withheld)
    let after = try await forgetting.restarted()
    await refuses(.held) { try await purge(after, later) }
    let known = try await after.vault.listHolds(as: after.manager())
    #expect(known.contains { $0.hold.id == receipt.id })
  }

  @Test func aReleaseNeedsTwoDifferentPeople() async throws {
    let forgetting = try await Forgetting()
    let call = try await forgetting.call()
    let manager = try await forgetting.manager()
    let receipt = try await forgetting.vault.setHold(hold { $0.calls = [call.call] }, as: manager)
    let entries = try await forgetting.practice.entriesOf {
      let first = try await forgetting.vault.releaseHold(receipt.id, reason: "over", as: manager)
      #expect(!first.isReleased)
      // The same person with another token.
      let again = try await forgetting.manager()
      await refuses(.conflict) {
        _ = try await forgetting.vault.releaseHold(receipt.id, reason: "over", as: again)
      }
      await refuses(.held) { try await purge(forgetting, call) }
      let administrator = try await forgetting.practice.administrator()
      await refuses(.denied) {
        _ = try await forgetting.vault.releaseHold(receipt.id, reason: "over", as: administrator)
      }
      let second = try await forgetting.vault.releaseHold(
        receipt.id, reason: "over", as: forgetting.officer())
      #expect(second.isReleased)
    }
    let said = entries.filter { $0.action == .holdReleased }
    #expect(said.map(\.outcome) == [.partial, .refused, .refused, .success])
    #expect(said[0].evidence != nil && said[3].evidence != nil)
    try await purge(forgetting, call)
    await refuses(.conflict) {
      _ = try await forgetting.vault.releaseHold(receipt.id, reason: "x", as: forgetting.officer())
    }
  }

  /// A release whose entry is durable is applied at the next start; a hold without its entry goes.
  @Test func aCrashLeavesAHoldThatKeepsOrNone() async throws {
    for appends in 0...2 {
      let forgetting = try await Forgetting()
      let call = try await forgetting.call()
      let manager = try await forgetting.manager()
      forgetting.practice.store.fail(after: appends)
      let set = try? await forgetting.vault.setHold(hold { $0.calls = [call.call] }, as: manager)
      let after = try await forgetting.restarted()
      let keeps = try await after.vault.holds.heldCall(among: [call.call]) != nil
      #expect(keeps || set == nil)
      let says = try await after.practice.entries().contains {
        $0.action == .holdSet && $0.outcome == .success
      }
      #expect(keeps == says)
    }
  }

  /// A hold that one of two people asked to be released, and the second of them.
  private func askedRelease(
    of call: RecordingReceipt, in forgetting: Forgetting
  ) async throws -> (hold: Identifier, second: Caller) {
    let manager = try await forgetting.manager()
    let placed = try await forgetting.vault.setHold(hold { $0.calls = [call.call] }, as: manager)
    _ = try await forgetting.vault.releaseHold(placed.id, reason: "over", as: manager)
    return (placed.id, try await forgetting.officer())
  }

  /// The log fails at the append of a release, or after it: the hold keeps exactly if no entry says otherwise.
  @Test(arguments: 0...1) func aReleaseIsWhollyThereOrNot(appends: Int) async throws {
    let forgetting = try await Forgetting()
    let call = try await forgetting.call()
    let (hold, officer) = try await askedRelease(of: call, in: forgetting)
    forgetting.practice.store.fail(after: appends)
    let released = try? await forgetting.vault.releaseHold(hold, reason: "over", as: officer)
    #expect((released != nil) == (appends == 1))
    let after = try await forgetting.restarted()
    // Whichever goes first takes the folder along.
    defer { withExtendedLifetime(forgetting) {} }
    let says = try await after.practice.entries().contains {
      $0.action == .holdReleased && $0.outcome == .success
    }
    #expect(says == (released != nil))
    let keeps = try await after.vault.holds.heldCall(among: [call.call]) != nil
    #expect(keeps != says)
    #expect(try await after.practice.catalog.pendingRows(limit: 10).isEmpty)
  }

  /// The catalog stops before each of its commits of a release, of which the last is overtaken by another
  /// operation's: the hold is released, as the log says.
  @Test func aReleaseThatWasOvertakenIsCarriedOut() async throws {
    let forgetting = try await Forgetting()
    let practice = forgetting.practice
    let call = try await forgetting.call()
    let (hold, officer) = try await askedRelease(of: call, in: forgetting)
    let before = try practice.catalogCommits().count
    let said = try await forgetting.vault.releaseHold(hold, reason: "over", as: officer)
    let commits = try practice.catalogCommits()
    #expect(commits.count == before + 2)
    for number in (before - 1)..<commits.count {
      let isOvertaken = number == commits.count - 2
      let folder = try await practice.stopped(
        after: commits[number], overtakenBy: isOvertaken ? said.logIndex : nil)
      let again = try await practice.reopened(folder, practice.home)
      #expect(
        try await again.vault.holds.heldCall(among: [call.call]) == nil, "commit \(number)")
      #expect(try await again.catalog.hold(hold)?.released != nil)
      #expect(try await again.catalog.pendingRows(limit: 10).isEmpty)
    }
  }

  /// The catalog has no room for what the log has taken: it is carried on before the next row comes.
  @Test func aReleaseThatTheCatalogCouldNotTakeIsCarriedOn() async throws {
    let forgetting = try await Forgetting()
    let call = try await forgetting.call()
    let (hold, officer) = try await askedRelease(of: call, in: forgetting)
    try await forgetting.practice.refusing("released", of: "legal_hold") {
      await refuses(.unavailable) {
        _ = try await forgetting.vault.releaseHold(hold, reason: "over", as: officer)
      }
      let held = try await forgetting.vault.holds.heldCall(among: [call.call])
      #expect(held != nil)
    }
    try await purge(forgetting, call)
    #expect(try await forgetting.practice.catalog.hold(hold)?.released != nil)
    await refuses(.conflict) {
      _ = try await forgetting.vault.releaseHold(hold, reason: "over", as: officer)
    }
  }

  @Test func holdsThatCannotBeReadHoldEverything() async throws {
    let forgetting = try await Forgetting()
    let call = try await forgetting.call()
    _ = try await forgetting.vault.setHold(
      hold { $0.extensions = ["999"] }, as: forgetting.manager())
    let writer = try Connection(
      forgetting.practice.folder.path + "/catalog.sqlite", for: .writing)
    try writer.run("UPDATE legal_hold SET sealed = substr(sealed, 1, 60)")
    await refuses(.unavailable) { try await purge(forgetting, call) }
    #expect(try await forgetting.isThere(call))
    await refuses(.tampered) {
      _ = try await forgetting.vault.planPurge(as: forgetting.manager())
    }
    let why = try await forgetting.vault.whyKept(call.call, as: forgetting.manager())
    #expect(why.hold == .unreadable)
  }

  @Test func nothingOfAHoldIsInClearOnDisk() async throws {
    let forgetting = try await Forgetting()
    _ = try await forgetting.vault.setHold(
      hold { $0.numbers = ["+13135550177"] }, as: forgetting.manager())
    let folder = forgetting.practice.folder
    let files = FileManager.default.enumerator(at: folder, includingPropertiesForKeys: nil)
    for file in try #require(files).allObjects {
      guard let url = file as? URL, let bytes = try? Data(contentsOf: url) else { continue }
      for secret in ["3135550177", "Doe v. Practice", "subpoena", "Counsel"] {
        #expect(bytes.range(of: Data(secret.utf8)) == nil, "\(secret) in \(url.lastPathComponent)")
      }
    }
  }

  /// The keys of what was purged before a hold came wait for a person.
  @Test func aHoldAfterAPurgeStopsTheRatchetUntilSomebodyDecides() async throws {
    let forgetting = try await Forgetting()
    let call = try await forgetting.call()
    try await purge(forgetting, call)
    try await Task.sleep(for: .milliseconds(5))
    let manager = try await forgetting.manager()
    let receipt = try await forgetting.vault.setHold(hold { _ in }, as: manager)
    let system = forgetting.practice.log.system
    await refuses(.held) { _ = try await forgetting.vault.ratchet(run: .random(), by: system) }
    _ = try await forgetting.vault.decideHold(receipt.id, reason: "not theirs", as: manager)
    _ = try await forgetting.vault.ratchet(run: .random(), by: system)
    #expect(try await forgetting.practice.catalog.purgeCounts().erased == 1)
  }
}
