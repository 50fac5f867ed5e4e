/// Where an entry stands in the life of one attempt.
public enum Phase: String, CaseIterable, Sendable {
  /// Written before anything happens; an outcome follows that names this entry's id.
  case intent
  /// What became of the intent named by `ref`.
  case outcome
  /// Intent and outcome in one: nothing could be interrupted in between.
  case single
}

/// What became of an attempt.
public enum OutcomeCode: String, CaseIterable, Sendable {
  case success
  /// Some of it happened: `released` or the reason says how much.
  case partial
  /// Nothing happened, by decision.
  case refused
  /// Nothing happened, by fault.
  case failed
  /// The program stopped in between: what could have happened is taken to have happened.
  case presumed
}

/// Why an attempt ended as it did; nothing here reveals anything about a patient.
///
/// A reason that would (a minor, a Part 2 programme, a legal hold's matter) is a commitment.
public enum Reason: String, CaseIterable, Sendable {
  case approvalMissing = "approval-missing"
  case cancelled
  case clientGone = "client-gone"
  case clockUnsound = "clock-unsound"
  case conflict
  case credentialExpired = "credential-expired"
  case credentialMissing = "credential-missing"
  case credentialRevoked = "credential-revoked"
  case credentialUnknown = "credential-unknown"
  case duplicate
  case held
  case interrupted
  case `internal`
  case malformed
  case notDue = "not-due"
  case notFound = "not-found"
  case outOfScope = "out-of-scope"
  case purposeMissing = "purpose-missing"
  case purposeRefused = "purpose-refused"
  case quarantined
  case rateLimited = "rate-limited"
  case roleLacksRight = "role-lacks-right"
  case sealed
  case storageFailed = "storage-failed"
  case tampered
  case tooLarge = "too-large"
  case unsupported
}

/// Why content was asked for: codes of HL7 v3 PurposeOfUse.
public enum PurposeOfUse: String, CaseIterable, Sendable {
  case breakGlass = "BTG"
  case clinicalTrial = "CLINTRL"
  case coverage = "COVERAGE"
  case emergencyTreatment = "ETREAT"
  case familyRequest = "FAMRQT"
  case legal = "HLEGAL"
  case operations = "HOPERAT"
  case payment = "HPAYMT"
  case complianceReview = "HCOMPL"
  case qualityImprovement = "HQUALIMP"
  case research = "HRESCH"
  case systemAdministration = "HSYSADMIN"
  case patientRequest = "PATRQT"
  case publicHealth = "PUBHLTH"
  case training = "TRAIN"
  case treatment = "TREAT"
}

/// Whether an entry may be shown to every auditor.
public enum EntryClass: String, CaseIterable, Sendable {
  case neutral
  /// Shown only to those who may see restricted patients.
  case restricted
}

/// What the machine's clock said of itself when the entry was made.
public enum ClockState: String, CaseIterable, Sendable {
  case synced
  case unsynced
  /// Wall time and elapsed time came apart, or the clock lies behind a time that has passed.
  case stepped
}

/// Circumstances of an entry that a reviewer must not miss.
public enum EntryFlag: String, CaseIterable, Sendable, Comparable {
  /// Made before there was a second person to approve it.
  case bootstrap
  /// Introduced in an earlier log, and again in this one, which a recovery began.
  case carried
  /// Key material left the program.
  case keyMaterial = "key-material"
  /// What was touched is in quarantine, and whoever touched it may.
  case quarantined
  /// Written at start for what a crash interrupted.
  case recovered
  /// Of the genesis of a log that a recovery began.
  case restarted
  /// A one-person practice approved its own change.
  case selfApproved = "self-approved"
  /// Before this start the journal ended with bytes that no signed head covered; they were cut.
  case tailCut = "tail-cut"
  /// The run before this start did not record its stop: refusals that it had only counted, at most
  /// a second of them and a minute of a flood, may be missing.
  case uncleanStop = "unclean-stop"

  public static func < (left: Self, right: Self) -> Bool { left.rawValue < right.rawValue }
}
