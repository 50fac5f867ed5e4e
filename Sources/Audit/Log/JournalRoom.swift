/// The growing piece of the journal, and where the oldest that is left begins.
struct JournalPiece {
  /// The index that the growing piece begins with.
  let first: Int64
  /// Bytes in it, those being appended included.
  var length = 0
  /// Bytes that it has room for.
  var reserved: Int
  /// The index that the oldest piece begins with.
  var oldest: Int64
}

extension AuditLog {
  /// How many bytes the growing piece must have room for before this entry may be staged; nil if it
  /// has.
  func lackingRoom(for draft: EntryDraft) -> Int? {
    let length =
      piece.length + sequencer.batch.frames.count + LogConfiguration.largestAppend
      + draft.margin(of: configuration.journalReserve)
    return length > piece.reserved ? length : nil
  }

  /// Makes room in the growing piece.
  ///
  /// A full volume is met here, where it refuses one caller: an append that fails ends the log,
  /// because what the disk holds then nobody knows.
  ///
  /// - Throws: ``AuditError/Code/noSpace``.
  func reserve(_ length: Int) async throws(AuditError) {
    let first = piece.first
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
    if first == piece.first { piece.reserved = max(piece.reserved, length) }
  }

  /// Asks for room again after there was none, so that ``status`` tells when there is.
  func regainRoom() async throws(AuditError) {
    guard upkeepFailures[.room] != nil else { return }
    try await reserve(
      piece.length + LogConfiguration.largestAppend + configuration.journalReserve)
  }

  /// Begins a new piece of the journal, while nothing is being appended.
  func turnJournal() async throws {
    try await store.beginJournal(
      at: head.size, with: head.frame, reserving: configuration.pieceLength)
    piece = JournalPiece(
      first: head.size, length: head.frame.count, reserved: configuration.pieceLength,
      oldest: piece.oldest)
  }

  /// Begins a new piece, or goes on with the old one for as long as the volume is full.
  func turnJournalIfThereIsRoom() async throws {
    guard upkeepFailures[.room] == nil else { return }
    do {
      try await turnJournal()
    } catch let error as AuditError where error.code == .noSpace {
      upkeepFailures[.room] = error
    }
  }

  /// Removes pieces of the journal that no start needs any more.
  func releaseJournal() async throws {
    let first = piece.first
    guard piece.oldest < first, publishing.edge.size >= first else { return }
    let snapshot = Snapshot(position: head.position, intents: openIntents).encoded
    try await store.saveSnapshot(snapshot)
    try await storeCounts()
    try await store.removeJournal(beginningBefore: first)
    piece.oldest = first
  }

  func storeCounts() async throws {
    guard let position = head.position else { return }
    // Read together with the place: entries that become durable while the ledger stores are counted
    // next time.
    let unstored = counts.unstored
    try await ledger.storeCounts(unstored, through: position)
    counts.stored(unstored)
  }
}
