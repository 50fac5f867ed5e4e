import Encoding
import Foundation
import Testing
import YAML

@testable import Retention

/// Whose consent is needed, and what follows: `Documentation/formats/consent.md`.
@Suite struct ConsentTests {
  private static let shipped = Result {
    let folder = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .deletingLastPathComponent()
    return try String(contentsOf: folder.appending(path: "Policies/consent.yaml"), encoding: .utf8)
  }

  private static func policy(
    _ change: (String) -> String = { $0 }
  ) throws -> ConsentPolicy {
    try ConsentPolicy(
      parsing: Array(change(try shipped.get()).utf8), file: "consent.yaml")
  }

  private static let strict = Result {
    try policy { $0.replacingOccurrences(of: "missing: note", with: "missing: quarantine") }
  }

  private func record(
    _ party: String, _ state: String?, _ method: ConsentRecord.Method = .announcement,
    completed: Bool = true, _ kind: ConsentRecord.Kind = .given
  ) throws -> ConsentRecord {
    ConsentRecord(
      kind: kind, party: party, state: state.flatMap(USState.init), method: method,
      at: try #require(OffsetTime("2026-11-28T09:30:00-05:00")), isCompleted: completed)
  }

  private let day = CivilDate("2026-11-28")

  @Test func theShippedPolicyKnowsEveryState() throws {
    let policy = try Self.policy()
    #expect(policy.states.count == 51)
    #expect(policy.states.values.filter { $0.rule == .allParties }.count == 12)
    #expect(policy.missing == .note && policy.cutShort == .quarantine)
    #expect(policy.states.values.allSatisfy { !$0.isConfirmed && !$0.citation.isEmpty })
  }

  @Test func theStrictestRuleDecides() throws {
    let policy = try Self.strict.get()
    let day = try #require(day)
    func decide(_ records: [ConsentRecord], _ practice: String?) -> ConsentPolicy.Decision {
      policy.decide(records, practice: practice.flatMap(USState.init), on: day)
    }
    // Nobody knows where the caller is: strict.
    #expect(decide([], "MI").status == .missing && decide([], "MI").measure == .quarantine)
    #expect(decide([], "MI").state == nil && decide([], "MI").citation == nil)
    let inOhio = try decide([record("caller", "OH", .none)], "MI")
    #expect(inOhio.status == .notNeeded && inOhio.measure == .note)
    let inCalifornia = try decide([record("caller", "CA", .none)], "MI")
    #expect(inCalifornia.status == .missing && inCalifornia.state?.description == "CA")
    #expect(try decide([record("caller", "CA")], "MI").status == .given)
    #expect(try decide([record("caller", "OH")], "CA").rule == .allParties)
    #expect(try decide([record("caller", "ZZ")], "MI").state == nil)
    #expect(try decide([record("caller", "OH")], nil).rule == .allParties)
    // The state said once stays known.
    #expect(
      try decide([record("caller", "OH", .none), record("caller", nil, .none)], "MI").status
        == .notNeeded)
  }

  @Test func theWorstOfThePartiesDecides() throws {
    let policy = try Self.strict.get()
    let day = try #require(day)
    func decide(_ records: [ConsentRecord]) -> ConsentPolicy.Decision {
      policy.decide(records, practice: USState("CA"), on: day)
    }
    let caller = try record("caller", "CA")
    #expect(decide([caller]).status == .given)
    #expect(try decide([record("caller", "CA", completed: false)]).status == .cutShort)
    // Heard again, to its end.
    #expect(try decide([record("caller", "CA", completed: false), caller]).status == .given)
    let joined = try decide([caller, record("interpreter", "CA", .none)])
    #expect(joined.status == .missing && joined.parties == ["interpreter"])
    #expect(try decide([record("interpreter", "CA")]).parties == ["caller"])
    let revoked = try decide([caller, record("caller", nil, .verbal, .revoked)])
    #expect(revoked.status == .revoked && revoked.measure == .quarantine)
    // Also where one party is enough.
    #expect(
      try policy.decide(
        [record("caller", "OH", .verbal, .revoked)], practice: USState("OH"), on: day
      ).status == .revoked)
  }

  @Test func aRuleThatIsNotYetInForceIsNone() throws {
    let policy = try Self.strict.get()
    let before = try #require(CivilDate("2026-11-27"))
    let decision = try policy.decide(
      [record("caller", "OH")], practice: USState("OH"), on: before)
    #expect(decision.rule == .allParties && decision.state == nil)
  }

  @Test(arguments: [
    ("v: 1", "v: 2", 8), ("missing: note", "missing: ignore", 15),
    ("missing: note", "missing: note\nextra: 1", 16), ("cut_short: quarantine\n", "", 8),
    ("AK: {rule: one-party", "Ak: {rule: one-party", 22),
    ("AK: {rule: one-party", "AK: {rule: none", 22),
    ("AK: {rule: one-party,", "AK: {", 22),
    (
      "confirmed: false, version: \"1\", effective: \"2026-11-28\"",
      "confirmed: no, version: \"1\", effective: \"2026-11-28\"", 22
    ),
    ("effective: \"2026-11-28\"", "effective: \"2026-11-31\"", 22),
    ("cite: \"Alaska Stat. 42.20.310\"", "cite: \"\"", 22),
    ("  AL:", "  AK:", 23),
  ])
  func aWrongFileIsRefusedWithItsPlace(_ old: String, _ new: String, _ line: Int) throws {
    #expect {
      try Self.policy { text in
        guard let range = text.range(of: old) else { return "" }
        return text.replacingCharacters(in: range, with: new)
      }
    } throws: { error in
      let place = (error as? YAMLError)?.position.line
      return place == line
        ? true
        : {
          Issue.record("\(new): line \(place ?? -1), not \(line)"); return true
        }()
    }
  }

  // MARK: Records

  private static let written =
    #"{"v":1,"kind":"given","party":"caller","state":"CA","method":"announcement","by":"ivr","at":"2026-11-20T09:30:04-05:00","from_ms":0,"to_ms":4200,"completed":true,"text":"recording-notice/3","language":"en-US"}"#

  @Test func theRecordOfTheFormatPageIsReadAndWritten() throws {
    let record = try ConsentRecord(parsing: Array(Self.written.utf8))
    #expect(String(decoding: record.encoded(), as: UTF8.self) == Self.written)
    #expect(record.span == TimeSpan(0, 4200) && record.isCompleted)
  }

  @Test(arguments: [
    ("\"party\":\"caller\",", "", "party"), ("\"caller\"", "\"\"", "party"),
    ("\"CA\"", "\"ca\"", "state"), ("\"announcement\"", "\"implied\"", "method"),
    ("\"to_ms\":4200,", "", "from_ms"), ("\"from_ms\":0", "\"from_ms\":5000", "from_ms"),
    ("\"completed\":true", "\"completed\":1", "completed"), ("-05:00", "", "at"),
    ("\"en-US\"", "\"english!\"", "language"), ("\"v\":1", "\"v\":2", "v"),
    ("\"by\"", "\"who\"", "member"), ("\"given\"", "\"taken\"", "kind"),
  ])
  func aWrongRecordIsRefusedWithItsMember(_ old: String, _ new: String, _ member: String) {
    let text = Self.written.replacingOccurrences(of: old, with: new)
    #expect {
      _ = try ConsentRecord(parsing: Array(text.utf8))
    } throws: { ($0 as? ConsentRecordError)?.detail.contains(member) ?? false }
  }
}
