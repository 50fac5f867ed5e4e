import Cryptography
import Encoding
import Threading

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
  let ledger: any SubjectLedger
  let clock: any WallClock
  /// Nil for a log without epochs.
  let epochKeys: (any EpochKeys)?

  // The sequencer runs ahead of the disk; `head` is what is durable.
  private(set) var sequencer: Sequencer
  var counts: SubjectCounts
  private(set) var head: SignedHead
  private(set) var openIntents: OpenIntents
  /// Where the log begins, if it was pruned.
  var minimum: MinimumIndex?
  /// The first index that is left once everything below it is known to be gone.
  var prunedBelow: Int64?
  var epochs: EpochSuccession
  let continuation: LogContinuation?
  var isRotating = false
  /// The number of the epoch whose key alone is known to be left.
  var wipedBut: Int64?
  private(set) var lastCommit = ContinuousClock.now

  // Callers whose entries are in the sequencer's batch, and whether somebody appends.
  private var waiting: [CheckedContinuation<Turn, Never>] = []
  private var isCommitting = false
  /// Says that something is staged for which nobody waits, while nobody appends.
  let unattended = AsyncStream.makeStream(
    of: Void.self, bufferingPolicy: .bufferingNewest(1))
  private(set) var failure: AuditError?
  var isClosed = false

  var publishing: PublishingQueue
  /// What failed the last time it was tried, of the work that nobody waits for.
  var upkeepFailures: [LogUpkeep: any Error] = [:]

  var piece: JournalPiece

  var refusals: RefusalAggregates

  /// What a waiting caller is woken for.
  private enum Turn {
    /// Its entry is durable.
    case committed
    /// Its entry is still waiting, and it is its turn to append the batch.
    case commit
    case failed
  }

  init(
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
    publishing = PublishingQueue(recovery)
    piece = JournalPiece(
      first: head.size, reserved: configuration.pieceLength,
      oldest: min(recovery.firstSegment, head.size))
  }

  /// Who acts when the program does something by itself.
  public nonisolated var system: Actor {
    Actor(id: configuration.tenant, kind: .system, method: .internal, strength: 0)
  }

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

  func append(_ draft: EntryDraft, closing: Bool = false) async throws(AuditError)
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
      let unknown = draft.subjects.compactMap { counts.count(of: $0.id) == nil ? $0.id : nil }
      if !unknown.isEmpty {
        try await learnCounts(of: unknown)
      } else if let length = lackingRoom(for: draft) {
        try await reserve(length)
      } else {
        return try stage(prepared)
      }
      try checkOpen(closing: closing)
    }
  }

  func checkOpen(closing: Bool) throws(AuditError) {
    if let failure { throw failure }
    guard !isClosed || closing else {
      throw AuditError(.unavailable, during: "recording in a log that was closed")
    }
    // A log that cannot publish must not take all memory either.
    guard publishing.length < configuration.unpublishedLimit else {
      throw AuditError(.unavailable, during: "recording while publishing is far behind")
    }
  }

  /// Asks the ledger for the numbers of these subjects' last tags.
  private func learnCounts(of subjects: [Identifier]) async throws(AuditError) {
    let generation = counts.generation
    let counted: [Identifier: Int64]
    do {
      counted = try await ledger.countedEntries(of: subjects)
    } catch {
      throw AuditError(.unavailable, during: "asking for the counts of subjects", cause: error)
    }
    // Counts that went to the ledger meanwhile may be missing in the answer.
    guard counts.generation == generation else { return }
    for subject in subjects { counts.learn(counted[subject] ?? 0, of: subject) }
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
  func settleIfPossible() async {
    guard failure == nil, sequencer.size > head.size else { return }
    do { try await settle() } catch { return }
  }

  /// Appends what nobody waits for, unless another entry's append takes it along first.
  ///
  /// Ends when it is cancelled; the entry that says that the log stopped takes the rest along.
  func settleUnattended() async {
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
    if piece.length >= configuration.journalSegmentLength { try await turnJournalIfThereIsRoom() }
    piece.length += bytes.count
    if piece.length > piece.reserved { try await reserve(piece.length) }
    try await store.append(bytes, from: head.size, to: next.size)
    head = next
    lastCommit = .now
    for staged in batch.entries {
      counts.commit(staged.counts)
      openIntents.apply(staged.entry, bytes: staged.bytes)
      publishing.take(staged)
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

  static func sign(
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

  /// The size and the signed note of the log as it is durable.
  public var durableHead: (size: Int64, note: [UInt8]) { (head.size, head.note) }

  /// The first entry that was not pruned; 0 where none was.
  public var firstIndex: Int64 { minimum?.index ?? 0 }

  /// What can be read: everything that had its place before the call, unless the log has failed.
  func readable() async -> LogReader {
    await settleIfPossible()
    return LogReader(
      store: store, minimum: minimum?.index ?? 0, publishedSize: publishing.edge.size,
      publishedNote: publishing.note, tail: publishing.entries)
  }

  nonisolated var openingSealer: any OpeningSealer { sealer }
}
