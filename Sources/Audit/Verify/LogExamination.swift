import Cryptography
import Encoding
import Threading

/// One run over a log's folder.
///
/// Holds what was found so far; reading blocks, so it has a thread of its own.
actor LogExamination {
  private let executor: BlockingExecutor
  let verifier: LogVerifier
  /// By size, ascending.
  let anchors: [LogHead]
  let reader: any LogFolderReader

  var findings: [LogReport.Finding] = []
  var notes: [String] = []
  var evidence: [SignedNote] = []
  var openings: OpeningTally?
  /// What is counted of openings on the way; nil if nobody asked for it.
  var openingCount: OpeningCount?
  var openingFindings: [LogReport.Finding] = []

  /// The right edge's files as they were when the head was read, so that a writer's next
  /// publication does not take them away meanwhile.
  var pinned: [String: [UInt8]] = [:]

  /// What the heads' lines are held against.
  var signers: HeadSigners
  /// Trees that epoch notes speak of, ascending; those compared already are taken away.
  var epochClaims: [Derivation.Claim] = []
  /// Where the log or the check begins: see `LeftEdge.swift`.
  var leftEdge = LeftEdge()
  /// What the log says of the one before it; nil for a first log.
  var restart: RecoveryNote?
  /// Entries whose bytes other files speak of, by index.
  var wanted: Set<Int64> = []
  var kept: [Int64: [UInt8]] = [:]

  var byEntries = Derivation()
  /// Its own from the first bundle on that differs from its tile.
  var byTiles: Derivation?
  /// The first bundle that differs from its tile, and where.
  var divergence: (index: Int64, report: BundleReport)?
  var lastPresent: Int64 = -1
  /// How many bundles in a row are missing.
  var absent = 0
  /// After so many the log is taken to end: a head that nobody signed may claim any size.
  static let maximumAbsent = 4096
  var lastHash: SHA256Digest? = SHA256Digest(bytes: Array(repeating: 0, count: 32))
  var chainBreak: ChainBreak?
  var nonCanonical: Int64?
  var otherVersions = 0
  var surplus: (index: Int64, path: TilePath)?
  var history: HistoryCursor?
  /// Entries that the log's newest head covers.
  var size: Int64 = 0
  /// The largest size that an anchor confirms.
  var confirmed: Int64 = 0
  var lastTime: Timestamp?
  var anchoredTime: Timestamp?

  nonisolated var unownedExecutor: UnownedSerialExecutor {
    unsafe executor.asUnownedSerialExecutor()
  }

  init(
    _ verifier: LogVerifier, anchors: [LogHead], reader: any LogFolderReader
  ) throws(AuditError) {
    do {
      executor = try BlockingExecutor(label: "verify-log")
    } catch {
      throw AuditError(.unavailable, during: "starting a verifier's thread", cause: error)
    }
    self.verifier = verifier
    self.anchors = anchors
    signers = HeadSigners(key: verifier.key, keyring: .unusable)
    self.reader = reader
    findings = verifier.assessment?.findings ?? []
    notes = verifier.assessment?.notes ?? []
  }

  /// Runs once; nil if the head moved while the right edge was read.
  func run(
    progress: @Sendable (LogVerifier.Progress) -> Void, isLastAttempt: Bool
  ) async throws -> LogReport? {
    guard let (checkpoint, bytes) = readCheckpoint() else { return report(head: nil) }
    openHistory(of: checkpoint.checkpoint)
    let head = newestHead(checkpoint)
    size = head.size
    readRestart(head: head)
    readKeyring(head: head)
    judgeEpochs(of: checkpoint, in: "checkpoint")
    findLeftEdge(head: head)
    if !pinRightEdge(of: head.size), !isLastAttempt, try checkpointBytes() != bytes { return nil }
    startWithEmptyTree(head)
    takeUpLeftEdge(head)
    try await checkBundles(head, progress: progress)
    byEntries.finish(tile: { storedTileDamage($0) })
    byTiles?.finish(tile: { storedTileDamage($0) })
    conclude(head)
    checkRest()
    checkCertification()
    checkStamps()
    checkAge()
    // Pruned meanwhile: what is missing now was there when the minimum was read.
    if !isLastAttempt, !findings.isEmpty, hasLeftEdgeMoved() { return nil }
    return report(head: head)
  }

  // MARK: Report

  func find(_ finding: LogReport.Finding) {
    // A failing disk may refuse every file; each other finding there is once.
    if finding.verdict != .unreadable || findings.count < 1000 { findings.append(finding) }
  }

  func find(_ damage: Derivation.TileDamage) {
    if let cause = damage.cause {
      find(
        .init(
          .unreadable, index: damage.index, path: "\(damage.path)", "it could not be read: \(cause)"
        ))
    } else {
      find(
        .init(
          .altered, kind: damage.kind, index: damage.index, path: "\(damage.path)",
          "it is not the tile of the entries that were signed"))
    }
  }

  /// Reports a head that the tree contradicts, though they share the first `shared` entries.
  func find(_ claim: Derivation.Claim, sharing shared: Int64, head: LogHead) {
    let (whose, path): (String, String?) =
      switch claim.source {
      case .history(let path): ("the history", path)
      case .anchor: ("your anchor", nil)
      case .keyring: ("an epoch's key", Keyring.path)
      case .earlierRun: ("what you verified before", nil)
      }
    let (first, last) = (shared, max(shared, claim.head.size - 1))
    if claim.head.isVerified && head.isVerified {
      evidence = [claim.head.note, head.note]
      find(
        .init(
          .forked, index: first, through: last, path: path,
          "\(whose) has a signed head of \(claim.head.size) entries with the root "
            + "\(claim.head.root.hex), which the log's signed head of \(head.size) contradicts"))
    } else {
      find(
        .init(
          .altered, kind: .edited, index: first, through: last, path: path,
          "\(whose) has a head of \(claim.head.size) entries that the log contradicts"))
    }
  }

  func note(_ text: String) {
    if notes.count < LogReport.maximumNotes { notes.append(text) }
  }

  func time(ofEntry index: Int64) -> Timestamp? {
    guard verifier.format == .callVault, let path = TilePath.bundle(index / 256, inLogOf: size),
      let bytes = content(path)
    else { return nil }
    let ranges = EntryBundle.ranges(bytes)
    let offset = Int(index % 256)
    guard index >= 0, offset < ranges.count else { return nil }
    return EntryFrame(Array(bytes[ranges[offset]]))?.time.map { Timestamp(milliseconds: $0) }
  }

  func checkAge() {
    guard let (limit, now) = verifier.maximumAge else { return }
    if let lastTime {
      let (age, overflow) = now.milliseconds.subtractingReportingOverflow(lastTime.milliseconds)
      if !overflow, age <= limit { return }
    }
    find(.init(.stale, index: size - 1, "the newest entry is older than you allow"))
  }

  private func report(head: LogHead?) -> LogReport {
    if let head {
      for line in head.note.signatures where line.bytes.count == 8 + 2420 {
        note("a signature of \(line.name) is of a type this program cannot check (ML-DSA-44)")
      }
    }
    if otherVersions > 0 {
      note("\(otherVersions) entries are of another version: hashed, not understood")
    }
    let isSigned = head?.isVerified ?? false
    var verdicts = findings.map(\.verdict)
    if !isSigned || confirmed == 0 { verdicts.append(.unanchored) }
    let weight = { (finding: LogReport.Finding) in
      Verdict.byWeight.firstIndex(of: finding.verdict) ?? 0
    }
    // Stable: the first of the worst stays first.
    let ordered = findings.enumerated().sorted { left, right in
      (weight(left.element), left.offset) < (weight(right.element), right.offset)
    }
    return LogReport(
      verdict: Verdict.worst(of: verdicts), origin: head?.checkpoint.origin, size: size,
      isSigned: isSigned, anchoredSize: confirmed > 0 ? confirmed : nil,
      anchoredTime: anchoredTime,
      anchoredAt: confirmed > 0 ? verifier.assessment?.seconds(confirming: confirmed) : nil,
      lastTime: lastTime, restart: restart,
      findings: ordered.prefix(LogReport.maximumFindings).map(\.element), notes: notes,
      evidence: evidence, openings: openings)
  }
}
