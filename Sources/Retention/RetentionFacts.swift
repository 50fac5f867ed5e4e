/// What is known of a patient's age.
public enum PatientAge: Hashable, Sendable {
  case unknown
  /// A person said that the patient was of age on the date of service, and the birth date need not be
  /// kept for this.
  case ofAge
  case born(CivilDate)
}

/// What retention needs to know of a call, or of another thing that is kept.
///
/// Everything may be unknown, and what is unknown keeps.
public struct RetentionFacts: Hashable, Sendable {
  /// All classes that the thing belongs to; empty: the policy's default.
  public var classes: [String] = []
  /// Where the thing belongs; nil: where the policy says.
  public var state: Jurisdiction?
  public var patient: PatientAge = .unknown
  private var dateOfService: CivilDate?
  private var lastEncounter: CivilDate?
  private var contractEnd: CivilDate?
  private var event: CivilDate?
  private var lastInEffect: CivilDate?
  private var entry: CivilDate?
  private var lastEventOfCall: CivilDate?

  public init() {}

  /// The day of a trigger, if it is known.
  ///
  /// ``RetentionTrigger/majority`` is worked out from ``patient`` and ``state``: it has no day here, and
  /// setting one is a programmer's mistake.
  public subscript(trigger: RetentionTrigger) -> CivilDate? {
    get {
      switch trigger {
      case .dateOfService: dateOfService
      case .lastEncounter: lastEncounter
      case .majority: nil
      case .contractEnd: contractEnd
      case .event: event
      case .lastInEffect: lastInEffect
      case .entry: entry
      case .lastEventOfCall: lastEventOfCall
      }
    }
    set {
      switch trigger {
      case .dateOfService: dateOfService = newValue
      case .lastEncounter: lastEncounter = newValue
      case .majority: preconditionFailure("the day of majority is worked out, not set")
      case .contractEnd: contractEnd = newValue
      case .event: event = newValue
      case .lastInEffect: lastInEffect = newValue
      case .entry: entry = newValue
      case .lastEventOfCall: lastEventOfCall = newValue
      }
    }
  }
}
