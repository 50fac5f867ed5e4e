import Cryptography
import Encoding
import Testing

@testable import Audit
@testable import Vault

/// P2: a key is unwrapped against the receipt of an entry that says just this, or not at all.
struct ReceiptTests {
  private struct Stored {
    let ring: KeyRing
    let call: Identifier
    let wrapped: [UInt8]

    init() throws {
      ring = try newRing()
      let key = try ring.createCallKey(for: .random())
      call = key.call
      wrapped = key.wrapped.encoded
    }

    func address(_ part: CallPart, generation: Int = 1) throws -> PartAddress {
      try #require(
        PartAddress(tenant: ring.tenant, call: call, part: part, generation: generation))
    }
  }

  @Test(arguments: [
    (Action.recordingOpened, CallPart.recording(1), true), (.recordingStored, .recording(1), true),
    (.recordingPlayback, .recording(1), true), (.recordingExported, .recording(1), true),
    (.disclosure, .recording(1), true), (.callOpened, .recording(1), false),
    (.search, .recording(1), false), (.transcriptOpened, .recording(1), false),
    (.noteOpened, .recording(1), false), (.auditRead, .recording(1), false),
    (.logHeartbeat, .recording(1), false), (.authSignIn, .recording(1), false),
    (.recordingOpened, .transcript(1), false), (.transcriptOpened, .transcript(1), true),
    (.transcriptStored, .transcript(1), true), (.recordingOpened, .notes, false),
    (.noteOpened, .notes, true), (.noteStored, .notes, true), (.callOpened, .notes, false),
    (.search, .details, true), (.callOpened, .details, true), (.callCreated, .details, true),
    (.recordingOpened, .details, false), (.backupMade, .details, false),
    (.scrubRun, .recording(1), false), (.keyRotate, .recording(1), false),
  ])
  func anOperationOpensOnlyWhatItTouches(action: Action, part: CallPart, opens: Bool) throws {
    let stored = try Stored()
    let person = Identifier.random()
    let receipt = try receipt(action, by: person, on: [stored.call], parts: [part.description])
    let address = try stored.address(part)
    do throws(VaultError) {
      _ = try stored.ring.partKey(
        at: address, wrapped: stored.wrapped, spending: receipt, for: action, by: person)
      #expect(opens)
    } catch {
      #expect(!opens && error.code == .denied)
    }
  }

  @Test func aReceiptOfSomethingElseOpensNothing() throws {
    let stored = try Stored()
    let person = Identifier.random()
    let other = Identifier.random()
    let attempts: [(Action, Phase, OutcomeCode?, Identifier, [Identifier], [String])] = [
      (.recordingOpened, .intent, nil, other, [stored.call], ["recording-1"]),
      (.recordingOpened, .intent, nil, person, [other], ["recording-1"]),
      (.recordingOpened, .intent, nil, person, [], ["recording-1"]),
      (.recordingOpened, .intent, nil, person, [stored.call], ["recording-2"]),
      (.recordingOpened, .intent, nil, person, [stored.call], []),
      (.recordingOpened, .outcome, .success, person, [stored.call], ["recording-1"]),
      (.recordingOpened, .single, .refused, person, [stored.call], ["recording-1"]),
      (.recordingOpened, .single, .failed, person, [stored.call], ["recording-1"]),
      (.recordingExported, .intent, nil, person, [stored.call], ["recording-1"]),
    ]
    for (action, phase, outcome, principal, objects, parts) in attempts {
      expectRefusal(.denied, comment: "\(action) \(phase) \(objects.count) \(parts)") {
        _ = try stored.ring.partKey(
          at: try stored.address(.recording(1)), wrapped: stored.wrapped,
          spending: try receipt(
            action, phase, outcome: outcome, by: principal, on: objects, parts: parts),
          for: .recordingOpened, by: person)
      }
    }
  }

  @Test func oneReceiptOpensTheCallsOfAPageAndNoOther() throws {
    let ring = try newRing()
    let person = Identifier.random()
    var rows: [(call: Identifier, wrapped: [UInt8])] = []
    for _ in 0..<101 {
      let key = try ring.createCallKey(for: .random())
      rows.append((key.call, key.wrapped.encoded))
    }
    let page = rows.prefix(100)
    let spent = try receipt(
      .search, .single, outcome: .success, by: person, on: page.map(\.call), parts: ["details"]
    ).spend(for: .search, by: person)
    for row in page {
      _ = try ring.partKey(
        at: try #require(PartAddress(tenant: ring.tenant, call: row.call, part: .details)),
        wrapped: row.wrapped, under: spent)
    }
    expectRefusal(.denied) {
      _ = try ring.partKey(
        at: try #require(PartAddress(tenant: ring.tenant, call: rows[100].call, part: .details)),
        wrapped: rows[100].wrapped, under: spent)
    }
    // A swapped row: the page's call with another call's record.
    expectRefusal(.tampered) {
      _ = try ring.partKey(
        at: try #require(PartAddress(tenant: ring.tenant, call: rows[0].call, part: .details)),
        wrapped: rows[1].wrapped, under: spent)
    }
  }

  @Test func anotherTenantsAddressOpensNothing() throws {
    let stored = try Stored()
    let person = Identifier.random()
    expectRefusal(.denied) {
      _ = try stored.ring.partKey(
        at: try #require(
          PartAddress(tenant: .random(), call: stored.call, part: .recording(1))),
        wrapped: stored.wrapped,
        spending: try receipt(
          .recordingOpened, by: person, on: [stored.call], parts: ["recording-1"]),
        for: .recordingOpened, by: person)
    }
  }

  @Test func aRecordOfAnotherRingOpensNothing() throws {
    let stored = try Stored()
    let person = Identifier.random()
    let other = try newRing()
    expectRefusal(.tampered) {
      _ = try other.partKey(
        at: try #require(
          PartAddress(tenant: other.tenant, call: stored.call, part: .recording(1))),
        wrapped: stored.wrapped,
        spending: try receipt(
          .recordingOpened, by: person, on: [stored.call], parts: ["recording-1"]),
        for: .recordingOpened, by: person)
    }
  }

  @Test func aKeyLeavesOnlyForAnExport() throws {
    let stored = try Stored()
    let person = Identifier.random()
    for (action, leaves) in [(Action.recordingOpened, false), (.recordingExported, true)] {
      let key = try stored.ring.partKey(
        at: try stored.address(.recording(1)), wrapped: stored.wrapped,
        spending: try receipt(action, by: person, on: [stored.call], parts: ["recording-1"]),
        for: action, by: person)
      if leaves {
        let material = try key.exported()
        #expect(material.count == 32)
      } else {
        expectRefusal(.denied) { _ = try key.exported() }
      }
    }
    let fresh = try stored.ring.createCallKey(for: .random()).partKey(.recording(1))
    expectRefusal(.denied) { _ = try fresh.exported() }
  }
}
