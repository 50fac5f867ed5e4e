import Encoding
import Retention
import Testing

/// Eligible is the latest day over all rules that apply, and what is unknown keeps.
@Suite struct EngineTests {
  @Test(arguments: [
    ("2026-11-20", "2033-11-20"), ("2024-02-29", "2031-03-01"), ("2025-02-28", "2032-02-28"),
    ("2025-12-31", "2032-12-31"),
  ])
  func aRecordingIsKeptSevenYears(text: String, eligible: String) throws {
    var facts = try served(text)
    facts.patient = .ofAge
    let decision = try Policies.shipped().explain(facts)
    #expect(decision.eligible?.description == eligible)
    #expect(decision.decisive?.label == "recording/service@1")
    #expect(decision.unknown.isEmpty)
  }

  @Test(arguments: [
    // Born, state, eligible: seven years after coming of age, where that is later.
    ("2020-06-15", "US-MI", "2045-06-15"), ("2020-06-15", "US-AL", "2046-06-15"),
    ("2020-06-15", "US-MS", "2048-06-15"), ("2024-02-29", "US-MI", "2049-03-01"),
    ("2008-11-21", "US-MI", "2033-11-21"), ("2008-11-20", "US-MI", "2033-11-20"),
    ("1950-01-01", "US-MI", "2033-11-20"), ("1950-01-01", nil, "2033-11-20"),
    ("2005-11-20", nil, "2033-11-20"),
  ])
  func aChildsRecordingIsKeptUntilSevenYearsAfterComingOfAge(
    born: String, state: String?, eligible: String
  ) throws {
    var facts = try served("2026-11-20")
    facts.patient = .born(try day(born))
    facts.state = state.flatMap(Jurisdiction.init)
    #expect(try Policies.shipped().explain(facts).eligible?.description == eligible)
  }

  @Test func whatIsUnknownKeepsAndIsSaid() throws {
    let schedule = try Policies.shipped()
    func unknown(_ change: (inout RetentionFacts) throws -> Void) throws -> [RetentionUnknown] {
      var facts = try served("2026-11-20")
      facts.patient = .ofAge
      try change(&facts)
      let decision = schedule.explain(facts)
      #expect(decision.eligible == nil)
      #expect(schedule.eligibility(of: facts) == decision.unknown.first.map { .unknown($0) })
      return decision.unknown
    }
    #expect(try unknown { $0.patient = .unknown } == [.birthDate])
    #expect(try unknown { $0[.dateOfService] = nil } == [.day(.dateOfService)])
    #expect(try unknown { $0.classes = ["no-such-class"] } == [.className])
    #expect(try unknown { $0.classes = ["recording", "no-such-class"] } == [.className])
    var two = RetentionFacts()
    two.classes = ["recording", "no-such-class"]
    #expect(schedule.explain(two).unknown == [.day(.dateOfService), .birthDate, .className])
    #expect(try unknown { $0.classes = ["contract"] } == [.day(.contractEnd)])
    // A minor somewhere: without the state it is not known until when.
    #expect(try unknown { $0.patient = .born(try day("2005-11-21")) } == [.state])
    #expect(
      try unknown {
        $0.patient = .born(try day("2020-01-01"))
        $0.state = Jurisdiction("GB")
      } == [.state])
    #expect(try unknown { $0[.dateOfService] = try day("9999-01-01") } == [.beyondCalendar])
  }

  @Test func theLongestOfAllClassesCounts() throws {
    var facts = try served("2026-11-20")
    facts.patient = .ofAge
    facts.classes = ["recording", "medicare-advantage"]
    let decision = try Policies.shipped().explain(facts)
    #expect(decision.eligible?.description == "2036-11-20")
    #expect(decision.decisive?.citation == "42 CFR 422.504(d)")
    #expect(decision.findings.count == 4)
  }

  @Test func aRuleOfOneStateAppliesThere() throws {
    let schedule = try Policies.policy(rules: [
      Policies.rule(keep: "5y"), Policies.rule("mi", keep: "9y", more: "in: [US-MI]"),
      Policies.rule("us", keep: "6y", more: "in: [US]"),
    ])
    var facts = try served("2026-11-20")
    #expect(schedule.explain(facts).unknown == [.state])
    for (state, year) in [("US-MI", 2035), ("US-OH", 2032), ("US", 2032), ("CA", 2031)] {
      facts.state = Jurisdiction(state)
      #expect(schedule.explain(facts).eligible?.year == year, "\(state)")
    }
  }

  @Test func theStateOfThePolicyCountsWhereNoneIsKnown() throws {
    let schedule = try Policies.policy(
      rules: [Policies.rule(keep: "5y"), Policies.rule("mi", keep: "9y", more: "in: [US-MI]")],
      state: "US-MI")
    #expect(schedule.explain(try served("2026-11-20")).eligible?.year == 2035)
  }

  @Test func aLongerVersionCountsForWhatIsStoredAndAShorterOneDoesNot() throws {
    let first = Policies.rule("r", 1, keep: "7y", more: "until: \"2029-12-31\"")
    func eligible(_ keep: String, _ served: String) throws -> Int? {
      let schedule = try Policies.policy(rules: [
        first, Policies.rule("r", 2, keep: keep, effective: "2030-01-01"),
      ])
      return schedule.explain(try RetentionTests.served(served)).eligible?.year
    }
    #expect(try eligible("10y", "2026-11-20") == 2036)
    #expect(try eligible("5y", "2026-11-20") == 2033)
    // A call after the longer version ended has the new one only.
    #expect(try eligible("5y", "2030-01-01") == 2035)
    #expect(try eligible("5y", "2029-12-31") == 2036)
  }

  @Test func anExplanationNamesEveryRule() throws {
    let schedule = try Policies.policy(rules: [
      Policies.rule(keep: "5y"), Policies.rule("al", keep: "9y", more: "in: [US-AL]"),
      Policies.rule("minor", after: "majority", keep: "7y"),
      Policies.rule("old", keep: "20y", more: "until: \"2021-01-01\""),
    ])
    var facts = try served("2026-11-20")
    facts.state = Jurisdiction("US-MI")
    facts.patient = .ofAge
    let decision = schedule.explain(facts)
    #expect(
      decision.findings.map(\.outcome)
        == [.day(try day("2031-11-20")), .elsewhere, .ofAge, .ended])
    #expect(decision.policy == schedule.hash)
  }
}
