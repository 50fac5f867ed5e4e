public import Cryptography

/// Which consent a recording needs, by state, and what follows when it lacks: `consent.yaml`.
///
/// `Documentation/formats/consent.md`, sections 1 and 3. What is unknown is strict.
public struct ConsentPolicy: Sendable {
  /// Who must agree; in order of strictness.
  public enum Rule: String, CaseIterable, Comparable, Sendable {
    case oneParty = "one-party"
    case allParties = "all-party"

    public static func < (left: Self, right: Self) -> Bool {
      left == .oneParty && right == .allParties
    }
  }

  /// What follows.
  public enum Measure: String, CaseIterable, Sendable {
    /// It is shown, and nothing else.
    case note
    /// The call is out of reach until somebody decides.
    case quarantine
  }

  /// The law of one state, as the practice reads it.
  public struct StateRule: Hashable, Sendable {
    public let rule: Rule
    public let citation: String
    /// Whether a person has checked the citation against the primary text.
    public let isConfirmed: Bool
    public let version: String
    public let effective: CivilDate
  }

  /// How a call stands.
  public enum Status: String, CaseIterable, Comparable, Sendable {
    /// One party is enough, and the practice is it.
    case notNeeded = "not-needed"
    case given
    case cutShort = "cut-short"
    case missing
    case revoked

    public static func < (left: Self, right: Self) -> Bool { left.rank < right.rank }
    private var rank: Int { Self.allCases.firstIndex(of: self) ?? 0 }
  }

  /// What was decided, and by what.
  public struct Decision: Hashable, Sendable {
    public let status: Status
    public let rule: Rule
    /// The state whose rule is the strictest; nil: a party whose state nobody knows.
    public let state: USState?
    public let citation: String?
    public let isConfirmed: Bool
    public let measure: Measure
    /// The parties on whose account the status is what it is.
    public let parties: [String]
  }

  public let version: String
  /// SHA-256 of the file.
  public let hash: SHA256Digest
  public let missing: Measure
  public let cutShort: Measure
  public let revoked: Measure
  public let states: [USState: StateRule]

  /// Decides for a call.
  ///
  /// - Parameters:
  ///   - records: all of the call, oldest first.
  ///   - practice: the state in which the practice takes its calls; nil: unknown.
  ///   - day: of the call, where it was.
  /// - Returns: how it stands.
  public func decide(
    _ records: [ConsentRecord], practice: USState?, on day: CivilDate
  ) -> Decision {
    var newest: [String: ConsentRecord] = [:]
    var states: [String: USState] = [:]
    for record in records {
      newest[record.party] = record
      if let state = record.state { states[record.party] = state }
    }
    let parties = Set(newest.keys).union(["caller"]).sorted()
    let (rule, state) = strictest(of: [practice] + parties.map { states[$0] }, on: day)
    var status = Status.notNeeded
    var named: [String] = []
    for party in parties {
      let its = Self.status(newest[party], under: rule)
      if its > status { (status, named) = (its, []) }
      if its == status { named.append(party) }
    }
    let law = state.flatMap { self.states[$0] }
    return Decision(
      status: status, rule: rule, state: state, citation: law?.citation,
      isConfirmed: law?.isConfirmed ?? false, measure: measure(of: status), parties: named)
  }

  private static func status(_ record: ConsentRecord?, under rule: Rule) -> Status {
    if record?.kind == .revoked { return .revoked }
    guard rule == .allParties else { return .notNeeded }
    guard let record, record.method != .none else { return .missing }
    return record.isCompleted ? .given : .cutShort
  }

  private func measure(of status: Status) -> Measure {
    switch status {
    case .notNeeded, .given: .note
    case .cutShort: cutShort
    case .missing: missing
    case .revoked: revoked
    }
  }

  /// The first state of those with the strictest rule; nil for a state that nobody knows.
  private func strictest(of all: [USState?], on day: CivilDate) -> (Rule, USState?) {
    var strictest: (rule: Rule, state: USState?)?
    for state in all {
      let law = state.flatMap { states[$0] }.flatMap { $0.effective <= day ? $0 : nil }
      let rule = law?.rule ?? .allParties
      guard strictest.map({ $0.rule < rule }) ?? true else { continue }
      strictest = (rule, law == nil ? nil : state)
    }
    return strictest ?? (.allParties, nil)
  }
}
