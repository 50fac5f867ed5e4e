public import Encoding
public import Retention

/// What somebody said of a call or a patient that periods count from, as it is stored, sealed.
///
/// `Documentation/formats/destruction.md`, 3.
public struct KnownFacts: Sendable, Equatable {
  /// Of a call: all its classes; empty: the policy's default.
  public var classes: [String] = []
  /// Of a call: where it belongs.
  public var state: Jurisdiction?
  /// Of a call: days of triggers that are told, not known by themselves.
  public var days: [RetentionTrigger: CivilDate] = [:]
  /// Of a patient, or of a call of which no patient is known.
  public var patient = PatientAge.unknown

  public init() {}

  /// Triggers whose day a person tells; others are worked out.
  public static let told: [RetentionTrigger] = [.lastEncounter, .contractEnd, .event]

  public var isEmpty: Bool { self == KnownFacts() }

  public var json: JSONObject {
    var object = JSONObject()
    if !classes.isEmpty { object["classes"] = .array(classes.map { .string($0) }) }
    var told = JSONObject()
    for trigger in Self.told {
      told[trigger.rawValue] = days[trigger].map { .string($0.description) }
    }
    if !told.isEmpty { object["days"] = .object(told) }
    switch patient {
    case .unknown: break
    case .ofAge: object["of_age"] = true
    case .born(let day): object["born"] = .string(day.description)
    }
    object["state"] = state.map { .string($0.description) }
    return object
  }

  /// Nil for what is not of this form.
  public init?(_ object: JSONObject) {
    guard object.keys.allSatisfy({ ["classes", "days", "of_age", "born", "state"].contains($0) })
    else { return nil }
    if let member = object["classes"] {
      guard let values = member.array, (1...16).contains(values.count) else { return nil }
      classes = values.compactMap(\.string)
      guard classes.count == values.count, Set(classes).count == classes.count,
        classes.allSatisfy({ (1...32).contains($0.utf8.count) })
      else { return nil }
    }
    if let member = object["days"] {
      guard let told = member.object else { return nil }
      for day in told.members {
        guard let trigger = Self.told.first(where: { $0.rawValue == day.key }),
          let date = day.value.string.flatMap({ CivilDate($0) })
        else { return nil }
        days[trigger] = date
      }
    }
    if let member = object["state"] {
      guard let state = member.string.flatMap(Jurisdiction.init) else { return nil }
      self.state = state
    }
    switch (object["of_age"], object["born"]) {
    case (nil, nil): break
    case (true?, nil): patient = .ofAge
    case (nil, let born?):
      guard let day = born.string.flatMap({ CivilDate($0) }) else { return nil }
      patient = .born(day)
    default: return nil
    }
  }

  /// - Throws: ``VaultError/Code/tampered``.
  init(parsing bytes: [UInt8]) throws(VaultError) {
    do {
      guard let object = try JSONValue(parsing: bytes).object, let facts = KnownFacts(object) else {
        throw RetentionError(.malformed, "these are no facts")
      }
      self = facts
    } catch {
      throw VaultError(.tampered, during: "reading what is known of a call", cause: error)
    }
  }
}

extension RetentionFacts {
  /// What the engine is told of a call.
  init(of call: RetainedCallRow, known: KnownFacts?, patient: KnownFacts?) {
    self.init()
    self[.dateOfService] = CivilDate(call.started)
    if let known {
      classes = known.classes
      state = known.state
      for (trigger, day) in known.days { self[trigger] = day }
      self.patient = known.patient
    }
    if let patient, patient.patient != .unknown { self.patient = patient.patient }
  }
}
