import Audit

/// A code of a system, as FHIR names things.
struct Coding: Hashable, Sendable {
  let system: String
  let code: String
  let display: String?

  init(_ system: String, _ code: String, _ display: String? = nil) {
    self.system = system
    self.code = code
    self.display = display
  }

  static func dicom(_ code: String, _ display: String? = nil) -> Coding {
    Coding("http://dicom.nema.org/resources/ontology/DCM", code, display)
  }
  static func lifecycle(_ code: String) -> Coding {
    Coding("http://terminology.hl7.org/CodeSystem/iso-21089-lifecycle", code)
  }
  static func interaction(_ code: String) -> Coding {
    Coding("http://hl7.org/fhir/restful-interaction", code)
  }

  static let rest = Coding("http://terminology.hl7.org/CodeSystem/audit-event-type", "rest")
  static let activity = dicom("110100", "Application Activity")
  static let logUsed = dicom("110101", "Audit Log Used")
  static let export = dicom("110106", "Export")
  static let `import` = dicom("110107", "Import")
  static let patientRecord = dicom("110110", "Patient Record")
  static let query = dicom("110112", "Query")
  static let alert = dicom("110113", "Security Alert")
  static let userAuthentication = dicom("110114", "User Authentication")
}

/// What a view of an entry calls it: section 1 of `Documentation/formats/views.md`.
struct EventCoding: Sendable {
  /// Which agents and entities an event has.
  enum Shape: Sendable {
    /// IHE BALP PatientRead.
    case read
    /// IHE BALP PrivacyDisclosure.Source.
    case disclosure
    case plain
  }

  let shape: Shape
  let type: Coding
  /// The last is the entry's own action.
  let subtypes: [Coding]
  /// One of C, R, U, D, E.
  let action: String
  /// 0, 4 or 8; nil for an intent.
  let outcome: String?

  init(of entry: Entry) {
    let kind = Kind(entry.action)
    let own = Coding("urn:callvault:action", entry.action.rawValue)
    var outcome = Self.outcome(of: entry)
    switch kind {
    case .reading where Self.hasLeft(entry, or: .presumed):
      (shape, type, outcome) = (.read, .rest, "0")
      (subtypes, action) = ([.interaction("read"), own], "R")
    case .reading:
      (shape, type) = (.plain, .lifecycle("access"))
      (subtypes, action) = ([.interaction("read"), own], "R")
    case .disclosing where Self.hasLeft(entry):
      (shape, type, outcome) = (.disclosure, .export, "0")
      (subtypes, action) = ([.lifecycle("disclose"), own], "R")
    case .disclosing:
      (shape, type) = (.plain, .lifecycle("disclose"))
      (subtypes, action) = ([own], "R")
    case .other(let type, let subtype, let action):
      shape = .plain
      self.type = type
      subtypes = (subtype.map { [$0] } ?? []) + [own]
      self.action = action
    }
    self.outcome = outcome
  }

  /// Whether something of one subject left, in full or in part.
  private static func hasLeft(_ entry: Entry, or other: OutcomeCode = .success) -> Bool {
    guard entry.subjects.count == 1, !entry.objects.isEmpty, let outcome = entry.outcome else {
      return false
    }
    return outcome == .success || outcome == .partial || outcome == other
  }

  private static func outcome(of entry: Entry) -> String? {
    switch entry.outcome {
    case nil: nil
    case .success: "0"
    case .partial, .presumed: "4"
    case .refused, .failed: "8"
    }
  }
}

/// The table of section 1.6.
private enum Kind {
  case reading
  case disclosing
  case other(Coding, Coding?, String)

  init(_ action: Action) {
    switch action {
    case .recordingOpened, .recordingPlayback, .transcriptOpened, .noteOpened,
      .consentOpened, .callOpened:
      self = .reading
    case .recordingExported, .transcriptExported, .disclosure, .accessRequestFulfilled:
      self = .disclosing
    case .breakglassStarted: self = .other(.alert, .dicom("110127"), "E")
    case .breakglassEnded: self = .other(.alert, .dicom("110138"), "E")
    case .auditRead, .auditExported: self = .other(.logUsed, nil, "R")
    case .logGenesis: self = .other(.activity, .dicom("110134"), "C")
    case .logStart: self = .other(.activity, .dicom("110120"), "E")
    case .logStop: self = .other(.activity, .dicom("110121"), "E")
    case .logPrune: self = .other(.logUsed, .lifecycle("destroy"), "D")
    case .authRefused, .authSignIn: self = .other(.userAuthentication, .dicom("110122"), "E")
    case .authSignOut: self = .other(.userAuthentication, .dicom("110123"), "E")
    case .authTokenCreated, .authCredentialAdded, .personCreated:
      self = .other(.alert, .dicom("110137"), "C")
    case .personChanged: self = .other(.alert, .dicom("110137"), "U")
    case .authTokenRevoked, .authCredentialRemoved, .personDisabled:
      self = .other(.alert, .dicom("110137"), "D")
    case .authTokenListed: self = .other(.alert, .dicom("110132"), "R")
    case .policyChanged: self = .other(.alert, .dicom("110129"), "U")
    case .keyCreate: self = .other(.alert, .dicom("110129"), "C")
    case .keyCertified, .keyRotate, .keyRewrap: self = .other(.alert, .dicom("110129"), "U")
    case .keyDestroy: self = .other(.alert, .dicom("110129"), "D")
    case .keyUnseal, .keySeal: self = .other(.alert, .dicom("110132"), "E")
    case .keyExport: self = .other(.alert, .dicom("110132"), "R")
    case .callCreated, .subjectCreated, .noteStored, .transcriptStored, .consentRecorded,
      .consentRevoked:
      self = .other(.patientRecord, .lifecycle("originate"), "C")
    case .callChanged, .recordingRepaired, .recordingExcised:
      self = .other(.patientRecord, .lifecycle("amend"), "U")
    case .recordingStored, .intakeQuarantined:
      self = .other(.import, .lifecycle("receive"), "C")
    case .recordingPurged, .transcriptPurged, .notePurged:
      self = .other(.patientRecord, .lifecycle("destroy"), "D")
    case .subjectLinked: self = .other(.patientRecord, .lifecycle("link"), "U")
    case .subjectUnlinked: self = .other(.patientRecord, .lifecycle("unlink"), "U")
    case .holdSet: self = .other(.patientRecord, .lifecycle("hold"), "U")
    case .holdReleased: self = .other(.patientRecord, .lifecycle("unhold"), "U")
    case .accessRequestReceived: self = .other(.patientRecord, .lifecycle("receive"), "C")
    case .accessRequestDecided: self = .other(.patientRecord, .lifecycle("attest"), "U")
    case .search: self = .other(.query, .interaction("search"), "E")
    case .backupMade: self = .other(.activity, .lifecycle("archive"), "E")
    case .backupRestored: self = .other(.activity, .lifecycle("restore"), "E")
    case .backupDrilled, .scrubRun: self = .other(.activity, .lifecycle("verify"), "E")
    case .failoverDecided, .failoverCommanded, .failoverEnded, .failoverDrilled:
      self = .other(.activity, .dicom("110128"), "E")
    // An action without a nearer code is still shown: its own name is the last subtype.
    default: self = .other(.activity, nil, "E")
    }
  }
}
