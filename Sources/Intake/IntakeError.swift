/// Why something dropped was not taken.
///
/// Programs branch on ``code``, operators read ``cause``. The description may go to a log: it holds no
/// name of a file and nothing that a caller or a phone system wrote.
public struct IntakeError: Error, CustomStringConvertible {
  /// What went wrong, in terms a program can act on.
  public enum Code: Sendable, Equatable {
    /// It is not there any more.
    case vanished
    /// It is not what was looked at before, or somebody writes to it: it is looked at again.
    case changed
    /// The text follows no form that is read here.
    case malformed
    /// It will not be taken as it is; it goes to quarantine.
    case refused(QuarantineReason)
    /// The folder, the disk or the service cannot do it now; it stays where it is.
    case unavailable
  }
  public let code: Code
  /// The operation that failed, in words for a log line.
  public let operation: StaticString
  /// What lies beneath, for the operator only.
  public let cause: (any Error)?

  public init(_ code: Code, during operation: StaticString, cause: (any Error)? = nil) {
    self.code = code
    self.operation = operation
    self.cause = cause
  }

  public var description: String { "\(code) while \(operation)" }
}

/// Why a file lies in quarantine: the words of its reason file and of its entry in the log.
public enum QuarantineReason: String, CaseIterable, Sendable {
  /// Neither a name that is read here nor a sidecar that says what the name does not.
  case name = "name-not-understood"
  /// The name is not UTF-8, or holds a control character.
  case nameEncoding = "name-not-text"
  case sidecar = "sidecar-not-understood"
  /// The folder wants a sidecar with each recording, and none came in a day.
  case sidecarMissing = "sidecar-missing"
  /// A sidecar whose recording did not come in a day.
  case sidecarAlone = "sidecar-alone"
  /// The bytes are not those whose SHA-256 the sidecar says.
  case digest = "digest-differs"
  /// The vault refuses what name and sidecar say of the call.
  case details = "details-refused"
  case notAudio = "not-audio"
  case empty
  case tooLarge = "too-large"
  /// A link, a pipe, a socket or a device.
  case notAFile = "not-a-file"
  /// The file has a second name elsewhere: removing this one would leave the recording in clear.
  case linked = "has-another-name"
  /// A name that says the file is unfinished, unchanged for a day.
  case unfinished
}
