import Cryptography
import Encoding
import Mutation
import Retention
import Testing

@Suite struct PolicyChangeTests {
  @Test func theSamePolicyIsNoChange() throws {
    #expect(PolicyChange(from: try Policies.shipped(), to: try Policies.shipped()).isEmpty)
  }

  @Test(arguments: [
    // Replaced, by what, and whether two people are needed.
    (
      "        keep: 7y\n        cite: practice policy, as",
      "        keep: 6y\n        cite: practice policy, as", true
    ),
    (
      "        keep: 7y\n        cite: practice policy, as",
      "        keep: 2556d\n        cite: practice policy, as", true
    ),
    (
      "        keep: 7y\n        cite: practice policy, as",
      "        keep: 2562d\n        cite: practice policy, as", false
    ),
    (
      "        keep: 7y\n        cite: practice policy, as",
      "        keep: 8y\n        cite: practice policy, as", false
    ),
    ("        keep: 15y", "        keep: 14y", true),
    ("  contract:\n", "  contracts:\n", true),
    ("default: recording", "default: contract", true),
    ("default: recording", "default: medicare-advantage", false),
    ("default: recording\n", "default: recording\nstate: US-MI\n", true),
    ("  US-MS: {majority: 21", "  US-MS: {majority: 20", true),
    ("  US-AL: {majority: 19", "  US-AL: {majority: 20", false),
    ("  US-PR: {majority: 21, cite: P.R. Civil Code, confirmed: false}\n", "", true),
    ("classes:\n", "  CA: {majority: 18, cite: c, confirmed: true}\nclasses:\n", true),
    ("  grace: 14d", "  grace: 13d", true), ("  grace: 14d", "  grace: 15d", false),
    ("  percent: 5\n", "  percent: 6\n", true), ("  percent: 5\n", "  percent: 4\n", false),
    ("  recordings: 10000", "  recordings: 10001", true), ("  window: 30d", "  window: 29d", true),
    ("[privacy-officer, records-manager]", "[privacy-officer, administrator]", true),
    ("[privacy-officer, records-manager]", "[privacy-officer]", false),
    ("  sweep: propose", "  sweep: never", false),
    ("    keep: 24h", "    keep: 23h", true), ("    keep: 24h", "    keep: 25h", false),
    ("    within: 72h", "    within: 71h", true),
    ("owner: records manager\ndefault", "owner: somebody\ndefault", false),
    (
      "rule: minor\n        version: \"1\"\n        after: majority",
      "rule: minor\n        version: \"1\"\n        after: last-encounter", true
    ),
  ])
  func whatIsShorterAnywhereNeedsTwoPeople(old: String, new: String, needed: Bool) throws {
    let approved = try Policies.shipped()
    let loaded = try Policies.altered((old, new))
    let standing = PolicyStanding(approved: approved, loaded: loaded)
    #expect(standing.allowsPurge == !needed)
    if needed {
      guard case .awaitsApproval(let change?) = standing else {
        Issue.record("\(standing)")
        return
      }
      #expect(!change.shorter.isEmpty || !change.gone.isEmpty)
    }
  }

  @Test func nothingIsPurgedBeforeTheFirstApproval() throws {
    let policy = try Policies.shipped()
    #expect(!PolicyStanding(approved: nil, loaded: policy).allowsPurge)
    #expect(PolicyStanding(approved: policy, loaded: policy) == .inForce)
  }

  @Test func aFileDoesNotNameItsOwnApprovers() throws {
    let approved = try Policies.shipped()
    let loaded = try Policies.altered(
      ("[privacy-officer, records-manager]", "[privacy-officer, administrator]"))
    let subject = ApprovalSubject.policy(loaded.hash)
    let pair = try ApprovalPair(
      approval(of: subject, by: 1, as: .privacyOfficer),
      approval(of: subject, by: 2, as: .administrator))
    #expect(throws: RetentionError.self) {
      try PolicyStanding.check(pair, of: loaded, after: approved)
    }
    try PolicyStanding.check(pair, of: loaded, after: loaded)
    let other = try ApprovalPair(
      approval(of: .policy(approved.hash), by: 1), approval(of: .policy(approved.hash), by: 2))
    #expect(throws: RetentionError.self) {
      try PolicyStanding.check(other, of: loaded, after: approved)
    }
  }

  /// A policy that is not called shorter lets nothing go sooner, whatever is known of it.
  @Test func aPolicyThatIsNotShorterKeepsEverythingAsLong() throws {
    var dice = Dice(seed: 6)
    var longer = 0
    var differing = 0
    let rounds = Mutation.rounds(otherwise: 1_500)
    for round in 0..<rounds {
      let old = RandomPolicy(with: &dice)
      var new = old
      for _ in 0..<Int.random(in: 1...3, using: &dice) { new.change(with: &dice) }
      let (before, after) = (try old.schedule(), try new.schedule())
      let change = PolicyChange(from: before, to: after)
      if change.isShorter { continue }
      longer += 1
      for _ in 0..<40 {
        let facts = RandomPolicy.facts(with: &dice)
        let then = after.eligibility(of: facts).day
        let now = before.eligibility(of: facts).day
        if then != now { differing += 1 }
        guard let then else { continue }
        guard let now, now <= then else {
          Issue.record(
            "round \(round): \(facts) may go on \(then), before on \(String(describing: now))")
          return
        }
      }
    }
    // The property would hold for a comparison that calls everything shorter.
    #expect(longer > rounds / 15)
    #expect(differing > rounds / 15)
  }
}

/// An approval by the n-th person.
func approval(
  of subject: ApprovalSubject, by person: Int, as role: ApproverRole = .recordsManager,
  typed: CivilDate? = nil, beyondCaps: Bool = false, at milliseconds: Int64 = 2_000_000_000_000
) -> Approval {
  Approval(
    subject: subject, person: id(person), role: role, time: Timestamp(milliseconds: milliseconds),
    proof: .token(id(person + 1000)), typedDay: typed, allowsBeyondCaps: beyondCaps)
}

/// A policy of few values, so that changes of it meet.
struct RandomPolicy {
  struct Rule {
    var name: String
    var version: Int
    var after: String
    var keep: String
    var effective: Int
    var until: Int?
    var places: [String]
  }
  static let triggers = ["date-of-service", "last-encounter", "majority"]
  static let lengths = ["1y", "2y", "3y", "365d", "366d", "730d", "732d", "1096d"]
  static let places = ["US-AL", "US-MI", "US", "CA", "CA-ON"]

  var classes: [String: [Rule]] = [:]
  var fallback = "a"
  var state: String?
  var majority: [String: Int] = ["US": 18, "CA": 18]

  init(with dice: inout Dice) {
    for name in ["a", "b"] {
      var rules = [
        Rule(
          name: "base", version: 9, after: Self.triggers[Int.random(in: 0...1, using: &dice)],
          keep: Self.lengths.randomElement(using: &dice) ?? "1y", effective: 2030, places: [])
      ]
      for number in 0..<Int.random(in: 0...2, using: &dice) {
        rules.append(Self.rule("r\(number)", with: &dice))
      }
      classes[name] = rules
    }
    if Bool.random(using: &dice) { majority["US-AL"] = 19 }
    if Bool.random(using: &dice) { state = Self.places.randomElement(using: &dice) }
  }

  static func rule(_ name: String, with dice: inout Dice) -> Rule {
    Rule(
      name: name, version: 1, after: triggers.randomElement(using: &dice) ?? "majority",
      keep: lengths.randomElement(using: &dice) ?? "1y", effective: 2020,
      until: Bool.random(using: &dice) ? Int.random(in: 2021...2023, using: &dice) : nil,
      places: Bool.random(using: &dice)
        ? Array(places.shuffled(using: &dice).prefix(Int.random(in: 1...2, using: &dice))) : [])
  }

  mutating func change(with dice: inout Dice) {
    let name = Bool.random(using: &dice) ? "a" : "b"
    var rules = classes[name] ?? []
    let place = Int.random(in: 0..<max(1, rules.count), using: &dice)
    switch Int.random(in: 0..<10, using: &dice) {
    case 0, 1:
      if !rules.isEmpty { rules[place].keep = Self.lengths.randomElement(using: &dice) ?? "1y" }
    case 2: if rules.count > 1, place > 0 { rules.remove(at: place) }
    case 3:
      rules.append(Self.rule("n\(UInt32.random(in: 0...UInt32.max, using: &dice))", with: &dice))
    case 4: if place > 0 { rules[place].places = [] }
    case 5: if place > 0 { rules[place].places = ["US", "CA"] }
    case 6: if place > 0 { rules[place].until = nil }
    case 7: state = Bool.random(using: &dice) ? nil : Self.places.randomElement(using: &dice)
    case 8: majority["US-AL"] = [nil, 18, 19, 21][Int.random(in: 0...3, using: &dice)]
    default: fallback = fallback == "a" ? "b" : "a"
    }
    classes[name] = rules
  }

  func schedule() throws -> RetentionSchedule {
    func text(_ rule: Rule) -> String {
      var more = rule.places.isEmpty ? "" : "in: [\(rule.places.joined(separator: ", "))]"
      if let until = rule.until { more += (more.isEmpty ? "" : ", ") + "until: \"\(until)-06-30\"" }
      return Policies.rule(
        rule.name, rule.version, after: rule.after, keep: rule.keep,
        effective: "\(rule.effective)-01-01", more: more)
    }
    return try Policies.policy(
      rules: ["rule: r, version: x, after: date-of-service, keep: 1y, effective: \"2020-01-01\""],
      state: state, majority: majority, others: classes.mapValues { $0.map(text) },
      fallback: fallback)
  }

  static func facts(with dice: inout Dice) -> RetentionFacts {
    func day(_ years: ClosedRange<Int>) -> CivilDate? {
      CivilDate(
        year: Int.random(in: years, using: &dice), month: Int.random(in: 1...12, using: &dice),
        day: Int.random(in: 1...28, using: &dice))
    }
    var facts = RetentionFacts()
    facts.classes = [[], ["a"], ["b"], ["a", "b"]][Int.random(in: 0...3, using: &dice)]
    facts.state =
      Bool.random(using: &dice)
      ? nil : places.randomElement(using: &dice).flatMap(Jurisdiction.init)
    facts[.dateOfService] = Int.random(in: 0...5, using: &dice) == 0 ? nil : day(2018...2026)
    facts[.lastEncounter] = Bool.random(using: &dice) ? nil : day(2018...2026)
    switch Int.random(in: 0...3, using: &dice) {
    case 0: facts.patient = .ofAge
    case 1: facts.patient = .unknown
    default: facts.patient = day(1995...2026).map { .born($0) } ?? .unknown
    }
    return facts
  }
}
