/// A log that a recovery ended, as it was published: what an auditor asks about the time before.
///
/// Nothing in it is believed that the log after it does not name: its head is the one that the
/// recovery note has as `kept`. `Documentation/formats/recovery.md`, 9.
public struct EarlierLog: AuditableLog {
  /// How many logs came before it, and one: the folder `earlier/<number>` holds it.
  public let number: Int64
  /// What the log after it says of it.
  public let note: RecoveryNote
  /// The signed head.
  public let checkpoint: [UInt8]

  public let files: any PublishedLogFiles
  private let reader: LogReader
  private let sealer: any OpeningSealer

  /// - Throws: ``AuditError/Code/notAuthentic`` if the head is not the one that `note` names, signed by
  ///   the key that it names; ``AuditError/Code/damaged`` if there is none.
  init(
    number: Int64, in files: any PublishedLogFiles, note: RecoveryNote, sealer: any OpeningSealer
  ) async throws(AuditError) {
    let bytes = try await files.reading { files in try await files.published("checkpoint") }
    guard let bytes else {
      throw AuditError(.damaged, during: "looking for the head of an earlier log")
    }
    let head = try VerifiedCheckpoint(SignedNote(parsing: bytes), key: note.old)
    guard head.checkpoint == note.kept else {
      throw AuditError(.notAuthentic, during: "comparing an earlier log with what follows it")
    }
    let minimum = try await AuditLog.minimum(in: files, key: note.old)?.index ?? 0
    self.number = number
    self.note = note
    self.files = files
    self.sealer = sealer
    checkpoint = bytes
    reader = LogReader(
      store: files, minimum: minimum, publishedSize: head.checkpoint.size, publishedNote: bytes,
      tail: [])
  }

  public var origin: String { note.old.name }

  public func newestCheckpoint() async throws(AuditError) -> [UInt8]? { checkpoint }

  public func readableSize() async throws(AuditError) -> Int64 { reader.size }

  public func view() async throws(AuditError) -> LogView {
    guard let view = LogView(reader) else {
      throw AuditError(.damaged, during: "looking for the head of an earlier log")
    }
    return view
  }

  public func contains(_ position: LogPosition) async throws(AuditError) -> Bool {
    try await reader.contains(position)
  }

  @concurrent public func entries(
    matching filter: EntryFilter, limit: Int
  ) async throws(AuditError) -> EntryPage {
    try await reader.entries(matching: filter, limit: min(max(limit, 1), 1000))
  }

  public func proof(of index: Int64) async throws(AuditError) -> TLogProof {
    try await reader.proof(of: index)
  }

  public func openingStates(
    of entries: [Entry]
  ) async throws(AuditError) -> [[CommitField: OpeningState]] {
    try await reader.openings(of: entries, with: sealer)
  }
}

/// The logs that recoveries ended, each found by what the log after it says.
public struct EarlierLogs: Sendable {
  private let files: [any PublishedLogFiles]
  private let sealer: (any OpeningSealer)?

  /// A log that nothing came before.
  public init() {
    files = []
    sealer = nil
  }

  /// - Parameters:
  ///   - files: the logs, from the oldest.
  ///   - sealer: opens what their entries commit to.
  public init(_ files: [any PublishedLogFiles], sealer: any OpeningSealer) {
    self.files = files
    self.sealer = sealer
  }

  /// How many there are, numbered from 1, the oldest.
  public var count: Int64 { Int64(files.count) }

  /// The log of a number, proved by the signed notes of those after it, from `newest` down.
  ///
  /// - Throws: ``AuditError/Code/notFound`` for a number that no log has;
  ///   ``AuditError/Code/notAuthentic`` or ``AuditError/Code/damaged`` where the chain breaks.
  public func log(
    _ number: Int64, before newest: some AuditableLog, key: VerifierKey
  ) async throws(AuditError) -> EarlierLog {
    guard let sealer, number >= 1, number <= count else {
      throw AuditError(.notFound, during: "looking for an earlier log")
    }
    var note = try Self.note(try await newest.publishedNote(RecoveryNote.path), of: key)
    var place = count
    while true {
      let log = try await EarlierLog(
        number: place, in: files[Int(place - 1)], note: note, sealer: sealer)
      guard place > number else { return log }
      note = try Self.note(try await log.publishedNote(RecoveryNote.path), of: note.old)
      place -= 1
    }
  }

  private static func note(
    _ bytes: [UInt8]?, of log: VerifierKey
  ) throws(AuditError) -> RecoveryNote {
    guard let bytes else {
      throw AuditError(.damaged, during: "looking for what a log says of the one before it")
    }
    let signed = try SignedNote(parsing: bytes)
    let note = try RecoveryNote(parsing: signed.text)
    guard note.log == log, note.holds(signed) else {
      throw AuditError(.notAuthentic, during: "checking what a log says of the one before it")
    }
    return note
  }
}
