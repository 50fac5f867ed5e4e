import Cryptography
import Encoding
import Mutation
import Retention

/// Twenty years of a practice, with the decisions of the product and storage that fails.
///
/// The world knows what is true: the time, whose call it was, which policy two people approved. What goes is
/// held against that, by other means than the module's.
struct Simulation {
  static let dayLength: Int64 = 86_400_000
  static let start: Int64 = 1_798_761_600_000  // 2027-01-01
  static let cap = 60

  struct Failure: Error, CustomStringConvertible {
    let description: String
  }

  var dice: Dice
  /// True time.
  var now = Self.start
  /// How far our clock is ahead.
  var clockAhead: Int64 = 0
  var drift: Int64 = 0
  var hasAuthority = true
  var canReadHolds = true
  var storage = SimulatedStorage()
  /// The plan at work, which a crash forgets.
  var memory: PurgeProcedure?
  var hasCrashed = false
  var holds: [SimulatedHold] = []
  var serial = 0
  var isHealing = false
  /// Purges that both approvers allowed beyond the caps.
  var beyondCaps: Set<Identifier> = []

  /// The policy that two people approved or that is longer; and the file that is loaded.
  var approved: (policy: SimulatedPolicy, schedule: RetentionSchedule)?
  var loaded: (policy: SimulatedPolicy, schedule: RetentionSchedule)
  /// What the world takes for the policy in force, whatever the module says of files.
  var inForce: SimulatedPolicy?
  /// True times of purges, for the caps.
  var purges: [(time: Int64, weight: Int, plan: Identifier)] = []
  var counts: [String: Int] = [:]

  init(seed: UInt64) throws {
    dice = Dice(seed: seed)
    let policy = SimulatedPolicy(base: 2, minor: 2, medicare: 3, grace: 7)
    loaded = (policy, try policy.schedule())
  }

  var clock: Timestamp { Timestamp(milliseconds: now + clockAhead) }
  /// The date for people who look at a calendar in the practice, five hours behind.
  var today: CivilDate? { CivilDate(Timestamp(milliseconds: now), minutesEast: -300) }

  mutating func chance(_ oneIn: Int) -> Bool { Int.random(in: 0..<oneIn, using: &dice) == 0 }
  mutating func count(_ what: String) { counts[what, default: 0] += 1 }

  /// Lives through `days`, and then without faults until nothing is due.
  mutating func run(days: Int) throws {
    for _ in 0..<days { try liveADay() }
    isHealing = true
    (clockAhead, drift, hasAuthority, canReadHolds) = (0, 0, true, true)
    holds = []
    for place in storage.calls.indices {
      storage.calls[place].learnAge(with: &dice)
      storage.calls[place].knowsState = true
      storage.calls[place].knowsNumber = true
    }
    for _ in 0..<1500 {
      guard storage.plan != nil || !storage.pending.isEmpty || due > 0 else { break }
      try liveADay()
    }
    guard storage.plan == nil, storage.pending.isEmpty, due == 0 else {
      throw Failure(description: "\(due) due calls or a plan never finish")
    }
    try judgeTheWhole()
  }

  /// Calls that may go by what is true.
  private var due: Int {
    guard let inForce, let today = ClockGuard.day(at: Timestamp(milliseconds: now)) else {
      return 0
    }
    return storage.calls.filter {
      $0.earliest(under: inForce) <= SimulatedCall.fields(today)
    }.count
  }

  private mutating func liveADay() throws {
    now += Self.dayLength - 43_200_000 + Int64.random(in: 0..<86_400_000, using: &dice)
    clockAhead += drift
    if !isHealing {
      happen()
      try changePolicy()
    }
    try approvePolicy()
    try workOnPurges()
  }

  private mutating func happen() {
    guard let today else { return }
    if chance(9) {
      serial += 1
      storage.calls.append(SimulatedCall(number: serial, on: today, with: &dice))
    }
    if chance(30), let place = storage.calls.indices.randomElement(using: &dice) {
      storage.calls[place].learnAge(with: &dice)
      storage.calls[place].knowsState = true
      storage.calls[place].isLinked.toggle()
    }
    if chance(80) { setHold() }
    if chance(60), let place = holds.indices.randomElement(using: &dice) { release(place) }
    if chance(90) { hasAuthority.toggle() }
    if chance(40) { canReadHolds = false } else { canReadHolds = true }
    if chance(200) {
      clockAhead =
        [10 * 365 * Self.dayLength, 3_600_000, -2 * Self.dayLength, 26 * 3_600_000]
        .randomElement(using: &dice) ?? 0
      drift = chance(3) ? 3_600_000 : 0
      count("clock faults")
    } else if chance(60) {
      (clockAhead, drift) = (0, 0)
    }
  }

  mutating func setHold() {
    guard let today else { return }
    serial += 1
    let about: SimulatedHold.About
    switch Int.random(in: 0..<5, using: &dice) {
    case 0:
      guard let call = storage.calls.randomElement(using: &dice) else { return }
      about = .call(call.id)
    case 1: about = .patient(Int.random(in: 0..<30, using: &dice))
    case 2: about = .number(Int.random(in: 0..<30, using: &dice))
    case 3 where chance(3): about = .year(today.year - Int.random(in: 0...3, using: &dice))
    default: about = .callExtension(Int.random(in: 0..<7, using: &dice))
    }
    holds.append(SimulatedHold(serial, about, at: Timestamp(milliseconds: now)))
    count("holds")
  }

  /// A hold ends only by two different people, the first of whom may try alone.
  private mutating func release(_ place: Int) {
    let hold = holds[place].hold
    let later = now + 3 * Self.dayLength
    let first = approval(of: .release(hold.digest), by: 1, at: later)
    let second = approval(of: .release(hold.digest), by: chance(4) ? 1 : 2, at: later)
    do {
      _ = try HoldRelease(of: hold, approvals: ApprovalPair(first, second))
      holds.remove(at: place)
      if first.person == second.person { count("releases by one person") }
    } catch {
      count("refused releases")
    }
  }

  private mutating func changePolicy() throws {
    guard chance(250) else { return }
    var policy = loaded.policy
    policy.base = Int.random(in: 1...3, using: &dice)
    policy.minor = Int.random(in: 1...3, using: &dice)
    policy.medicare = Int.random(in: 1...4, using: &dice)
    policy.grace = [3, 7, 14].randomElement(using: &dice) ?? 7
    loaded = (policy, try policy.schedule())
    count("policy changes")
    // A longer one counts at once; the world knows that by three numbers.
    if let inForce, !policy.isShorter(than: inForce) { self.inForce = policy }
  }

  /// Two people approve what is loaded, some day; until then a shorter file stops purges.
  private mutating func approvePolicy() throws {
    switch PolicyStanding(approved: approved?.schedule, loaded: loaded.schedule) {
    case .inForce: break
    case .longer: approved = loaded
    case .awaitsApproval:
      guard isHealing || chance(40) else { return }
      let subject = ApprovalSubject.policy(loaded.schedule.hash)
      let pair = try ApprovalPair(
        approval(of: subject, by: 1), approval(of: subject, by: 2, as: .privacyOfficer))
      try PolicyStanding.check(pair, of: loaded.schedule, after: approved?.schedule)
      approved = loaded
      inForce = loaded.policy
      count("policy approvals")
    }
  }
}
