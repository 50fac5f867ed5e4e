import Cryptography
import Encoding
import Mutation
import Retention
import Testing

@Suite struct PurgePlanTests {
  /// A plan over these calls, and its bytes.
  static func plan(
    _ candidates: [PlanCandidate], schedule: RetentionSchedule,
    made: String = "2033-12-01T02:00:11.204Z",
    limit: Int = .max
  ) throws -> (plan: PurgePlan, bytes: [UInt8]) {
    var writer = try PurgePlanWriter(
      plan: id(900), tenant: id(901), made: try time(made), schedule: schedule, limit: limit)
    var bytes: [UInt8] = []
    for candidate in candidates {
      try writer.consider(candidate)
      bytes += writer.drain()
    }
    let (plan, rest) = writer.finish()
    return (plan, bytes + rest)
  }

  static func candidate(
    _ number: Int, served text: String?, hold: HoldVerdict = .free, recordings: Int = 1,
    bytes: Int64 = 1000
  ) throws -> PlanCandidate {
    var facts = RetentionFacts()
    facts[.dateOfService] = try text.map(day)
    facts.patient = .ofAge
    return PlanCandidate(
      call: id(number), facts: facts, hold: hold, recordings: recordings, bytes: bytes)
  }

  static func read(_ bytes: [UInt8], pieces: Int = .max) throws -> (PurgePlan, [PurgeItem]) {
    var reader = try PurgePlanReader()
    var items: [PurgeItem] = []
    var rest = bytes[...]
    while !rest.isEmpty {
      items += try reader.read(Array(rest.prefix(pieces)))
      rest = rest.dropFirst(pieces)
    }
    return (try reader.finish(), items)
  }

  static func sample() throws -> (plan: PurgePlan, bytes: [UInt8]) {
    try plan(
      [
        candidate(1, served: "2026-11-20", recordings: 2, bytes: 1_048_576),
        candidate(2, served: "2026-12-01"), candidate(3, served: nil),
        candidate(4, served: "2020-01-01", hold: .held([id(50)])),
        candidate(5, served: "2020-01-01", hold: .unreadable),
        candidate(6, served: "2026-11-29", bytes: 524_288),
      ],
      schedule: Policies.policy(rules: [
        Policies.rule("service", keep: "7y"), Policies.rule("minor", after: "majority", keep: "7y"),
      ]))
  }

  @Test func aPlanIsTheTextOfThePage() throws {
    let (plan, bytes) = try Self.sample()
    #expect(
      String(decoding: bytes, as: UTF8.self) == """
        callvault/purge-plan/v1
        plan \(id(900))
        tenant \(id(901))
        made 2033-12-01T02:00:11.204Z
        day 2033-11-30
        policy \(plan.head.policy.hex) t
        rule 1 c service 1 c
        rule 2 c minor 1 c

        \(id(1)) 2033-11-20 1 2 1048576
        \(id(6)) 2033-11-29 1 1 524288

        calls 2
        recordings 3
        bytes 1572864
        kept young 1
        kept unknown 1
        kept held 2
        kept later 0

        """)
    #expect(plan.hash == SHA256.hash(bytes))
    #expect(plan.rule(1)?.label == "c/service@1")
    #expect(plan.rule(3) == nil)
  }

  @Test(arguments: [1, 7, 64, Int.max])
  func aPlanReadsBackInWhateverPieces(pieces: Int) throws {
    let (plan, bytes) = try Self.sample()
    let (read, items) = try Self.read(bytes, pieces: pieces)
    #expect(read == plan)
    #expect(items.map(\.call) == [id(1), id(6)])
    #expect(items.map(\.bytes) == [1_048_576, 524_288])
  }

  @Test func aPlanWithoutCallsReadsBack() throws {
    let (plan, bytes) = try Self.plan([], schedule: Policies.shipped())
    let (read, items) = try Self.read(bytes)
    #expect(read == plan)
    #expect(items.isEmpty)
  }

  @Test func whatIsReadHasOneSpelling() throws {
    let (_, bytes) = try Self.sample()
    var dice = Dice(seed: 5)
    for round in 0..<Mutation.rounds(otherwise: 3_000) {
      let changed = Mutation.change(bytes, spice: Array(" \n0-".utf8), with: &dice)
      guard changed != bytes, let (plan, items) = try? Self.read(changed) else { continue }
      #expect(plan.hash == SHA256.hash(changed), "round \(round)")
      #expect(items.count == plan.totals.calls)
    }
  }

  @Test(arguments: [
    ("calls 2", "calls 3"), ("recordings 3", "recordings 4"), ("kept held 2", "kept held 02"),
    ("kept later 0\n", "kept later 0\n\n"), ("kept later 0\n", "kept later -0\n"),
    ("kept later 0\n", ""),
    ("kept later 0\n", "kept later 0"), ("purge-plan/v1", "purge-plan/v2"),
    ("rule 2 c", "rule 3 c"), ("day 2033-11-30", "day 2033-12-01"),
    (" 2033-11-29 1 1", " 2033-12-01 1 1"), (" 2033-11-29 1 1", " 2033-11-29 3 1"),
    (" 2033-11-29 1 1", " 2033-11-29 0 1"), (" 2033-11-29 1 1", " 2033-11-29 1 01"),
    ("00000006-", "00000001-"), ("00000006-", "00000000-"), ("\n\ncalls", "\ncalls"),
    ("524288", "999999999999999999"),
  ])
  func aPlanThatIsNotWhatItSaysIsRefused(old: String, new: String) throws {
    let text = String(decoding: try Self.sample().bytes, as: UTF8.self)
    #expect(text.contains(old))
    let bytes = Array(text.replacing(old, with: new).utf8)
    #expect(throws: RetentionError.self) { try Self.read(bytes) }
  }

  @Test func callsComeInOrderAndOnce() throws {
    for second in [1, 0] {
      #expect(throws: RetentionError.self) {
        try Self.plan(
          [Self.candidate(1, served: nil), Self.candidate(second, served: nil)],
          schedule: Policies.shipped())
      }
    }
  }

  @Test func whatIsOverTheLimitWaits() throws {
    let calls = try (0..<10).map {
      try Self.candidate($0, served: "2020-01-01", recordings: $0 % 3)
    }
    let (plan, _) = try Self.plan(
      calls, schedule: Policies.policy(rules: [Policies.rule(keep: "7y")]), limit: 5)
    // 0…9 count as 1 1 2 1 1 2 1 1 2 1.
    #expect(plan.totals.weight == 5)
    #expect((plan.totals.calls, plan.totals.later) == (4, 6))
  }

  @Test func aLineIsDecidedAgainWhenItsTurnComes() throws {
    let schedule = try Policies.policy(rules: [Policies.rule(keep: "7y")])
    let longer = try Policies.policy(rules: [Policies.rule(keep: "9y")])
    let item = PurgeItem(
      call: id(1), eligible: try day("2033-11-20"), rule: 1, recordings: 1, bytes: 1000)
    let today = try day("2033-11-30")
    let call = try Self.candidate(1, served: "2026-11-20")
    #expect(item.recheck(call, schedule: schedule, day: today) == nil)
    #expect(item.recheck(nil, schedule: schedule, day: today) == .gone)
    #expect(item.recheck(call, schedule: longer, day: today) == .notEligible)
    #expect(item.recheck(call, schedule: schedule, day: try day("2033-11-19")) == .notEligible)
    func recheck(_ candidate: PlanCandidate) -> SkipReason? {
      item.recheck(candidate, schedule: schedule, day: today)
    }
    #expect(recheck(try Self.candidate(2, served: "2026-11-20")) == .gone)
    #expect(recheck(try Self.candidate(1, served: nil)) == .unknown)
    #expect(recheck(try Self.candidate(1, served: "2026-11-20", recordings: 2)) == .changed)
    #expect(recheck(try Self.candidate(1, served: "2026-11-20", bytes: 999)) == .changed)
    #expect(recheck(try Self.candidate(1, served: "2026-11-20", hold: .held([id(5)]))) == .held)
    #expect(recheck(try Self.candidate(1, served: "2026-11-20", hold: .unreadable)) == .held)
  }
}

@Suite struct PurgeCapsTests {
  static let caps = PurgeCaps(percent: 5, recordings: 100, windowDays: 30)
  static let now: Int64 = 2_000_000_000_000
  static let dayLength: Int64 = 86_400_000

  /// Earlier purges by their age in days.
  static func allowed(_ stored: Int, _ purged: [(daysAgo: Int64, recordings: Int)]) -> Int? {
    let verdict = caps.verdict(
      planned: .max, stored: stored,
      purged: purged.map {
        (Timestamp(milliseconds: now - $0.daysAgo * dayLength), $0.recordings)
      }, at: Timestamp(milliseconds: now))
    if case .beyond(let allowed) = verdict { return allowed }
    return nil
  }

  @Test func theLesserBoundCounts() {
    #expect(Self.allowed(1000, []) == 50)
    #expect(Self.allowed(1019, []) == 50)
    #expect(Self.allowed(1020, []) == 51)
    #expect(Self.allowed(100_000, []) == 100)
    #expect(Self.allowed(19, []) == 0)
    #expect(Self.allowed(.max, []) == 100)
  }

  @Test func whatWentInTheWindowCounts() {
    #expect(Self.allowed(950, [(29, 50)]) == 0)
    #expect(Self.allowed(950, [(30, 50)]) == 47)
    #expect(Self.allowed(990, [(1, 10)]) == 40)
    #expect(Self.allowed(1000, [(3, 200)]) == 0)
    // Later than now: our clock was ahead, and the room it took stays taken.
    #expect(Self.allowed(950, [(-400, 50)]) == 0)
  }

  @Test func justWhatIsAllowedIsWithin() {
    func verdict(_ planned: Int) -> PurgeCaps.Verdict {
      Self.caps.verdict(
        planned: planned, stored: 1000, purged: [], at: Timestamp(milliseconds: Self.now))
    }
    #expect(verdict(50) == .within)
    #expect(verdict(51) == .beyond(allowed: 50))
  }
}
