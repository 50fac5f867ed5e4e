/// What a caller may do, one name for each kind of operation.
///
/// Play and download are different rights.
public enum Right: String, CaseIterable, Sendable {
  case createCall = "call.create"
  /// See that calls exist, in clear facts only.
  case listCalls = "call.list"
  /// Who called whom, and to find calls by it.
  case readDetails = "call.details"
  case storeRecording = "recording.store"
  /// The bytes of a recording, or a range of them.
  case openRecording = "recording.open"
  /// A short-lived address for a player.
  case playRecording = "recording.play"
  /// The stored ciphertext.
  case readCiphertext = "recording.ciphertext"
  /// The key of one recording: key material leaves the program.
  case exportKey = "recording.export-key"
  case storeTranscript = "transcript.store"
  case readTranscript = "transcript.read"
  case storeNote = "note.store"
  case readNote = "note.read"
  case createToken = "token.create"
  case listTokens = "token.list"
  case revokeToken = "token.revoke"
  case readAudit = "audit.read"
  /// What commitments in the log stand for.
  case readOpenings = "audit.openings"
  /// Make a patient known, by the practice's own reference.
  case createSubject = "subject.create"
  /// Say that a call is a patient's.
  case linkSubject = "subject.link"
  /// Say how a party of a call gave consent to its recording, or took it back.
  case storeConsent = "consent.store"
  /// Who gave consent, and how.
  case readConsent = "consent.read"
  /// See why calls are in quarantine, open what is there, and end it.
  case reviewIncidents = "incident.review"
  /// Take a span out of a recording for ever.
  case exciseRecording = "recording.excise"
  /// Which entries of the log are about a patient, with proofs.
  case proveSubject = "subject.prove"
  case readMetrics = "metrics.read"
  /// Take every key out of memory.
  case seal = "vault.seal"
  /// Begin epochs of keys, destroy old ones, and see how keys are.
  case manageKeys = "keys.manage"
  /// Begin a backup, a drill or a scrub. None of them gives content away.
  case runMaintenance = "maintenance.run"
  /// See what may go and why the rest stays, say what periods count from, and make plans.
  case planRetention = "retention.plan"
  /// Be one of the two who approve a plan or a policy.
  case approveRetention = "retention.approve"
  /// Begin what was approved, or give it up.
  case runRetention = "retention.run"
  /// Place holds, see them, and be one of the two who release one.
  case manageHolds = "holds.manage"

  /// Whether the right lets a caller hear or read what was said, or learn who said it.
  public var isContent: Bool {
    switch self {
    case .readDetails, .openRecording, .playRecording, .exportKey, .readTranscript, .readNote,
      .readOpenings, .proveSubject, .readConsent, .reviewIncidents:
      true
    case .createCall, .listCalls, .storeRecording, .readCiphertext, .storeTranscript, .storeNote,
      .createToken, .listTokens, .revokeToken, .readAudit, .createSubject, .linkSubject,
      .storeConsent, .exciseRecording,
      .readMetrics, .seal, .manageKeys, .runMaintenance, .planRetention, .approveRetention,
      .runRetention, .manageHolds:
      false
    }
  }

  /// Whether a caller must say why.
  ///
  /// Content always; and a note, which only a person on a case writes.
  public var needsPurpose: Bool { isContent || self == .storeNote || self == .exciseRecording }
}
