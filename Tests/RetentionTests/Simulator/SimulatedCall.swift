import Encoding
import Mutation
import Retention

/// A call as it was, which the practice may know only in part.
struct SimulatedCall {
  let id: Identifier
  let served: CivilDate
  let born: CivilDate
  let state: String
  let isMedicare: Bool
  let patient: Int
  let number: Int
  let recordings: Int
  let bytes: Int64

  // What is known of it, which may come later.
  var knowsAge: PatientAge
  var knowsState: Bool
  var isLinked: Bool
  var knowsNumber: Bool

  static let states = ["US-MI", "US-AL", "US-MS"]
  static let majority = ["US-MI": 18, "US-AL": 19, "US-MS": 21]
  static let places = majority.reduce(into: [:]) { $0[$1.key] = Jurisdiction($1.key) }
  static let key = RetentionTests.id(7)

  init(number serial: Int, on day: CivilDate, with dice: inout Dice) {
    id = RetentionTests.id(serial)
    served = day
    patient = Int.random(in: 0..<30, using: &dice)
    // A patient has one birthday and mostly one number; every fourth is a child when calls begin.
    born =
      CivilDate(
        year: patient % 4 == 0 ? 2015 + patient : 1940 + patient, month: patient % 12 + 1,
        day: patient % 28 + 1) ?? day
    state = Self.states[patient % 3]
    isMedicare = patient % 5 == 1
    number = Int.random(in: 0..<10, using: &dice) == 0 ? 99 : patient
    recordings = Int.random(in: 0...3, using: &dice)
    bytes = Int64(recordings) * 1000
    knowsAge = .unknown
    knowsState = Int.random(in: 0..<4, using: &dice) > 0
    isLinked = Bool.random(using: &dice)
    knowsNumber = Int.random(in: 0..<5, using: &dice) > 0
    if Int.random(in: 0..<5, using: &dice) > 0 { learnAge(with: &dice) }
  }

  /// Whether the patient was of age on the date of service.
  var wasOfAge: Bool { Self.later(born, Self.majority[state] ?? 21) <= Self.fields(served) }

  mutating func learnAge(with dice: inout Dice) {
    knowsAge = wasOfAge && Bool.random(using: &dice) ? .ofAge : .born(born)
  }

  var facts: RetentionFacts {
    var facts = RetentionFacts()
    facts.classes = isMedicare ? ["c", "medicare"] : []
    facts.state = knowsState ? Self.places[state] : nil
    facts.patient = knowsAge
    facts[.dateOfService] = served
    return facts
  }

  var holdFacts: HoldFacts {
    var facts = HoldFacts(call: id)
    facts.patient = isLinked ? .known(RetentionTests.id(10_000 + patient)) : .absent
    facts.parties = knowsNumber ? [Self.token(number)] : nil
    facts.hasWithheldParty = false
    facts.source = .known("3cx")
    facts.location = .absent
    facts.callExtension = .known(String(patient % 7))
    facts.direction = .known("inbound")
    facts.served = served
    return facts
  }

  static func token(_ number: Int) -> PartyToken {
    PartyToken(key: key, value: [UInt8](repeating: UInt8(number), count: 32))
  }

  /// Every number's tokens.
  static let tokens = Dictionary(
    uniqueKeysWithValues: (0...99).map { ("+1313555\(1000 + $0)", [token($0)]) })

  // The dates once more, by other means than the module's.

  typealias Fields = (year: Int, month: Int, day: Int)

  static func fields(_ day: CivilDate) -> Fields { (day.year, day.month, day.day) }

  static func later(_ day: CivilDate, _ years: Int) -> Fields {
    let year = day.year + years
    let isLeap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
    return day.month == 2 && day.day == 29 && !isLeap ? (year, 3, 1) : (year, day.month, day.day)
  }

  /// The first day on which it may go under these periods, by what is true.
  func earliest(under policy: SimulatedPolicy) -> Fields {
    var latest = Self.later(served, policy.base)
    if isMedicare { latest = max(latest, Self.later(served, policy.medicare)) }
    if !wasOfAge {
      let years = (Self.majority[state] ?? 21) + policy.minor
      latest = max(latest, Self.later(born, years))
    }
    return latest
  }

  private func max(_ left: Fields, _ right: Fields) -> Fields { left < right ? right : left }
}

/// Three periods, which a file spells out.
struct SimulatedPolicy: Hashable {
  var base: Int
  var minor: Int
  var medicare: Int
  var grace: Int

  func isShorter(than other: Self) -> Bool {
    base < other.base || minor < other.minor || medicare < other.medicare || grace < other.grace
  }

  func schedule() throws -> RetentionSchedule {
    let minors = Policies.rule("minor", after: "majority", keep: "\(minor)y")
    let text = [
      Policies.rule("service", keep: "\(base)y"), minors,
    ]
    return try Policies.policy(
      rules: text, majority: ["US": 18, "US-AL": 19, "US-MS": 21],
      others: ["medicare": [Policies.rule("service", keep: "\(medicare)y"), minors]],
      grace: grace, recordings: Simulation.cap)
  }
}

/// A hold, and what it is about in truth.
struct SimulatedHold {
  enum About {
    case call(Identifier)
    case patient(Int)
    case number(Int)
    case year(Int)
    case callExtension(Int)
  }
  let hold: LegalHold
  let about: About

  init(_ serial: Int, _ about: About, at time: Timestamp) {
    self.about = about
    var scope = HoldScope()
    switch about {
    case .call(let call): scope.calls = [call]
    case .patient(let patient):
      scope.patients = [id(10_000 + patient)]
      scope.patientNumbers = ["+1313555\(1000 + patient)"]
    case .number(let number): scope.numbers = ["+1313555\(1000 + number)"]
    case .year(let year):
      scope.from = CivilDate(year: year, month: 1, day: 1)
      scope.through = CivilDate(year: year, month: 12, day: 31)
    case .callExtension(let number): scope.extensions = [String(number)]
    }
    hold = LegalHold(
      id: id(20_000 + serial), matter: id(5), kind: .legal, scope: scope, placed: time,
      placedBy: id(6))
  }

  /// Whether it is about this call, whatever the practice knows of it.
  func covers(_ call: SimulatedCall) -> Bool {
    switch about {
    case .call(let id): call.id == id
    // Somebody else's telephone is not the patient's.
    case .patient(let patient): call.patient == patient && (call.isLinked || call.number == patient)
    case .number(let number): call.number == number
    case .year(let year): call.served.year == year
    case .callExtension(let number): call.patient % 7 == number
    }
  }
}
