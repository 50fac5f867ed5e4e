public import Cryptography

/// What a rule needs and was not told.
public enum RetentionUnknown: Hashable, Sendable, CustomStringConvertible {
  /// A class that the policy does not have.
  case className
  case state
  case birthDate
  case day(RetentionTrigger)
  /// No rule of the thing's classes applies to it.
  case noRule
  /// A period ends after the year 9999.
  case beyondCalendar

  public var description: String {
    switch self {
    case .className: "class"
    case .state: "state"
    case .birthDate: "birth-date"
    case .day(let trigger): trigger.rawValue
    case .noRule: "rule"
    case .beyondCalendar: "end-of-calendar"
    }
  }
}

/// What one rule says about one thing.
public enum RuleOutcome: Hashable, Sendable {
  /// It may go from this day on, as far as this rule is concerned.
  case day(CivilDate)
  case unknown(RetentionUnknown)
  /// The thing belongs to another state.
  case elsewhere
  /// The version had ended before the thing began.
  case ended
  /// The patient was of age already.
  case ofAge
}

/// Since when something may go, in short: for a million calls.
public enum Eligibility: Hashable, Sendable {
  /// From this day on; the place of the rule that decided among ``RetentionSchedule/rules``.
  case from(CivilDate, rule: Int)
  /// Kept until this is known; the first thing that is not.
  case unknown(RetentionUnknown)

  public var day: CivilDate? {
    if case .from(let day, _) = self { day } else { nil }
  }
}

/// Why something is still here, and when it may go.
public struct RetentionDecision: Hashable, Sendable {
  public struct Finding: Hashable, Sendable {
    public let rule: RetentionRule
    public let outcome: RuleOutcome
  }
  /// Version and hash of the policy that decided.
  public let policyVersion: String
  public let policy: SHA256Digest
  /// Every rule of every class of the thing, in the order of the file.
  public let findings: [Finding]
  /// What is not known and so keeps, each once.
  public let unknown: [RetentionUnknown]
  /// The first day on which it may go; nil: kept.
  public let eligible: CivilDate?
  /// The rule that gives that day; the first where several do.
  public let decisive: RetentionRule?
}

extension RetentionSchedule {
  /// Says what every rule makes of `facts`.
  public func explain(_ facts: RetentionFacts) -> RetentionDecision {
    var findings: [RetentionDecision.Finding] = []
    var unknown: [RetentionUnknown] = []
    let eligibility = decide(facts) { rule, outcome in
      findings.append(RetentionDecision.Finding(rule: rule, outcome: outcome))
      if case .unknown(let missing) = outcome, !unknown.contains(missing) {
        unknown.append(missing)
      }
    }
    if facts.classes.contains(where: { classes[$0] == nil }) { unknown.append(.className) }
    var decisive: RetentionRule?
    switch eligibility {
    case .from(_, let rule): decisive = rules[rule]
    case .unknown(let missing): if !unknown.contains(missing) { unknown.append(missing) }
    }
    return RetentionDecision(
      policyVersion: version, policy: hash, findings: findings, unknown: unknown,
      eligible: eligibility.day, decisive: decisive)
  }

  /// The same without the reasons.
  public func eligibility(of facts: RetentionFacts) -> Eligibility {
    decide(facts) { _, _ in }
  }

  private func decide(
    _ facts: RetentionFacts, tell: (RetentionRule, RuleOutcome) -> Void
  ) -> Eligibility {
    var missing: RetentionUnknown?
    var latest: (day: CivilDate, rule: Int)?
    func judge(_ name: String) {
      guard let found = classes[name] else {
        missing = missing ?? .className
        return
      }
      for place in found.rules {
        let outcome = outcome(of: rules[place], for: facts)
        tell(rules[place], outcome)
        switch outcome {
        case .day(let day):
          if latest.map({ day > $0.day }) ?? true { latest = (day, place) }
        case .unknown(let what): missing = missing ?? what
        case .elsewhere, .ended, .ofAge: break
        }
      }
    }
    if facts.classes.isEmpty {
      judge(defaultClass)
    } else {
      facts.classes.forEach(judge)
    }
    if let missing { return .unknown(missing) }
    return latest.map { .from($0.day, rule: $0.rule) } ?? .unknown(.noRule)
  }

  private func outcome(of rule: RetentionRule, for facts: RetentionFacts) -> RuleOutcome {
    let state = facts.state ?? self.state
    if let places = rule.jurisdictions {
      guard let state else { return .unknown(.state) }
      guard places.contains(where: { $0.contains(state) }) else { return .elsewhere }
    }
    // Where it is not known when the thing began, a version that ended may have been in force then.
    let began = facts[.dateOfService] ?? facts[rule.after]
    if let until = rule.until, let began, until < began { return .ended }
    let start: CivilDate
    if rule.after == .majority {
      switch comingOfAge(facts.patient, in: state, served: facts[.dateOfService]) {
      case .day(let day): start = day
      case let other: return other
      }
    } else {
      guard let day = facts[rule.after] else { return .unknown(.day(rule.after)) }
      start = day
    }
    return rule.keep.end(from: start).map { .day($0) } ?? .unknown(.beyondCalendar)
  }

  /// The birthday on which a patient comes of age, unless that was before the date of service.
  private func comingOfAge(
    _ patient: PatientAge, in state: Jurisdiction?, served: CivilDate?
  ) -> RuleOutcome {
    let birth: CivilDate
    switch patient {
    case .unknown: return .unknown(.birthDate)
    case .ofAge: return .ofAge
    case .born(let day): birth = day
    }
    let known = state.flatMap { majority(in: $0)?.age }
    let age = known ?? Self.agesOfMajority.upperBound
    guard let day = birth.adding(years: age) else { return .unknown(.beyondCalendar) }
    if let served, day <= served { return .ofAge }
    return known == nil ? .unknown(.state) : .day(day)
  }
}
