import Cryptography
import Encoding
public import Threading

/// The log of one tenant: who did what, in an order and a number that nobody can change unseen.
///
/// ``record(_:)`` returns when the entry is durable and covered by a signed head. Callers are
/// batched: whoever finds nobody at work becomes the one who appends everything that waits, with
/// one write and one sync, while the next batch gathers. A failed append ends the log until it is
/// opened again: it throws ``AuditError/Code/unavailable`` from then on, so that nothing is released
/// that is not recorded. Formats: `Documentation/formats/audit-log.md` and `journal.md`.
public actor AuditLog {
  public nonisolated let configuration: LogConfiguration
  /// What checks the log's heads.
  public nonisolated let verifierKey: VerifierKey
  /// Intents that a crash left without an outcome, in order of index.
  ///
  /// Whoever knows what they were for closes each with ``OpenIntent/recovery(_:because:by:about:)``.
  public nonisolated let unfinishedIntents: [OpenIntent]

  let store: any LogStore
  let signer: NoteSigner
  private let sealer: any OpeningSealer
  private let ledger: any SubjectLedger
  let clock: any WallClock
  /// Nil for a log without epochs.
  let epochKeys: (any EpochKeys)?

  // The sequencer runs ahead of the disk; `head` is what is durable.
  private var sequencer: Sequencer
  private var counts: SubjectCounts
  private var head: SignedHead
  private(set) var openIntents: OpenIntents
  /// Where the log begins, if it was pruned.
  var minimum: MinimumIndex?
  /// The first index that is left once everything below it is known to be gone.
  var prunedBelow: Int64?
  var epochs: EpochSuccession
  private let continuation: LogContinuation?
  /// What `log/keyring` holds.
  private var publishedKeyring: Keyring?
  var isRotating = false
  /// The number of the epoch whose key alone is known to be left.
  var wipedBut: Int64?
  private var lastCommit = ContinuousClock.now

  // Callers whose entries are in the sequencer's batch, and whether somebody appends.
  private var waiting: [CheckedContinuation<Turn, Never>] = []
  private var isCommitting = false
  /// Says that something is staged for which nobody waits, while nobody appends.
  private let unattended = AsyncStream.makeStream(
    of: Void.self, bufferingPolicy: .bufferingNewest(1))
  private var failure: AuditError?
  private var isClosed = false

  private var published: PublishedEdge
  private(set) var publishedNote: [UInt8]?
  private var unpublished: [UnpublishedEntry]
  private var unpublishedLength: Int
  private var isPublishing = false
  private var waitingForPublishing: [CheckedContinuation<Void, Never>] = []
  /// What failed the last time it was tried, of the work that nobody waits for.
  private var upkeepFailures: [LogUpkeep: any Error] = [:]

  // Where the growing and the oldest piece of the journal begin.
  private var segment: Int64
  /// Bytes in the growing piece, those being appended included.
  private var segmentLength = 0
  /// Bytes that the growing piece has room for.
  private var reserved: Int
  private var oldestSegment: Int64

  private var refusals: RefusalAggregates

  /// What a waiting caller is woken for.
  private enum Turn {
    /// Its entry is durable.
    case committed
    /// Its entry is still waiting, and it is its turn to append the batch.
    case commit
    case failed
  }

  // MARK: Opening

  /// Opens the log, or begins it with its genesis entry.
  ///
  /// What no signed head covers is cut, and counted in the entry that says that the log was opened;
  /// subjects are counted on from what the ledger holds.
  ///
  /// - Parameters:
  ///   - configuration: its origin is the signer's name.
  ///   - store: nobody else writes to it.
  ///   - signer: the stable log key.
  ///   - openings: seals what commitments stand for.
  ///   - subjects: the catalog's counts.
  ///   - clock: gives each entry its time.
  ///   - epochKeys: the keys that sign beside the log's; nil for a log without a root key.
  ///   - anchors: heads of this log that are kept outside it, compared before anything is written.
  ///   - continuation: what a new log says of the one that it goes on for; nothing is done with it in a
  ///     log that has entries.
  /// - Returns: the log, which commits from now on; ``run()`` publishes it.
  /// - Throws: ``AuditError/Code/damaged`` or ``AuditError/Code/notAuthentic`` if what is stored is
  ///   not what was written, ``AuditError/Code/inconsistent`` if the ledger counts to a place that
  ///   this log does not have, ``AuditError/Code/behindAnchor`` or ``AuditError/Code/forked`` if an
  ///   anchor contradicts it, ``AuditError/Code/unavailable`` if it cannot be read or written.
  public static func open(
    _ configuration: LogConfiguration, store: any LogStore, signer: consuming NoteSigner,
    openings: any OpeningSealer, subjects: any SubjectLedger, clock: any WallClock,
    epochs epochKeys: (any EpochKeys)? = nil,
    anchors: [VerifiedCheckpoint] = [], continuing continuation: LogContinuation? = nil
  ) async throws(AuditError) -> AuditLog {
    guard signer.verifierKey.name == configuration.origin else {
      throw AuditError(.invalidDraft, during: "opening a log under another name than its key's")
    }
    let recovery = try await LogRecovery(from: store, key: signer.verifierKey)
    try await recovery.compare(with: anchors, in: store)
    let history = LogHistory(recovery, store: store)
    let minimum = try await minimum(in: store, key: signer.verifierKey)
    let intents = try await history.openIntents(from: minimum?.index ?? 0)
    let counts = try await history.counts(since: subjects)
    let last = try await history.last()
    if let last { clock.hasPassed(last.time.milliseconds) }

    let keyring = try await store.reading { store in try await store.published(Keyring.path) }
    var epochs = EpochSuccession(keyring: nil, live: nil)
    if let epochKeys {
      epochs = try await EpochSuccession(
        published: keyring, journal: recovery.epochs, lastNote: recovery.publishedNote,
        logKey: signer.verifierKey, keys: epochKeys)
      if epochs.live == nil {
        try await prepareEpoch(
          &epochs, keys: epochKeys, origin: configuration.origin, at: clock.read().milliseconds)
      }
    }
    let head = SignedHead(
      size: recovery.size,
      note: try sign(
        recovery.sequencer, with: signer, and: epochs.signers(introducing: false),
        origin: configuration.origin),
      last: recovery.sequencer.last)
    do {
      // A piece that a crash ended is never appended to.
      try await store.beginJournal(
        at: head.size, with: head.size > 0 ? head.frame : [], reserving: configuration.pieceLength)
    } catch let error as AuditError {
      throw error
    } catch {
      throw AuditError(.unavailable, during: "beginning a piece of the journal", cause: error)
    }
    let log = AuditLog(
      configuration, store: store, signer: signer, sealer: openings, ledger: subjects,
      clock: clock, epochKeys: epochKeys, epochs: epochs, recovery: recovery, head: head,
      intents: intents, counts: counts,
      minimum: minimum, unfinished: try intents.list(), continuation: continuation)
    try await log.begin(after: recovery.cut, cleanStop: last?.action == .logStop)
    return log
  }

  static func minimum(
    in store: any LogStore, key: VerifierKey
  ) async throws(AuditError) -> MinimumIndex? {
    let bytes = try await store.reading { store in try await store.published(MinimumIndex.path) }
    return try bytes.map { bytes throws(AuditError) in try MinimumIndex(parsing: bytes, key: key) }
  }

  private init(
    _ configuration: LogConfiguration, store: any LogStore, signer: consuming NoteSigner,
    sealer: any OpeningSealer, ledger: any SubjectLedger, clock: any WallClock,
    epochKeys: (any EpochKeys)?, epochs: EpochSuccession, recovery: LogRecovery, head: SignedHead,
    intents: OpenIntents, counts: SubjectCounts, minimum: MinimumIndex?,
    unfinished: [OpenIntent], continuation: LogContinuation?
  ) {
    self.configuration = configuration
    verifierKey = signer.verifierKey
    unfinishedIntents = unfinished
    self.store = store
    self.signer = signer
    self.sealer = sealer
    self.ledger = ledger
    self.clock = clock
    self.epochKeys = epochKeys
    self.epochs = epochs
    sequencer = recovery.sequencer
    self.counts = counts
    self.head = head
    openIntents = intents
    refusals = RefusalAggregates(window: configuration.refusalWindow)
    self.minimum = minimum
    self.continuation = continuation
    published = recovery.published
    publishedNote = recovery.publishedNote
    unpublished = recovery.unpublished
    unpublishedLength = recovery.unpublished.reduce(0) { $0 + $1.bytes.count }
    segment = head.size
    reserved = configuration.pieceLength
    oldestSegment = min(recovery.firstSegment, head.size)
  }

  /// Who acts when the program does something by itself.
  public nonisolated var system: Actor {
    Actor(id: configuration.tenant, kind: .system, method: .internal, strength: 0)
  }

  /// Records the genesis of a new log, and the start.
  private func begin(
    after cut: LogRecovery.CutTail?, cleanStop: Bool
  ) async throws(AuditError) {
    if head.size == 0 {
      if epochs.next == nil {
        _ = try await append(genesis)
      } else {
        // It introduces the first epoch.
        try await settle()
      }
    }
    var start = EntryDraft(.logStart, .single, by: system, on: [configuration.tenant])
    if let cut {
      start.flags.insert(.tailCut)
      start.digest = cut.digest
      start.length = Int64(cut.length)
      if let first = cut.entries.first, let last = cut.entries.last {
        start.count = Int64(cut.entries.count)
        start.first = first.time
        start.last = last.time
      }
    }
    // Counted refusals live in memory for up to a second: without a stop some may be missing.
    if head.size > 1, !cleanStop { start.flags.insert(.uncleanStop) }
    _ = try await append(start)
    // What it fails for keeps no log from its work; it is tried again while the log runs.
    await attempt(.epochs) { try await self.takeUpCertification() }
  }

  private var genesis: EntryDraft {
    var genesis = EntryDraft(.logGenesis, .single, by: system, on: [configuration.tenant])
    genesis.commits = [
      .origin: Array(configuration.origin.utf8), .key: Array(verifierKey.description.utf8),
    ]
    continuation?.fill(&genesis)
    return genesis
  }

  // MARK: Recording

  /// Records an entry; returns when it is durable and covered by a signed head.
  ///
  /// - Throws: ``AuditError/Code/invalidDraft`` if the draft breaks a rule, with nothing recorded;
  ///   ``AuditError/Code/unavailable`` if the log cannot commit, and ``AuditError/Code/noSpace`` if
  ///   it cannot until the volume has room: whatever the entry was for must not happen.
  public nonisolated func record(_ draft: EntryDraft) async throws(AuditError) -> Receipt {
    try await append(try prepare(draft), closing: false)
  }

  /// Records what became of an intent, without waiting for the disk.
  ///
  /// For outcomes of what has happened already: the entry has its place when this returns, comes
  /// before every entry recorded later, and is appended with the next one or within
  /// ``LogConfiguration/outcomeDelay`` while ``run()`` runs. A crash in between leaves the intent
  /// open, as a crash before the call does.
  ///
  /// - Precondition: the draft is an outcome; an intent must be durable before anything follows it.
  /// - Throws: as ``record(_:)``, as far as it is known by then.
  public nonisolated func conclude(_ draft: EntryDraft) async throws(AuditError) {
    precondition(draft.phase == .outcome, "only what has happened may be recorded later")
    try await leave(try prepare(draft))
  }

  /// Gives an entry its place, and leaves it to be appended.
  private func leave(_ prepared: PreparedDraft) async throws(AuditError) {
    _ = try await place(prepared, closing: false)
    if !isCommitting { unattended.continuation.yield() }
  }

  private func append(_ draft: EntryDraft, closing: Bool = false) async throws(AuditError)
    -> Receipt
  {
    try await append(try prepare(draft), closing: closing)
  }

  /// Hashes and seals what a draft commits to, where the caller runs.
  private nonisolated func prepare(_ draft: EntryDraft) throws(AuditError) -> PreparedDraft {
    try PreparedDraft(
      draft, sealedBy: sealer, at: Timestamp(milliseconds: clock.read().milliseconds))
  }

  private func append(_ prepared: PreparedDraft, closing: Bool) async throws(AuditError)
    -> Receipt
  {
    let staged = try await place(prepared, closing: closing)
    try await settle()
    let entry = staged.entry
    return Receipt(
      position: staged.position, entryID: entry.id, time: entry.time, action: entry.action,
      phase: entry.phase, outcome: entry.outcome, principal: entry.actor.id,
      objects: entry.objects, parts: entry.parts, batch: entry.batch)
  }

  /// Stages an entry as soon as its subjects' counts are known and the journal has room for it.
  private func place(
    _ prepared: PreparedDraft, closing: Bool
  ) async throws(AuditError) -> StagedEntry {
    let draft = prepared.draft
    try checkOpen(closing: closing)
    // Each wait may be long, and others go on meanwhile: all is asked again after it.
    while true {
      if let subject = draft.subjects.first(where: { counts.count(of: $0.id) == nil }) {
        try await learnCount(of: subject.id)
      } else if let length = lackingRoom(for: draft) {
        try await reserve(length)
      } else {
        return try stage(prepared)
      }
      try checkOpen(closing: closing)
    }
  }

  private func checkOpen(closing: Bool) throws(AuditError) {
    if let failure { throw failure }
    guard !isClosed || closing else {
      throw AuditError(.unavailable, during: "recording in a log that was closed")
    }
    // A log that cannot publish must not take all memory either.
    guard unpublishedLength < configuration.unpublishedLimit else {
      throw AuditError(.unavailable, during: "recording while publishing is far behind")
    }
  }

  /// How many bytes the growing piece must have room for before this entry may be staged; nil if it
  /// has.
  private func lackingRoom(for draft: EntryDraft) -> Int? {
    let length =
      segmentLength + sequencer.batch.frames.count + LogConfiguration.largestAppend
      + draft.margin(of: configuration.journalReserve)
    return length > reserved ? length : nil
  }

  /// Makes room in the growing piece.
  ///
  /// A full volume is met here, where it refuses one caller: an append that fails ends the log,
  /// because what the disk holds then nobody knows.
  ///
  /// - Throws: ``AuditError/Code/noSpace``.
  private func reserve(_ length: Int) async throws(AuditError) {
    let piece = segment
    do {
      try await store.reserveJournal(length)
    } catch {
      let failure =
        error as? AuditError
        ?? AuditError(.unavailable, during: "making room in the journal", cause: error)
      upkeepFailures[.room] = failure
      throw failure
    }
    upkeepFailures[.room] = nil
    if piece == segment { reserved = max(reserved, length) }
  }

  /// Asks for room again after there was none, so that ``status`` tells when there is.
  private func regainRoom() async throws(AuditError) {
    guard upkeepFailures[.room] != nil else { return }
    try await reserve(
      segmentLength + LogConfiguration.largestAppend + configuration.journalReserve)
  }

  /// Asks the ledger for the number of a subject's last tag.
  private func learnCount(of subject: Identifier) async throws(AuditError) {
    let generation = counts.generation
    let count: Int64
    do {
      count = try await ledger.countedEntries(of: subject)
    } catch {
      throw AuditError(.unavailable, during: "asking for a subject's count", cause: error)
    }
    // Counts that went to the ledger meanwhile may be missing in the answer.
    if counts.generation == generation { counts.learn(count, of: subject) }
  }

  /// Gives the entry its place, its time and its tags.
  ///
  /// Waits for nothing, so no other entry comes in between.
  private func stage(_ prepared: PreparedDraft) throws(AuditError) -> StagedEntry {
    let draft = prepared.draft
    let reading = clock.read()
    var entry = Entry(
      index: 0, previous: sequencer.last, time: Timestamp(milliseconds: reading.milliseconds),
      clock: ClockState(rawValue: reading.state.rawValue) ?? .unsynced, id: draft.id,
      action: draft.action, phase: draft.phase, actor: draft.actor, node: configuration.node,
      software: configuration.software, entryClass: draft.entryClass)
    draft.fill(&entry)
    entry.commits = prepared.commits

    guard Set(draft.subjects.map(\.id)).count == draft.subjects.count else {
      throw AuditError(.invalidDraft, during: "tagging a subject twice in one entry")
    }
    var numbers: [(Identifier, Int64)] = []
    do throws(AuditError) {
      for subject in draft.subjects {
        let number = counts.next(subject.id)
        numbers.append((subject.id, number))
        entry.subjects.append(try subject.tag(number, in: configuration.origin))
      }
      return try sequencer.stage(entry, openings: prepared.openings, counts: numbers)
    } catch {
      counts.takeBack(numbers)
      throw error
    }
  }

  /// Returns when what was staged last is durable.
  func settle() async throws(AuditError) {
    // What was staged when an append failed is gone: whatever followed would leave a gap.
    if let failure { throw failure }
    var turn = Turn.commit
    if isCommitting {
      turn = await withCheckedContinuation { waiting.append($0) }
    } else {
      isCommitting = true
    }
    if turn == .commit { turn = await commit() }
    if turn == .failed {
      throw failure ?? AuditError(.unavailable, during: "committing to the log")
    }
  }

  /// Returns when everything that has its place is durable, or when the log has failed, which its
  /// status and everybody who records hear of.
  private func settleIfPossible() async {
    guard failure == nil, sequencer.size > head.size else { return }
    do { try await settle() } catch { return }
  }

  /// Appends what nobody waits for, unless another entry's append takes it along first.
  ///
  /// Ends when it is cancelled; the entry that says that the log stopped takes the rest along.
  private func settleUnattended() async {
    for await _ in unattended.stream {
      do {
        try await Task.sleep(for: configuration.outcomeDelay)
      } catch {
        return
      }
      await settleIfPossible()
    }
  }

  /// Appends everything staged, with the head that covers it, and wakes whose entries it were.
  private func commit() async -> Turn {
    let callers = waiting
    waiting = []
    do {
      try await appendBatch()
    } catch {
      // What the journal holds now nobody knows: only reading it again will tell.
      failure = AuditError(.unavailable, during: "appending to the journal", cause: error)
      for caller in callers + waiting { caller.resume(returning: .failed) }
      waiting = []
      isCommitting = false
      return .failed
    }
    for caller in callers { caller.resume(returning: .committed) }
    if waiting.isEmpty {
      isCommitting = false
      if sequencer.size > head.size { unattended.continuation.yield() }
    } else {
      waiting.removeFirst().resume(returning: .commit)
    }
    return .committed
  }

  private func appendBatch() async throws {
    let introduction = try introduceEpoch()
    let batch = sequencer.takeBatch()
    // Somebody waited for no more than the append before this one.
    guard !batch.entries.isEmpty else { return }
    let next = SignedHead(
      size: sequencer.size,
      note: try Self.sign(
        sequencer, with: signer, and: epochs.signers(introducing: introduction != nil),
        origin: configuration.origin),
      last: sequencer.last)
    var bytes = batch.frames
    if let introduction { JournalFrame.append(.epoch, introduction.encoded, to: &bytes) }
    bytes.append(contentsOf: next.frame)
    if segmentLength >= configuration.journalSegmentLength { try await turnJournalIfThereIsRoom() }
    segmentLength += bytes.count
    if segmentLength > reserved { try await reserve(segmentLength) }
    try await store.append(bytes, from: head.size, to: next.size)
    head = next
    lastCommit = .now
    for staged in batch.entries {
      counts.commit(staged.counts)
      openIntents.apply(staged.entry, bytes: staged.bytes)
      unpublished.append(
        UnpublishedEntry(
          bytes: staged.bytes, leafHash: staged.leafHash, openings: staged.openings))
      unpublishedLength += staged.bytes.count
    }
    // Last: if it throws, the log fails, and what is durable is still published.
    if let introduction { try epochs.succeed(by: introduction, logKey: verifierKey) }
  }

  /// Stages the entry that introduces the epoch that waits, last in its batch: the head of exactly
  /// that size is the last that the old epoch signs, and the first of the new one.
  private func introduceEpoch() throws(AuditError) -> SignedNote? {
    guard let note = try epochs.introduction(after: sequencer.edge, logSigner: signer) else {
      return nil
    }
    var draft = EntryDraft(
      epochs.live == nil ? .keyCreate : .keyRotate, .single, by: system, on: [configuration.tenant])
    if sequencer.size == 0 { draft = genesis }
    draft.digest = SHA256.hash(note.text)
    draft.length = Int64(note.text.count)
    _ = try stage(try prepare(draft))
    return note
  }

  /// Begins a new piece of the journal, while nothing is being appended.
  private func turnJournal() async throws {
    try await store.beginJournal(
      at: head.size, with: head.frame, reserving: configuration.pieceLength)
    segment = head.size
    segmentLength = head.frame.count
    reserved = configuration.pieceLength
  }

  /// Begins a new piece, or goes on with the old one for as long as the volume is full.
  private func turnJournalIfThereIsRoom() async throws {
    guard upkeepFailures[.room] == nil else { return }
    do {
      try await turnJournal()
    } catch let error as AuditError where error.code == .noSpace {
      upkeepFailures[.room] = error
    }
  }

  private static func sign(
    _ sequencer: Sequencer, with signer: borrowing NoteSigner, and epochs: [EpochSigner],
    origin: String
  ) throws(AuditError) -> [UInt8] {
    guard
      let checkpoint = Checkpoint(
        origin: origin, size: sequencer.size, root: sequencer.edge.root)
    else { throw AuditError(.invalidDraft, during: "naming the log") }
    var lines: [SignedNote.Signature] = []
    for epoch in epochs { lines += try epoch.lines(over: checkpoint.text) }
    return try signer.sign(checkpoint).adding(lines).encoded
  }

  /// Records a refused caller whom nobody knows: at once, or counted with others like it.
  ///
  /// The first 10 from one network and for one reason within a window are entries of their own, and
  /// so is every one that names something known. The others become entries that say how many there
  /// were, durable within a second while ``run()`` runs.
  ///
  /// - Throws: as ``record(_:)``.
  public func recordRefusal(_ refusal: Refusal) async throws(AuditError) {
    try checkOpen(closing: false)
    let time = Timestamp(milliseconds: clock.read().milliseconds)
    if let draft = refusals.take(refusal, at: time, now: .now) { _ = try await append(draft) }
  }

  private func flushRefusals(closing: Bool = false) async throws(AuditError) {
    var drafts = refusals.flush()[...]
    while let draft = drafts.popFirst() {
      do {
        _ = try await append(draft, closing: closing)
      } catch {
        for draft in [draft] + drafts { refusals.restore(draft) }
        throw error
      }
    }
  }

  // MARK: Publishing

  /// Publishes what is durable; returns when the published checkpoint covers everything that was
  /// recorded before the call.
  ///
  /// - Throws: ``AuditError/Code/unavailable`` if the store cannot; it may be tried again.
  public func publish() async throws(AuditError) {
    await settleIfPossible()
    let target = head.size
    while published.size < target {
      if isPublishing {
        await withCheckedContinuation { waitingForPublishing.append($0) }
      } else {
        isPublishing = true
        defer {
          isPublishing = false
          for caller in waitingForPublishing { caller.resume() }
          waitingForPublishing = []
        }
        try await publishOnce()
      }
    }
  }

  private func publishOnce() async throws(AuditError) {
    let (head, keyring) = (head, epochs.keyring)
    let entries = unpublished.prefix(Int(head.size - published.size))
    let (edge, made) = try await Self.publication(of: entries, after: published)
    var publication = made
    let month = Timestamp(milliseconds: clock.read().milliseconds).rfc3339.prefix(7)
    publication.history = "checkpoints/\(month)"
    publication.checkpoint = head.note
    if keyring != publishedKeyring { publication.keyring = keyring?.encoded }
    do {
      try await store.publish(publication)
    } catch {
      upkeepFailures[.publishing] = error
      throw AuditError(.unavailable, during: "publishing the log", cause: error)
    }
    upkeepFailures[.publishing] = nil
    published = edge
    publishedNote = head.note
    publishedKeyring = keyring
    unpublishedLength -= entries.reduce(0) { $0 + $1.bytes.count }
    unpublished.removeFirst(entries.count)
  }

  /// Makes the tiles and bundles of a second's entries: many milliseconds in which callers need
  /// not wait.
  @concurrent private static func publication(
    of entries: ArraySlice<UnpublishedEntry>, after published: PublishedEdge
  ) async throws(AuditError) -> (PublishedEdge, Publication) {
    var edge = published
    let publication = try edge.add(entries)
    return (edge, publication)
  }

  /// Removes pieces of the journal that no start needs any more.
  private func releaseJournal() async throws {
    let segment = segment
    guard oldestSegment < segment, published.size >= segment else { return }
    let snapshot = Snapshot(position: head.position, intents: openIntents).encoded
    try await store.saveSnapshot(snapshot)
    try await storeCounts()
    try await store.removeJournal(beginningBefore: segment)
    oldestSegment = segment
  }

  private func storeCounts() async throws {
    guard let position = head.position else { return }
    // Read together with the place: entries that become durable while the ledger stores are counted
    // next time.
    let durable = counts.durable
    try await ledger.storeCounts(durable, through: position)
    counts.stored(durable)
  }

  // MARK: Running

  /// Publishes, beats and counts until the task is cancelled; then records the stop, publishes
  /// everything and closes the log.
  public func run() async {
    let configuration = configuration
    await withTaskGroup(of: Void.self) { group in
      group.addTask { await self.settleUnattended() }
      group.addTask {
        await self.repeatedly(.refusals, every: configuration.aggregateInterval) {
          try await self.flushRefusals()
        }
      }
      group.addTask {
        await self.repeatedly(.publishing, every: configuration.publishInterval) {
          try await self.publish()
          await self.attempt(.journal) { try await self.releaseJournal() }
        }
      }
      group.addTask {
        let pace = min(configuration.heartbeatInterval, .seconds(1))
        await self.repeatedly(.room, every: pace) { try await self.regainRoom() }
      }
      group.addTask {
        let pace = min(configuration.heartbeatInterval, .seconds(1))
        await self.repeatedly(.heartbeat, every: pace) { try await self.beatIfIdle() }
      }
      group.addTask {
        let pace = min(configuration.epochLength, .seconds(60))
        await self.repeatedly(.epochs, every: pace) { try await self.keepEpochs() }
      }
      group.addTask {
        await self.repeatedly(.pruning, every: .seconds(60)) { try await self.finishPruning() }
      }
      group.addTask {
        await self.repeatedly(.partials, every: configuration.partialGrace) {
          try await self.removeSupersededPartials()
        }
      }
    }
    await close()
  }

  /// Runs until cancelled.
  ///
  /// What fails is kept in ``status`` by what failed, and tried again.
  private nonisolated func repeatedly(
    _ upkeep: LogUpkeep, every interval: Duration, _ step: () async throws -> Void
  ) async {
    while !Task.isCancelled {
      await attempt(upkeep, step)
      do {
        try await Task.sleep(for: interval)
      } catch {
        return
      }
    }
  }

  /// Tries once, and keeps what came of it.
  private nonisolated func attempt(
    _ upkeep: LogUpkeep, _ step: () async throws -> Void
  ) async {
    do {
      try await step()
      await note(upkeep, nil)
    } catch {
      await note(upkeep, error)
    }
  }

  private func note(_ upkeep: LogUpkeep, _ failure: (any Error)?) {
    upkeepFailures[upkeep] = failure
  }

  private func beatIfIdle() async throws {
    guard ContinuousClock.now - lastCommit >= configuration.heartbeatInterval else { return }
    _ = try await append(EntryDraft(.logHeartbeat, .single, by: system))
  }

  private func removeSupersededPartials() async throws {
    try await store.removeSupersededPartials(below: published.size)
  }

  private func close() async {
    guard !isClosed else { return }
    isClosed = true
    do {
      try await flushRefusals(closing: true)
      _ = try await append(EntryDraft(.logStop, .single, by: system), closing: true)
      try await publish()
      // Leaves the next start nothing to read.
      try await turnJournal()
      try await releaseJournal()
    } catch {
      // Nothing is lost: the next start reads the journal as after a crash, and says so.
      upkeepFailures[.stop] = error
    }
  }

  // MARK: State

  /// The size and the signed note of the log as it is durable.
  public var durableHead: (size: Int64, note: [UInt8]) { (head.size, head.note) }

  /// The first entry that was not pruned; 0 where none was.
  public var firstIndex: Int64 { minimum?.index ?? 0 }

  /// How the log is doing.
  public var status: LogStatus {
    LogStatus(
      size: head.size, publishedSize: published.size, unpublishedLength: unpublishedLength,
      openIntents: openIntents.count, failure: failure,
      isFull: unpublishedLength >= configuration.unpublishedLimit, upkeepFailures: upkeepFailures,
      epoch: epochs.live?.number, isEpochCertified: epochs.isCertified)
  }

  /// What can be read: everything that had its place before the call, unless the log has failed.
  func readable() async -> LogReader {
    await settleIfPossible()
    return LogReader(
      store: store, minimum: minimum?.index ?? 0, publishedSize: published.size,
      publishedNote: publishedNote,
      tail: unpublished)
  }

  nonisolated var openingSealer: any OpeningSealer { sealer }

  /// The published keyring; nil for a log without epochs.
  ///
  /// - Throws: ``AuditError/Code/unavailable`` when the store cannot be read.
  public nonisolated func publishedKeyring() async throws(AuditError) -> [UInt8]? {
    try await store.reading { store in try await store.published(Keyring.path) }
  }

  /// The signed note of where a pruned log begins; nil for one that was not pruned.
  ///
  /// - Throws: ``AuditError/Code/unavailable`` when the store cannot be read.
  public nonisolated func publishedMinimum() async throws(AuditError) -> [UInt8]? {
    try await store.reading { store in try await store.published(MinimumIndex.path) }
  }

  /// What a log that a recovery began says of the one before it, signed; nil for a first log.
  ///
  /// - Throws: ``AuditError/Code/unavailable`` when the store cannot be read.
  public nonisolated func publishedRecovery() async throws(AuditError) -> [UInt8]? {
    try await store.reading { store in try await store.published(RecoveryNote.path) }
  }

  nonisolated func publishedFile(_ path: TilePath) async throws(AuditError) -> [UInt8]? {
    try await store.reading { store in try await store.published(path.description) }
  }

  nonisolated func storedHistoryMonths() async throws(AuditError) -> [String] {
    try await store.reading { store in try await store.historyMonths() }
  }

  nonisolated func storedHistory(
    of month: String, from offset: Int64, count: Int
  ) async throws(AuditError) -> [UInt8]? {
    try await store.reading { store in
      try await store.history(of: month, from: offset, count: count)
    }
  }
}

/// How a log is doing, for health checks and metrics.
public struct LogStatus: Sendable {
  /// Entries that are durable.
  public let size: Int64
  /// Entries that the published checkpoint covers.
  public let publishedSize: Int64
  /// Bytes of entries that wait for publishing.
  public let unpublishedLength: Int
  public let openIntents: Int
  /// Why the log takes no entries any more; nil while it does.
  public let failure: AuditError?
  /// Whether publishing is so far behind that no more entries are taken until it goes on.
  public let isFull: Bool
  /// Why work that nobody waits for failed the last time it was tried; what succeeded is not here.
  public let upkeepFailures: [LogUpkeep: any Error]
  /// The epoch that signs beside the log's key; nil for a log without a root key.
  public let epoch: Int64?
  /// Whether the root vouches for it; nil likewise.
  public let isEpochCertified: Bool?
}

/// What the log does by itself while it runs.
public enum LogUpkeep: String, CaseIterable, Sendable {
  /// Making counted refusals durable.
  case refusals
  case publishing
  /// Having room in the journal for what is to come.
  case room
  /// Letting go of pieces of the journal that no start needs.
  case journal
  case heartbeat
  /// Changing the epoch's key, wiping the one before, and taking up what the root signed.
  case epochs
  /// Removing what an interrupted pruning left.
  case pruning
  /// Removing partial tiles that others supersede.
  case partials
  /// Recording the stop and publishing everything.
  case stop
}
