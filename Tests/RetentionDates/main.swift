import Cryptography
import Encoding
import Glibc
import Host
import Retention
import YAML

// Answers one line each for `Tests/Outside/70-retention.py`, which counts the dates by itself:
//
//   years DATE N             the same day N years later
//   days DATE N              N days later
//   local TIME               the day of a time with its offset
//   zone ZONE YYYYMMDDhhmmss the day of a time on the clocks of a zone
//   everywhere TIME          the day that has come everywhere on Earth
//   policy NAME LINES        the next LINES lines are a policy; answers its hash, or why it is refused
//   decide NAME KEY=VALUE…   from which day something may go, or what is not known
//
// A day that there is not is `none`; a line that is none of these ends the program.

func fail(_ line: String) -> Never {
  print("not understood: \(line)")
  exit(2)
}

func facts(_ words: ArraySlice<String>) -> RetentionFacts? {
  var facts = RetentionFacts()
  for word in words {
    let pair = word.split(separator: "=", maxSplits: 1).map(String.init)
    guard pair.count == 2 else { return nil }
    switch pair[0] {
    case "classes": facts.classes = pair[1].split(separator: ",").map(String.init)
    case "state": facts.state = Jurisdiction(pair[1])
    case "born": facts.patient = CivilDate(pair[1]).map { .born($0) } ?? .unknown
    case "of-age": facts.patient = .ofAge
    case "served": facts[.dateOfService] = OffsetTime(pair[1]).flatMap { CivilDate($0) }
    default:
      guard let trigger = RetentionTrigger(rawValue: pair[0]), trigger != .majority else {
        return nil
      }
      facts[trigger] = CivilDate(pair[1])
    }
  }
  return facts
}

struct Answers {
  private var policies: [String: RetentionSchedule] = [:]
  private var zones: [String: TimeZoneRules] = [:]

  mutating func answer(_ line: String) -> String {
    let words = line.split(separator: " ").map(String.init)
    guard words.count >= 2 else { fail(line) }
    func day(_ date: CivilDate?) -> String { date?.description ?? "none" }
    switch (words[0], words.count) {
    case ("years", 3):
      return day(
        CivilDate(words[1]).flatMap { date in Int(words[2]).flatMap { date.adding(years: $0) } })
    case ("days", 3):
      return day(
        CivilDate(words[1]).flatMap { date in Int(words[2]).flatMap { date.adding(days: $0) } })
    case ("local", 2):
      return day(OffsetTime(words[1]).flatMap { CivilDate($0) })
    case ("everywhere", 2):
      return day(Timestamp(rfc3339: words[1]).flatMap { ClockGuard.day(at: $0) })
    case ("zone", 3):
      if zones[words[1]] == nil {
        zones[words[1]] = TimeZoneDatabase.file(of: words[1]).flatMap { TimeZoneRules(parsing: $0) }
      }
      guard let zone = zones[words[1]], let local = LocalTime(words[2]) else { fail(line) }
      return day(zone.instant(of: local).flatMap { CivilDate($0) })
    case ("policy", 3):
      guard let count = Int(words[2]) else { fail(line) }
      let text = (0..<count).map { _ in (readLine() ?? "") + "\n" }.joined()
      do {
        let schedule = try RetentionSchedule(parsing: Array(text.utf8), file: "retention.yaml")
        policies[words[1]] = schedule
        return schedule.hash.hex
      } catch {
        return "\(error)"
      }
    case ("decide", 2...):
      guard let policy = policies[words[1]], let facts = facts(words[2...]) else { fail(line) }
      let decision = policy.explain(facts)
      guard decision.eligible == policy.eligibility(of: facts).day else { return "two answers" }
      return decision.eligible?.description
        ?? "keep " + decision.unknown.map(\.description).sorted().joined(separator: ",")
    default: fail(line)
    }
  }
}

var answers = Answers()
while let line = readLine() { print(answers.answer(line)) }
