import Foundation
import Retention
import Testing
import YAML

@Suite struct PolicyFileTests {
  /// One thing wrong with the shipped file; Tests/Outside/70-retention.py asks the JSON Schema the same.
  struct Refused: Decodable, Sendable, CustomTestStringConvertible {
    let old: String
    let new: String
    let says: String
    /// How many lines below the change the refusal points; nil: it points elsewhere.
    let below: Int?
    var testDescription: String { "\(old.suffix(40)) → \(new.suffix(40)): \(says)" }

    static let all: [Refused] = {
      struct File: Decodable {
        let cases: [Refused]
      }
      let file = Policies.root.appending(path: "Tests/Vectors/retention/refused.json")
      do {
        return try JSONDecoder().decode(File.self, from: Data(contentsOf: file)).cases
      } catch {
        preconditionFailure("\(file.path) cannot be read: \(error)")
      }
    }()
  }

  @Test(arguments: Refused.all)
  func aWrongFileIsRefusedAtItsPlace(_ wrong: Refused) throws {
    let text = String(decoding: try Policies.bytes(), as: UTF8.self)
    let range = try #require(text.range(of: wrong.old))
    let line = text[..<range.lowerBound].filter { $0 == "\n" }.count + 1
    let bytes = Array(text.replacingCharacters(in: range, with: wrong.new).utf8)
    let error = #expect(throws: YAMLError.self) {
      try RetentionSchedule(parsing: bytes, file: "retention.yaml")
    }
    let description = error?.description ?? ""
    #expect(description.hasPrefix("retention.yaml:"), "\(description)")
    #expect(description.contains(wrong.says), "\(description)")
    if let below = wrong.below { #expect(error?.position.line == line + below, "\(description)") }
  }

  @Test func theShippedPolicyHoldsThePeriodsOfItsSources() throws {
    let schedule = try Policies.shipped()
    func periods(_ name: String) -> [String] {
      schedule.rules(of: name).map { "\($0.keep) after \($0.after.rawValue)" }
    }
    #expect(periods("recording") == ["7y after date-of-service", "7y after majority"])
    #expect(periods("special-examination") == ["15y after date-of-service", "7y after majority"])
    #expect(periods("medicare-advantage") == ["10y after date-of-service", "7y after majority"])
    #expect(periods("documentation") == ["6y after last-in-effect"])
    #expect(periods("audit-log") == ["10y after entry", "6y after last-event-of-call"])
    let card = try #require(schedule.quarantines["card-data"])
    #expect((card.keepHours, card.withinHours) == (24, 72))
    let window = card.window(from: try time("2026-11-28T12:00:00Z"))
    #expect(window.from == (try time("2026-11-29T12:00:00Z")))
    #expect(window.until == (try time("2026-12-01T12:00:00Z")))
    #expect(schedule.purge.graceDays == 14)
    #expect(schedule.purge.sweep == .propose)
    #expect(schedule.purge.caps == PurgeCaps(percent: 5, recordings: 10_000, windowDays: 30))
    #expect(schedule.purge.approvers == [.privacyOfficer, .recordsManager])
    for rule in schedule.rules {
      #expect(!rule.citation.isEmpty && !rule.owner.isEmpty)
    }
  }

  @Test(arguments: [
    ("US", 18), ("US-MI", 18), ("US-AL", 19), ("US-NE", 19), ("US-MS", 21), ("US-PR", 21),
  ])
  func theAgeOfMajorityIsTheStates(place: String, age: Int) throws {
    let place = try #require(Jurisdiction(place))
    #expect(try Policies.shipped().majority(in: place)?.age == age)
  }

  @Test(arguments: ["", "us", "US-", "US-ZZ", "US-mi", "USA", "US-MI-1", "-MI", "U-MI", "GB-ABCD"])
  func aPlaceThatIsNoneIsRefused(text: String) {
    #expect(Jurisdiction(text) == nil)
  }
}
