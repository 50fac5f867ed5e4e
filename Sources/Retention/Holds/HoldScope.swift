public import Encoding

/// Which calls a hold keeps: those that meet every condition that is given.
///
/// A scope is a question, not a list: it also finds calls that came after it. Without any condition it is
/// every call. `Documentation/formats/retention.md`, 6.2.
public struct HoldScope: Hashable, Sendable {
  public var calls: Set<Identifier> = []
  public var patients: Set<Identifier> = []
  /// Numbers of ``patients``: a call from nobody we know at one of them may have been theirs.
  public var patientNumbers: Set<String> = []
  /// Numbers of either side, normalised.
  public var numbers: Set<String> = []
  public var sources: Set<String> = []
  public var locations: Set<String> = []
  public var extensions: Set<String> = []
  public var direction: String?
  /// The first and the last date of service.
  public var from: CivilDate?
  public var through: CivilDate?

  public init() {}

  /// All numbers whose tokens are needed to match it.
  public var allNumbers: Set<String> { numbers.union(patientNumbers) }
}

/// Whether a condition is met; what is not known is its own answer.
enum Match: Sendable {
  case yes
  case no
  case unknown

  init(_ isMet: Bool) {
    self = isMet ? .yes : .no
  }

  /// Both must be met.
  static func && (left: Match, right: @autoclosure () -> Match) -> Match {
    switch left {
    case .no: .no
    case .yes: right()
    case .unknown: right() == .no ? .no : .unknown
    }
  }

  /// One must be met.
  static func || (left: Match, right: @autoclosure () -> Match) -> Match {
    switch left {
    case .yes: .yes
    case .no: right()
    case .unknown: right() == .yes ? .yes : .unknown
    }
  }
}

/// A scope whose numbers are index tokens, ready to be asked about many calls.
struct ScopeMatcher: Sendable {
  private let scope: HoldScope
  private let numbers: NumberMatcher
  private let patientNumbers: NumberMatcher
  private let directions: Set<String>

  init(_ scope: HoldScope, tokens: [String: [PartyToken]]) {
    self.scope = scope
    numbers = NumberMatcher(scope.numbers, tokens: tokens)
    patientNumbers = NumberMatcher(scope.patientNumbers, tokens: tokens)
    directions = scope.direction.map { [$0] } ?? []
  }

  func match(_ facts: HoldFacts) -> Match {
    Match(scope.calls.isEmpty || scope.calls.contains(facts.call))
      && (scope.patients.isEmpty ? .yes : patient(facts))
      && (scope.numbers.isEmpty ? .yes : numbers.match(facts))
      && Self.among(scope.sources, facts.source)
      && Self.among(scope.locations, facts.location)
      && Self.among(scope.extensions, facts.callExtension)
      && Self.among(directions, facts.direction)
      && days(facts.served)
  }

  private func patient(_ facts: HoldFacts) -> Match {
    switch facts.patient {
    case .known(let patient): Match(scope.patients.contains(patient))
    case .absent: scope.patientNumbers.isEmpty ? .no : patientNumbers.match(facts)
    case .unknown: .unknown
    }
  }

  private static func among(_ values: Set<String>, _ fact: Fact<String>) -> Match {
    if values.isEmpty { return .yes }
    switch fact {
    case .unknown: return .unknown
    case .absent: return .no
    case .known(let value): return Match(values.contains(value))
    }
  }

  private func days(_ served: CivilDate?) -> Match {
    if scope.from == nil, scope.through == nil { return .yes }
    guard let served else { return .unknown }
    return Match(
      scope.from.map { $0 <= served } ?? true && scope.through.map { served <= $0 } ?? true)
  }
}

/// Some numbers, in the tokens of every index key.
private struct NumberMatcher: Sendable {
  private let tokens: Set<PartyToken>
  /// The index keys under which every number has a token: under another, a call cannot be told.
  private let keys: Set<Identifier>

  init(_ numbers: Set<String>, tokens known: [String: [PartyToken]]) {
    var tokens: Set<PartyToken> = []
    var keys: Set<Identifier>?
    for number in numbers {
      let own = known[number] ?? []
      tokens.formUnion(own)
      keys = (keys ?? Set(own.map(\.key))).intersection(own.map(\.key))
    }
    self.tokens = tokens
    self.keys = keys ?? []
  }

  func match(_ facts: HoldFacts) -> Match {
    guard let parties = facts.parties else { return .unknown }
    if parties.contains(where: tokens.contains) { return .yes }
    if facts.hasWithheldParty { return .unknown }
    return parties.allSatisfy { keys.contains($0.key) } ? .no : .unknown
  }
}
