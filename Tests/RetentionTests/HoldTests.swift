import Encoding
import Mutation
import Retention
import Testing

/// A hold keeps what it says and what might be meant: what is not known holds.
@Suite struct HoldTests {
  static let key = id(7)
  static let tokens: [String: [PartyToken]] = [
    "+13135550142": [token(1)], "+13135550143": [token(2)], "+13135550144": [token(3)],
  ]

  static func token(_ number: UInt8, under key: Identifier = key) -> PartyToken {
    PartyToken(key: key, value: [UInt8](repeating: number, count: 32))
  }

  /// A call of which everything is known.
  static func facts(_ change: (inout HoldFacts) -> Void = { _ in }) -> HoldFacts {
    var facts = HoldFacts(call: id(1))
    facts.patient = .known(id(100))
    facts.parties = [token(1), token(9)]
    facts.hasWithheldParty = false
    facts.source = .known("3cx")
    facts.location = .known("main")
    facts.callExtension = .known("12")
    facts.direction = .known("inbound")
    facts.served = CivilDate("2026-11-20")
    change(&facts)
    return facts
  }

  static func hold(_ number: Int = 1, _ change: (inout HoldScope) -> Void) -> LegalHold {
    var scope = HoldScope()
    change(&scope)
    return LegalHold(
      id: id(number), matter: id(200), kind: .legal, scope: scope,
      placed: Timestamp(milliseconds: 2_000_000_000_000), placedBy: id(300))
  }

  static func isHeld(_ facts: HoldFacts, by change: (inout HoldScope) -> Void) -> Bool {
    !HoldRegister([hold(1, change)], tokens: tokens).verdict(on: facts).isFree
  }

  /// A condition that the call meets, one that it does not, and how to forget what it asks for.
  static let conditions:
    [(
      meets: @Sendable (inout HoldScope) -> Void, fails: @Sendable (inout HoldScope) -> Void,
      forget: @Sendable (inout HoldFacts) -> Void
    )] = [
      (
        { $0.patients = [id(100)] }, { $0.patients = [id(101)] }, { $0.patient = .unknown }
      ),
      (
        { $0.numbers = ["+13135550142"] }, { $0.numbers = ["+13135550143"] }, { $0.parties = nil }
      ),
      ({ $0.sources = ["3cx"] }, { $0.sources = ["sip"] }, { $0.source = .unknown }),
      ({ $0.locations = ["main"] }, { $0.locations = ["north"] }, { $0.location = .unknown }),
      ({ $0.extensions = ["12"] }, { $0.extensions = ["13"] }, { $0.callExtension = .unknown }),
      ({ $0.direction = "inbound" }, { $0.direction = "outbound" }, { $0.direction = .unknown }),
      (
        { $0.from = CivilDate("2026-11-20") }, { $0.from = CivilDate("2026-11-21") },
        { $0.served = nil }
      ),
      (
        { $0.through = CivilDate("2026-11-20") }, { $0.through = CivilDate("2026-11-19") },
        { $0.served = nil }
      ),
    ]

  @Test func everyConditionKeepsWhatMeetsItAndWhatIsNotKnown() {
    for (place, condition) in Self.conditions.enumerated() {
      #expect(Self.isHeld(Self.facts(), by: condition.meets), "\(place)")
      #expect(!Self.isHeld(Self.facts(), by: condition.fails), "\(place)")
      #expect(Self.isHeld(Self.facts(condition.forget), by: condition.fails), "\(place) forgotten")
    }
  }

  @Test func allConditionsMustBeMet() {
    for (place, one) in Self.conditions.enumerated() {
      for (other, two) in Self.conditions.enumerated() where place != other {
        #expect(
          Self.isHeld(Self.facts()) {
            one.meets(&$0)
            two.meets(&$0)
          })
        // Both conditions on days share what is forgotten.
        guard place < 6 || other < 6 else { continue }
        #expect(
          !Self.isHeld(Self.facts(one.forget)) {
            one.meets(&$0)
            two.fails(&$0)
          }, "\(place) \(other)")
      }
    }
  }

  @Test func aCallByItsIdAndEveryCall() {
    #expect(Self.isHeld(Self.facts()) { $0.calls = [id(1)] })
    #expect(!Self.isHeld(Self.facts()) { $0.calls = [id(2)] })
    #expect(Self.isHeld(Self.facts()) { _ in })
    #expect(Self.isHeld(HoldFacts(call: id(5))) { _ in })
  }

  @Test func aPatientsHoldKeepsCallsOfNobodyKnownAtTheirNumbers() {
    func isHeld(_ patient: Fact<Identifier>, _ parties: [PartyToken]?, withheld: Bool = false)
      -> Bool
    {
      Self.isHeld(
        Self.facts {
          $0.patient = patient
          $0.parties = parties
          $0.hasWithheldParty = withheld
        }
      ) {
        $0.patients = [id(500)]
        $0.patientNumbers = ["+13135550143", "+13135550144"]
      }
    }
    #expect(isHeld(.known(id(500)), []))
    #expect(isHeld(.absent, [Self.token(2)]))
    #expect(isHeld(.absent, [Self.token(8), Self.token(3)]))
    #expect(isHeld(.absent, nil))
    #expect(isHeld(.absent, [Self.token(8)], withheld: true))
    #expect(isHeld(.unknown, [Self.token(8)]))
    #expect(!isHeld(.absent, [Self.token(8)]))
    // Somebody else's call, at the same telephone.
    #expect(!isHeld(.known(id(501)), [Self.token(2)]))
  }

  @Test func aTokenUnderAKeyThatTheHoldDoesNotKnowMayBeTheNumber() {
    let later = Self.token(4, under: id(8))
    let facts = Self.facts { $0.parties = [later] }
    #expect(Self.isHeld(facts) { $0.numbers = ["+13135550143"] })
    let both: [String: [PartyToken]] = [
      "+13135550143": [Self.token(2), Self.token(5, under: id(8))]
    ]
    let hold = Self.hold { $0.numbers = ["+13135550143"] }
    #expect(HoldRegister([hold], tokens: both).verdict(on: facts).isFree)
    // A number that could not be made into tokens.
    #expect(!HoldRegister([hold], tokens: [:]).verdict(on: facts).isFree)
    #expect(!HoldRegister([hold], tokens: ["+13135550143": []]).verdict(on: facts).isFree)
  }

  @Test func holdsThatCannotBeReadHoldEverything() {
    #expect(HoldRegister.unreadable.verdict(on: Self.facts()) == .unreadable)
    #expect(!HoldRegister.unreadable.verdict(on: Self.facts()).isFree)
    #expect(HoldRegister([], tokens: [:]).verdict(on: Self.facts()) == .free)
  }

  @Test func everyHoldThatKeepsIsNamed() {
    let register = HoldRegister(
      [
        Self.hold(1) { $0.sources = ["3cx"] }, Self.hold(2) { $0.sources = ["sip"] },
        Self.hold(3) { $0.patients = [id(100)] },
      ], tokens: [:])
    #expect(register.verdict(on: Self.facts()) == .held([id(1), id(3)]))
  }

  @Test func aHoldReadsBack() throws {
    for (place, condition) in Self.conditions.enumerated() {
      let hold = Self.hold(place) {
        condition.meets(&$0)
        $0.calls = [id(3), id(2)]
      }
      #expect(try LegalHold(parsing: hold.encoded) == hold)
    }
    let everything = Self.hold { _ in }
    #expect(
      String(decoding: everything.encoded, as: UTF8.self)
        == "{\"by\":\"\(id(300))\",\"id\":\"\(id(1))\",\"kind\":\"legal\",\"matter\":\"\(id(200))\","
        + "\"placed\":2000000000000,\"scope\":{},\"v\":1}")
  }

  @Test(arguments: [
    "{\"calls\":[]}", "{\"calls\":[\"x\"]}", "{\"numbers\":[\"\"]}", "{\"from\":\"2026-02-30\"}",
    "{\"direction\":\"sideways\"}", "{\"from\":\"2026-01-02\",\"through\":\"2026-01-01\"}",
    "{\"numbers_of_patients\":[\"1\"]}", "{\"sources\":[\"b\",\"a\"]}", "{\"more\":1}",
    "{\"sources\":[\"a\",\"a\"]}", "{\"direction\":1}",
  ])
  func aScopeThatCannotMeanWhatItSaysIsRefused(scope: String) {
    let text = String(decoding: Self.hold { _ in }.encoded, as: UTF8.self)
      .replacing("{}", with: scope)
    #expect(throws: RetentionError.self) { try LegalHold(parsing: Array(text.utf8)) }
  }

  @Test func aHoldEndsByTwoPeopleWhoMeanThatHold() throws {
    let hold = Self.hold { $0.sources = ["3cx"] }
    let subject = ApprovalSubject.release(hold.digest)
    let pair = try ApprovalPair(approval(of: subject, by: 1), approval(of: subject, by: 2))
    #expect(try HoldRelease(of: hold, approvals: pair).hold == hold.id)
    let wider = Self.hold { $0.sources = ["3cx", "sip"] }
    #expect(throws: RetentionError.self) { try HoldRelease(of: wider, approvals: pair) }
    let early = try ApprovalPair(
      approval(of: subject, by: 1, at: 1), approval(of: subject, by: 2))
    #expect(throws: RetentionError.self) { try HoldRelease(of: hold, approvals: early) }
    let plan = try ApprovalPair(
      approval(of: .plan(hold.digest), by: 1), approval(of: .plan(hold.digest), by: 2))
    #expect(throws: RetentionError.self) { try HoldRelease(of: hold, approvals: plan) }
  }
}
