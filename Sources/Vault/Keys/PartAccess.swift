import Audit

extension CallPart {
  /// Whether an operation has to do with such a part: a receipt for playing a recording does not
  /// open a note.
  func isTouched(by operation: Action) -> Bool {
    switch operation {
    // A span that is excised gives every part of the call another key.
    case .disclosure, .accessRequestFulfilled, .recordingExcised: return true
    default: break
    }
    switch self {
    case .recording, .peaks, .artifact:
      return [
        .recordingStored, .recordingOpened, .recordingPlayback, .recordingExported,
        .recordingRepaired,
      ].contains(operation)
    case .transcript:
      return [.transcriptStored, .transcriptOpened, .transcriptExported].contains(operation)
    case .notes:
      return [.noteStored, .noteOpened].contains(operation)
    case .consent:
      return [.consentRecorded, .consentRevoked, .consentOpened].contains(operation)
    case .details:
      return [.callCreated, .callOpened, .callChanged, .search, .subjectLinked]
        .contains(operation)
    }
  }
}

extension Action {
  /// Whether the operation is the handing over of a part's key.
  var givesKeysAway: Bool {
    [.recordingExported, .transcriptExported, .keyExport].contains(self)
  }
}
