/// Where a log lives: the journal that makes entries durable, and what is published from it.
///
/// The log above decides what is written and in which order; a store promises durability. Calls
/// for the journal come one at a time, and so do calls that publish, but the two may overlap, and
/// an append must not wait for publishing. Bytes are those of `Documentation/formats/journal.md`
/// and `audit-log.md`; a store does not look inside. Every store passes the suite in
/// `Tests/AuditLogTests/LogStoreConformance.swift`.
public protocol LogStore: PublishedLogFiles {
  // MARK: Journal

  /// The pieces of the journal, by the index each begins with, ascending.
  func journalSegments() async throws -> [Int64]

  /// All bytes of the piece that begins at `first`.
  func journal(beginningAt first: Int64) async throws -> [UInt8]

  /// Replaces all bytes of a piece, durably and as a whole.
  ///
  /// - Throws: ``AuditError/Code/noSpace`` when there is no room for a second copy. Whatever is thrown,
  ///   the piece has its old bytes or these.
  func renewJournal(beginningAt first: Int64, with bytes: [UInt8]) async throws

  /// Begins a new piece, durably and as a whole, with room for `length` bytes in all; appends go to
  /// it from now on.
  ///
  /// A piece that begins at the same index is replaced: it can hold no entry.
  ///
  /// - Throws: ``AuditError/Code/noSpace`` when there is no room and nothing has changed: appends go
  ///   to the piece before. After any other failure every append is refused.
  func beginJournal(at first: Int64, with head: [UInt8], reserving length: Int) async throws

  /// Sees to it that the piece begun last can grow to `length` bytes without meeting a full volume.
  ///
  /// A store that cannot know promises nothing and does not fail.
  ///
  /// - Throws: ``AuditError/Code/noSpace``; whatever is thrown, nothing has changed.
  func reserveJournal(_ length: Int) async throws

  /// Appends `bytes` to the piece begun last, and returns when they are durable.
  ///
  /// `before` and `after` are the log's sizes around these bytes, for stores that share a journal
  /// and must refuse a writer whose `before` is not the size they hold.
  ///
  /// - Throws: any failure. The store then refuses every further append: after a failed sync
  ///   nobody knows what the journal holds, until it is read again.
  func append(_ bytes: [UInt8], from before: Int64, to after: Int64) async throws

  /// Removes the pieces that begin before `first`, durably, oldest first.
  func removeJournal(beginningBefore first: Int64) async throws

  // MARK: Published

  /// Makes a publication durable: each step before the next one begins to be visible.
  ///
  /// Openings, then tiles and bundles, full ones first, then the keyring, then the history, then the
  /// checkpoint. A call that failed may be repeated whole, by a later process too.
  func publish(_ publication: Publication) async throws

  /// Replaces the file that says where a pruned log begins, durably and as a whole.
  func publishMinimum(_ note: [UInt8]) async throws

  /// Removes the bundles below one, their tiles of level 0 and their openings, lowest first.
  ///
  /// What a crash leaves of them is removed by another call.
  func removeBundles(below number: Int64) async throws

  /// Removes partial tiles and bundles that no checkpoint of `size` or more needs, if the call
  /// before this one found them so already.
  ///
  /// A reader may still hold an older checkpoint, so the caller lets a grace pass between calls.
  func removeSupersededPartials(below size: Int64) async throws

  // MARK: Snapshot

  /// Replaces the snapshot, durably and as a whole.
  func saveSnapshot(_ bytes: [UInt8]) async throws

  func snapshot() async throws -> [UInt8]?
}

/// What of a log was published, and the openings beside it: all that is left of one that goes no further.
public protocol PublishedLogFiles: Sendable {
  /// The file published at `path` below the log, or nil.
  func published(_ path: String) async throws -> [UInt8]?

  /// The months of the history, oldest first, as `2026-11`.
  func historyMonths() async throws -> [String]

  /// At most `count` bytes of a month's history from `offset`, fewer only at its end; nil for a
  /// month that has none.
  func history(of month: String, from offset: Int64, count: Int) async throws -> [UInt8]?

  /// The openings stored for the entries of bundle `number`, or nil.
  func openings(ofBundle number: Int64) async throws -> [UInt8]?
}

/// What one act of publishing writes, in the order in which it becomes visible.
public struct Publication: Sendable {
  /// A file below the log, written once under its name.
  public struct File: Sendable {
    /// As C2SP names it: `tile/0/x001/234`, `tile/entries/000.p/17`.
    public let path: String
    public let bytes: [UInt8]

    public init(path: String, bytes: [UInt8]) {
      self.path = path
      self.bytes = bytes
    }
  }

  /// Frames to append to the openings of a bundle, by the bundle's number, ascending.
  public var openings: [(bundle: Int64, frames: [UInt8])]
  /// Full tiles and bundles: never written again.
  public var full: [File]
  /// Tiles and bundles of the right edge.
  public var partial: [File]
  /// The keyring, where it has changed.
  public var keyring: [UInt8]?
  /// `checkpoints/<YYYY-MM>`, to which the checkpoint is appended, or to a later month's file if
  /// there is one; nil when it is there already.
  public var history: String?
  /// The signed note.
  public var checkpoint: [UInt8]

  public init(
    openings: [(bundle: Int64, frames: [UInt8])], full: [File], partial: [File],
    history: String?, checkpoint: [UInt8]
  ) {
    self.openings = openings
    self.full = full
    self.partial = partial
    self.history = history
    self.checkpoint = checkpoint
  }
}
