import Audit
import Cryptography
import Encoding
import Testing

/// P2: a receipt opens what its entry names, and nothing else.
@Suite struct ReceiptTests {
  private func code(
    of receipt: consuming Receipt, _ action: Action, _ object: Identifier, _ part: String,
    _ person: Identifier
  ) -> AuditError.Code? {
    do {
      let spent = try receipt.spend(for: action, on: object, part: part, by: person)
      _ = consume spent
      return nil
    } catch {
      return error.code
    }
  }

  @Test func aReceiptOpensWhatItsEntryNames() async throws {
    let harness = try Harness()
    let log = try await harness.open()
    let draft = harness.draft()
    let (object, part) = (draft.objects[0], "recording-1")
    #expect(
      code(
        of: try await log.record(draft), .recordingOpened, object, part, Harness.person) == nil)
    for (action, other, otherPart, person) in [
      (Action.recordingExported, object, part, Harness.person),
      (.recordingOpened, .random(), part, Harness.person),
      (.recordingOpened, object, "recording-2", Harness.person),
      (.recordingOpened, object, "details", Harness.person),
      (.recordingOpened, object, part, .random()),
    ] {
      var draft = draft
      draft.id = .random()
      #expect(
        code(of: try await log.record(draft), action, other, otherPart, person) == .mismatch)
    }
  }

  @Test func whatEndsOrRefusesOpensNothing() async throws {
    let harness = try Harness()
    let log = try await harness.open()
    let intent = harness.draft()
    _ = try await log.record(intent)
    var refusal = harness.draft()
    refusal.phase = .single
    refusal.outcome = .refused
    refusal.reason = .outOfScope
    refusal.objects = intent.objects
    for draft in [intent.closing(.success), intent.closing(.failed), refusal] {
      let receipt = try await log.record(draft)
      #expect(
        code(of: receipt, .recordingOpened, intent.objects[0], "recording-1", Harness.person)
          == .mismatch)
    }
  }

  @Test func aPageIsOneReceiptForAHundredObjectsAndNoMore() async throws {
    let harness = try Harness()
    let log = try await harness.open()
    var page = EntryDraft(.search, .single, by: .testPerson)
    page.outcome = .success
    page.objects = (0..<100).map { _ in .random() }
    page.parts = [PartName("details")].compactMap(\.self)
    let spent = try await log.record(page).spend(for: .search, by: Harness.person)
    for object in page.objects { try spent.check(object, part: "details") }
    #expect(throws: AuditError.self) { try spent.check(.random(), part: "details") }
    #expect(throws: AuditError.self) { try spent.check(page.objects[0], part: "recording-1") }
    page.id = .random()
    page.objects.append(.random())
    await #expect(throws: AuditError.self) { _ = try await log.record(page) }
  }
}
