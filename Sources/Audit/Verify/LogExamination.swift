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
  private let anchors: [LogHead]
  let reader: any LogFolderReader

  var findings: [LogReport.Finding] = []
  var notes: [String] = []
  private var evidence: [SignedNote] = []

  /// The right edge's files as they were when the head was read, so that a writer's next
  /// publication does not take them away meanwhile.
  var pinned: [String: [UInt8]] = [:]

  /// What the heads' lines are held against.
  var signers: HeadSigners
  /// Trees that epoch notes speak of, ascending; those compared already are taken away.
  var epochClaims: [Derivation.Claim] = []
  /// Where the log or the check begins: see `LeftEdge.swift`.
  var leftEdge = LeftEdge()
  /// Entries whose bytes other files speak of, by index.
  var wanted: Set<Int64> = []
  private(set) var kept: [Int64: [UInt8]] = [:]

  private(set) var byEntries = Derivation()
  /// Its own from the first bundle on that differs from its tile.
  private var byTiles: Derivation?
  /// The first bundle that differs from its tile, and where.
  private var divergence: (index: Int64, report: BundleReport)?
  private var lastPresent: Int64 = -1
  /// How many bundles in a row are missing.
  private var absent = 0
  /// After so many the log is taken to end: a head that nobody signed may claim any size.
  private static let maximumAbsent = 4096
  private var lastHash: SHA256Digest? = SHA256Digest(bytes: Array(repeating: 0, count: 32))
  private var chainBreak: ChainBreak?
  private var nonCanonical: Int64?
  private var otherVersions = 0
  private var surplus: (index: Int64, path: TilePath)?
  private var history: HistoryCursor?
  /// Entries that the log's newest head covers.
  private(set) var size: Int64 = 0
  /// The largest size that an anchor confirms.
  private var confirmed: Int64 = 0
  private var lastTime: Timestamp?
  private var anchoredTime: Timestamp?

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
    if !isLastAttempt, !findings.isEmpty, leftEdge.hasMoved(in: reader) { return nil }
    return report(head: head)
  }

  // MARK: Heads

  private func checkpointBytes() throws -> [UInt8]? {
    try reader.read("checkpoint", limit: SignedNote.maximumByteCount)
  }

  /// The head in `checkpoint`, or a finding.
  private func readCheckpoint() -> (LogHead, [UInt8])? {
    do {
      guard let bytes = try checkpointBytes(), !bytes.isEmpty else {
        find(.init(.unreadable, path: "checkpoint", "the log's head is missing or empty"))
        return nil
      }
      do {
        return (try LogHead(parsing: bytes, key: verifier.key), bytes)
      } catch {
        let what =
          error.code == .notAuthentic
          ? "it is not signed by the key you gave under its log's name"
          : "it is no signed checkpoint"
        find(.init(.unauthentic, path: "checkpoint", what))
        return nil
      }
    } catch {
      find(.init(.unreadable, path: "checkpoint", "it could not be read"))
      return nil
    }
  }

  /// Finds the history's files.
  private func openHistory(of checkpoint: Checkpoint) {
    do {
      guard let items = try reader.list(HistoryReader.folder) else {
        note("the folder has no history of heads (\(HistoryReader.folder)/)")
        return
      }
      var paths: [String] = []
      for item in items.sorted(by: { $0.name < $1.name }) {
        let path = "\(HistoryReader.folder)/\(item.name)"
        if HistoryReader.isMonth(item.name), !item.isFolder {
          paths.append(path)
        } else {
          note("a file that does not belong to the log: \(path)")
        }
      }
      history = HistoryCursor(
        reader: HistoryReader(reader, paths: paths[...]), paths: paths, sought: checkpoint)
    } catch {
      find(.init(.unreadable, path: HistoryReader.folder, "it could not be listed"))
    }
  }

  /// The larger of the checkpoint and the history's last head: the log's own word for its size.
  private func newestHead(_ checkpoint: LogHead) -> LogHead {
    guard let history else { return checkpoint }
    var reader = HistoryReader(reader, paths: history.paths[...])
    // One that does not hold is found when the history is read from its beginning.
    guard let last = reader.lastFrame(), let head = try? LogHead(parsing: last, key: verifier.key),
      head.checkpoint.origin == checkpoint.checkpoint.origin, head.size > checkpoint.size
    else { return checkpoint }
    note(
      "the checkpoint covers \(checkpoint.size) entries, the history's last head \(head.size)")
    return head
  }

  /// Reads the tiles and the bundle that the next publication may replace; false if one is gone.
  private func pinRightEdge(of size: Int64) -> Bool {
    var isThere = true
    var paths = (0...7).compactMap { level in
      TilePath.tile(level, size >> Int64(8 * (level + 1)), inTreeOf: size)
    }
    if let bundle = TilePath.bundle(size / 256, inLogOf: size) { paths.append(bundle) }
    for path in paths where path.width < TilePath.fullWidth {
      do {
        let limit =
          path.level == .entries ? EntryBundle.maximumByteCount : path.width * 32
        if let bytes = try reader.read(path.description, limit: limit) {
          pinned[path.description] = bytes
        } else {
          isThere = false
        }
      } catch {
        // Whoever needs the file reads it again, and says what is wrong with it.
        isThere = false
      }
    }
    return isThere
  }

  // MARK: Entries

  private func startWithEmptyTree(_ head: LogHead) {
    for claim in claims(upTo: 0, head: head) { byEntries.judge(claim) }
  }

  /// Heads of sizes up to `size` that were not compared yet, ascending.
  private func claims(upTo size: Int64, head: LogHead) -> [Derivation.Claim] {
    var claims: [Derivation.Claim] = []
    while let claim = history?.peek(signers: signers, upTo: self.size, findings: &findings),
      claim.head.size <= size
    {
      // A head published twice, with nothing between, is compared once.
      // More than there are places to compare them at contradict each other already.
      if claims.last?.head.checkpoint != claim.head.checkpoint, claims.count < 1024 {
        claims.append(claim)
      }
      history?.drop()
    }
    while let claim = epochClaims.first, claim.head.size <= size {
      claims.append(claim)
      epochClaims.removeFirst()
    }
    let start = size == 0 ? 0 : (size - 1) / 256 * 256 + 1
    let given = anchors.sized(start...size).filter { $0.size <= head.size }
    claims += given.map { Derivation.Claim(head: $0, source: .anchor) }
    // Of one size those that somebody signed: they are evidence.
    return claims.sorted { left, right in
      (left.head.size, left.head.isVerified ? 0 : 1)
        < (right.head.size, right.head.isVerified ? 0 : 1)
    }
  }

  private func checkBundles(
    _ head: LogHead, progress: @Sendable (LogVerifier.Progress) -> Void
  ) async throws {
    let size = head.size
    let first = leftEdge.firstBundle
    let count = (size + 255) / 256
    let sliceWidth: Int64 = 8
    let slices = (count - first + sliceWidth - 1) / sliceWidth
    var workers: [BundleWorker] = []
    for _ in 0..<max(1, verifier.workers) {
      workers.append(
        try BundleWorker(
          reader: reader, format: verifier.format, pinned: pinned, wanted: wanted))
    }
    try await withThrowingTaskGroup(of: (Int64, [BundleReport]).self) { group in
      var next: Int64 = 0
      func start() {
        guard next < slices, absent < Self.maximumAbsent else { return }
        let slice = next
        next += 1
        let start = first + slice * sliceWidth
        let numbers = start..<min(count, start + sliceWidth)
        let paths = numbers.compactMap { TilePath.bundle($0, inLogOf: size) }
        let worker = workers[Int(slice) % workers.count]
        group.addTask { (slice, await worker.check(paths)) }
      }
      // Two slices wait for each worker: no more memory, and no worker without work.
      for _ in 0..<(2 * workers.count) { start() }
      var waiting: [Int64: [BundleReport]] = [:]
      var expected: Int64 = 0
      for try await (slice, reports) in group {
        waiting[slice] = reports
        while let reports = waiting.removeValue(forKey: expected) {
          try Task.checkCancellation()
          for report in reports { merge(report, head: head) }
          expected += 1
          start()
          tell(progress, bundles: min(count, first + expected * sliceWidth), head: head)
        }
      }
    }
  }

  /// Goes on by the bundles that are not looked at, as far as the tiles of level 1 know them.
  private func takeUpLeftEdge(_ head: LogHead) {
    guard leftEdge.firstBundle > 0 else { return }
    var tile: (number: Int64, hashes: [SHA256Digest])?
    for number in 0..<leftEdge.firstBundle {
      if tile?.number != number / 256 {
        let path = TilePath.tile(1, number / 256, inTreeOf: size)
        // One that is not there, or of another form, ends the tree here.
        let stored = path.flatMap { path in
          content(path).flatMap { try? Tile(path, parsing: $0) }
        }
        tile = (number / 256, stored?.hashes ?? [])
      }
      let column = Int(number % 256)
      let root = tile.flatMap { $0.hashes.count > column ? $0.hashes[column] : nil }
      byEntries.extend(
        bySubtree: root, claims: claims(upTo: (number + 1) * 256, head: head),
        tile: { storedTileDamage($0) })
      guard root != nil else {
        find(
          .init(
            .altered, kind: .removed, index: number * 256,
            path: TilePath.tile(1, number / 256, inTreeOf: size).map { "\($0)" },
            "it is needed for what lies before the first entry that was looked at"))
        return
      }
    }
    lastHash = nil
  }

  /// Says how far the check is, and what can be gone on from as long as nothing was found.
  private func tell(
    _ progress: @Sendable (LogVerifier.Progress) -> Void, bundles: Int64, head: LogHead
  ) {
    let isSound =
      findings.isEmpty && byTiles == nil && byEntries.isWhole && chainBreak == nil
      && nonCanonical == nil && byEntries.contradiction == nil
    let part =
      isSound
      ? VerifiedPart(
        entries: byEntries.frontier.size, root: byEntries.frontier.root, head: head.note) : nil
    progress(LogVerifier.Progress(entries: min(size, bundles * 256), of: size, verified: part))
  }

  /// Takes up the next bundle, in order.
  private func merge(_ report: BundleReport, head: LogHead) {
    let width = report.path.width
    let claims = claims(upTo: report.start + Int64(width), head: head)
    let isSame: Bool
    if case .matching = report.tile, report.found.count == width {
      isSame = true
    } else {
      isSame = false
    }
    if !isSame {
      if byTiles == nil { byTiles = byEntries }
      if divergence == nil { divergence = (firstDifference(report), report) }
    }
    byTiles?.extend(
      by: report.recorded, width: width, root: isSame ? report.root : nil, claims: claims,
      tile: { storedTileDamage($0) })
    byEntries.extend(
      by: report.found, width: width, root: report.root, claims: claims,
      tile: { storedTileDamage($0) })
    followChain(report)
    kept.merge(report.kept) { $1 }
    if !report.found.isEmpty { lastPresent = report.path.number }
    if case .missing = report.entries { absent += 1 } else { absent = 0 }
    if case .long = report.entries, surplus == nil {
      surplus = (report.start + Int64(width), report.path)
    }
    if case .unreadable = report.entries {
      find(.init(.unreadable, index: report.start, path: "\(report.path)", "it could not be read"))
    }
    if case .unreadable = report.tile {
      let path = "tile/0" + "\(report.path)".dropFirst("tile/entries".count)
      find(.init(.unreadable, index: report.start, path: path, "it could not be read"))
    }
    if nonCanonical == nil { nonCanonical = report.nonCanonical }
    otherVersions += report.otherVersions
  }

  private func firstDifference(_ report: BundleReport) -> Int64 {
    let recorded = report.recorded ?? []
    let offset = zip(report.found, recorded).prefix { $0 == $1 }.count
    return report.start + Int64(min(offset, report.path.width - 1))
  }

  private func followChain(_ report: BundleReport) {
    guard verifier.format == .callVault else { return }
    if chainBreak == nil {
      chainBreak = report.chainBreak
      // An index that is not the place says more about the first entry than its `prev`.
      if let first = report.first, let lastHash, first.index == report.start,
        first.previous != lastHash
      {
        chainBreak = ChainBreak(index: report.start, kind: .previous)
      }
    }
    // What follows a gap has nothing to be compared with.
    lastHash = report.found.count == report.path.width ? report.found.last : nil
  }

  /// Compares a derived tile above level 0 with the stored one.
  private func storedTileDamage(_ tile: Tile) -> Derivation.TileDamage? {
    guard case .hashes(let level) = tile.path.level else { return nil }
    let name = tile.path.description
    func damage(
      _ column: Int, _ kind: LogReport.Finding.Kind, unreadable: Bool = false
    ) -> Derivation.TileDamage {
      let index = (tile.path.number * 256 + Int64(column)) << Int64(8 * level)
      return Derivation.TileDamage(
        path: tile.path, index: index, kind: kind, isUnreadable: unreadable)
    }
    do {
      let expected = tile.encoded
      guard let stored = try pinned[name] ?? reader.read(name, limit: TilePath.fullWidth * 32)
      else { return damage(0, .removed) }
      if stored == expected { return nil }
      let same = zip(stored, expected).prefix { $0 == $1 }.count
      return damage(min(same / 32, tile.path.width - 1), .edited)
    } catch let error as AuditError where error.code == .malformed {
      return damage(0, .edited)
    } catch {
      return damage(0, .edited, unreadable: true)
    }
  }

  // MARK: Conclusion

  private func conclude(_ head: LogHead) {
    let tiles = byTiles ?? byEntries
    let entriesHold = byEntries.isWhole && byEntries.frontier.root == head.root
    let tilesHold = tiles.isWhole && tiles.frontier.root == head.root
    if entriesHold {
      concludeFromEntries()
      checkWanted()
    } else if tilesHold {
      concludeBesideTiles(head)
      if let damage = tiles.tileDamage { find(damage) }
    } else if byEntries.isWhole || byEntries.frontier.size >= leftEdge.firstIndex {
      concludeByChain(head)
    }
    let authority = entriesHold ? byEntries : tilesHold ? tiles : nil
    if let authority, let contradiction = authority.contradiction {
      find(contradiction, sharing: authority.matchBeforeContradiction, head: head)
    } else if authority == nil {
      // Two heads of one size and different roots are a fork, whatever lies in the folder.
      for anchor in anchors where anchor.size == head.size && anchor.root != head.root {
        find(.init(head: anchor, source: .anchor), sharing: 0, head: head)
      }
    }
    if let anchor = anchors.last, anchor.size > head.size {
      find(
        .init(
          .behindAnchor, index: head.size,
          "your anchor has \(anchor.size) entries, the log \(head.size)"))
    }
    confirmed = authority?.lastAnchorMatch ?? 0
    concludeHistory()
    if entriesHold {
      lastTime = time(ofEntry: size - 1)
      anchoredTime = time(ofEntry: confirmed - 1)
    }
  }

  /// The entries are what was signed: only what lies beside them can be wrong.
  private func concludeFromEntries() {
    if let divergence {
      let path = "tile/0" + "\(divergence.report.path)".dropFirst("tile/entries".count)
      switch divergence.report.tile {
      case .matching, .unreadable: break
      case .missing:
        find(.init(.altered, kind: .removed, index: divergence.index, path: path, "it is missing"))
      case .malformed, .other:
        find(
          .init(
            .altered, kind: .edited, index: divergence.index, path: path,
            "it does not hold the hashes of the entries that were signed"))
      }
    }
    if let damage = byEntries.tileDamage { find(damage) }
    if let surplus {
      find(
        .init(
          .altered, kind: .inserted, index: surplus.index, path: "\(surplus.path)",
          "bytes follow the entries that were signed"))
    }
    if let nonCanonical {
      find(
        .init(
          .altered, kind: .nonCanonical, index: nonCanonical,
          "it was signed, but is not an entry in the one spelling"))
    }
    if let chainBreak {
      let (kind, index) = window(around: chainBreak.index).kindByChain(chainBreak)
      find(.init(.altered, kind: kind, index: index, "the chain of idx and prev breaks"))
    }
  }

  /// The tiles are what was signed, the entries are not.
  private func concludeBesideTiles(_ head: LogHead) {
    guard let divergence else { return }
    if case .unreadable = divergence.report.entries { return }
    let path = "\(divergence.report.path)"
    let index = divergence.index
    if isCutTail(at: index, divergence.report) {
      find(
        .init(
          .truncated, index: index, path: path,
          "entries are missing from here up to \(head.size), which the log's head covers"))
    } else if case .misframed = divergence.report.entries,
      index == divergence.report.start + Int64(divergence.report.found.count)
    {
      find(.init(.altered, kind: .edited, index: index, path: path, "its length was changed"))
    } else {
      let kind = window(around: index).kindBesideTiles(at: index)
      find(
        .init(.altered, kind: kind, index: index, path: path, "it is not the entry that was signed")
      )
    }
  }

  /// Neither entries nor tiles are what was signed.
  private func concludeByChain(_ head: LogHead) {
    if let chainBreak {
      let (kind, index) = window(around: chainBreak.index).kindByChain(chainBreak)
      find(.init(.altered, kind: kind, index: index, "the chain of idx and prev breaks"))
    } else if let nonCanonical {
      find(.init(.altered, kind: .edited, index: nonCanonical, "it is not an entry"))
    } else if let divergence {
      if isCutTail(at: divergence.index, divergence.report) {
        find(
          .init(
            .truncated, index: divergence.index, path: "\(divergence.report.path)",
            "entries are missing from here up to \(head.size), which the log's head covers"))
      } else if case .unreadable = divergence.report.entries {
        return
      } else {
        find(
          .init(
            .altered, kind: .edited, index: divergence.index, path: "\(divergence.report.path)",
            "entry and tile differ, and neither leads to the signed root"))
      }
    } else {
      // The heads of the history say between which sizes the damage begins.
      let contradiction = byEntries.contradiction
      let first =
        contradiction == nil ? byEntries.lastMatch : byEntries.matchBeforeContradiction
      let last = (contradiction?.head.size ?? head.size) - 1
      find(
        .init(
          .altered, kind: .edited, index: first, through: last,
          "entries and tiles agree, but do not lead to the signed root"))
    }
  }

  /// Whether the entries simply end at `index`, with nothing after it.
  private func isCutTail(at index: Int64, _ report: BundleReport) -> Bool {
    switch report.entries {
    case .missing, .short: break
    case .whole, .misframed, .long, .unreadable: return false
    }
    return index == report.start + Int64(report.found.count) && lastPresent <= report.path.number
  }

  private func concludeHistory() {
    while history?.peek(signers: signers, upTo: size, findings: &findings) != nil {
      history?.drop()
    }
    // Publishing puts a head into the history before it becomes the checkpoint.
    guard let history, !history.isDamaged, !history.holdsSought else { return }
    find(
      .init(
        .altered, kind: .removed, path: HistoryReader.folder,
        "the history does not hold the log's own head"))
  }

  private func window(around index: Int64) -> DamageWindow {
    DamageWindow(around: index, size: size) { [pinned, reader] in
      Self.content($0, pinned, reader)
    }
  }

  /// What a tile or bundle holds; nil for one that cannot be read, which has its own finding.
  func content(_ path: TilePath) -> [UInt8]? { Self.content(path, pinned, reader) }

  private static func content(
    _ path: TilePath, _ pinned: [String: [UInt8]], _ reader: any LogFolderReader
  ) -> [UInt8]? {
    let name = path.description
    return pinned[name] ?? (try? reader.read(name, limit: EntryBundle.maximumByteCount)) ?? nil
  }

  // MARK: Report

  func find(_ finding: LogReport.Finding) {
    // A failing disk may refuse every file; each other finding there is once.
    if finding.verdict != .unreadable || findings.count < 1000 { findings.append(finding) }
  }

  private func find(_ damage: Derivation.TileDamage) {
    if damage.isUnreadable {
      find(
        .init(.unreadable, index: damage.index, path: "\(damage.path)", "it could not be read"))
    } else {
      find(
        .init(
          .altered, kind: damage.kind, index: damage.index, path: "\(damage.path)",
          "it is not the tile of the entries that were signed"))
    }
  }

  /// Reports a head that the tree contradicts, though they share the first `shared` entries.
  private func find(_ claim: Derivation.Claim, sharing shared: Int64, head: LogHead) {
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

  private func time(ofEntry index: Int64) -> Timestamp? {
    guard verifier.format == .callVault, let path = TilePath.bundle(index / 256, inLogOf: size),
      let bytes = content(path)
    else { return nil }
    let ranges = EntryBundle.ranges(bytes)
    let offset = Int(index % 256)
    guard index >= 0, offset < ranges.count else { return nil }
    return EntryFrame(Array(bytes[ranges[offset]]))?.time.map { Timestamp(milliseconds: $0) }
  }

  private func checkAge() {
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
      lastTime: lastTime,
      findings: ordered.prefix(LogReport.maximumFindings).map(\.element), notes: notes,
      evidence: evidence)
  }
}
