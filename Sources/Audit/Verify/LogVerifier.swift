public import Encoding

/// Checks a whole log against its signed head, and against heads kept outside it.
///
/// Needs no key of ours and no service. Reads each byte that the head covers once, in constant
/// memory, and may run on a log that is being written: when the head moved while the right edge
/// was read, it starts again. What it says is specified in
/// `Documentation/formats/audit-log.md`, 9.
public struct LogVerifier: Sendable {
  /// How far a check has come.
  public struct Progress: Sendable {
    public let entries: Int64
    public let of: Int64
    /// What another run may go on from; nil once something was found.
    public let verified: VerifiedPart?
  }

  /// The log's key, by another way than the log; without it the verdict is never better than
  /// ``Verdict/unanchored``.
  public var key: VerifierKey?
  /// The root key, by another way than the log: then every epoch must be certified by it.
  ///
  /// Says nothing without ``key``.
  public var rootKey: VerifierKey?
  /// What an earlier run verified: only what came after it is looked at.
  ///
  /// Its head counts as an anchor.
  public let earlierRun: VerifiedPart?
  /// The size of the anchor to begin at: bundles wholly below it are not looked at.
  public let firstSize: Int64
  /// How old the newest entry may be, in milliseconds, and what time it is.
  public var maximumAge: (milliseconds: Int64, now: Timestamp)?
  public var format = EntryFormat.callVault
  /// What anchors say, held against the caller's policy and authority.
  public let assessment: AnchorAssessment?
  /// `openings/`, where what commitments stand for is to be counted.
  public var openings: (any LogFolderReader)?
  /// Threads that check bundles.
  public var workers = 2

  private let anchors: [LogHead]

  /// - Parameters:
  ///   - key: the log's key.
  ///   - anchors: heads of the log that were kept outside it, as signed notes.
  ///   - from: an anchor too; what lies before it is taken to have been verified.
  ///   - earlierRun: what an earlier run found, of the same log.
  ///   - assessment: what anchors say of it. With a policy only its quorum confirms the log.
  /// - Throws: ``AuditError/Code/notAuthentic`` if the key is not of a log, or an anchor is not
  ///   signed by it; ``AuditError/Code/malformed`` if one is no checkpoint. Both are mistakes of
  ///   the caller and say nothing about the log.
  public init(
    key: VerifierKey?, anchors: [[UInt8]] = [], from: [UInt8]? = nil,
    earlierRun: VerifiedPart? = nil, assessment: AnchorAssessment? = nil
  ) throws(AuditError) {
    if let key, key.type != .ed25519 {
      throw AuditError(.notAuthentic, during: "taking a key that is not a log's")
    }
    self.key = key
    var heads: [LogHead] = []
    for anchor in anchors { heads.append(try LogHead(parsing: anchor, key: key)) }
    let first = try from.map { note throws(AuditError) in try LogHead(parsing: note, key: key) }
    if let first { heads.append(first) }
    firstSize = first?.size ?? 0
    if let earlierRun { heads.append(try LogHead(earlierRun.head, key: key)) }
    self.earlierRun = earlierRun
    self.assessment = assessment
    if assessment?.hasPolicy == true {
      for index in heads.indices { heads[index].isAnchoring = false }
    }
    for given in assessment?.heads ?? [] {
      var head = try LogHead(given.note, key: key)
      head.isAnchoring = given.isAnchoring
      heads.append(head)
    }
    self.anchors = heads.sorted { $0.size < $1.size }
  }

  /// How often the right edge is read again when the head moves.
  private static let attempts = 10

  /// Checks the log in `reader`.
  ///
  /// - Parameters:
  ///   - reader: the log's folder.
  ///   - progress: called now and then, from one thread at a time.
  /// - Returns: what was found; damage is a report, not an error.
  /// - Throws: `CancellationError` when the task is cancelled; ``AuditError/Code/unavailable`` when
  ///   the machine gives no thread or memory, which is ``Verdict/verifierFault``.
  public func verify(
    _ reader: any LogFolderReader, progress: @escaping @Sendable (Progress) -> Void = { _ in }
  ) async throws -> LogReport {
    var attempt = 1
    while true {
      let examination = try LogExamination(self, anchors: anchors, reader: reader)
      if let report = try await examination.run(
        progress: progress, isLastAttempt: attempt == Self.attempts)
      {
        return report
      }
      attempt += 1
    }
  }
}
