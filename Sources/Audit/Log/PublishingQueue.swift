/// What is published, and what is durable beyond it.
struct PublishingQueue {
  /// The right edge of what is published.
  private(set) var edge: PublishedEdge
  /// The published head.
  private(set) var note: [UInt8]?
  /// What `log/keyring` holds, once it is known.
  private(set) var keyring: Keyring?
  /// Durable entries from `edge.size` on.
  private(set) var entries: [UnpublishedEntry]
  /// Bytes of ``entries``.
  private(set) var length: Int

  /// Whether somebody publishes, and who waits for the end of that.
  var isPublishing = false
  var waiting: [CheckedContinuation<Void, Never>] = []

  init(_ recovery: LogRecovery) {
    edge = recovery.published
    note = recovery.publishedNote
    entries = recovery.unpublished
    length = recovery.unpublished.reduce(0) { $0 + $1.bytes.count }
  }

  /// Takes an entry that has become durable.
  mutating func take(_ staged: StagedEntry) {
    entries.append(
      UnpublishedEntry(
        bytes: staged.bytes, leafHash: staged.leafHash, openings: staged.openings))
    length += staged.bytes.count
  }

  /// Goes on behind a publication that has succeeded.
  mutating func advance(to edge: PublishedEdge, note: [UInt8], keyring: Keyring?) {
    let count = Int(edge.size - self.edge.size)
    length -= entries.prefix(count).reduce(0) { $0 + $1.bytes.count }
    entries.removeFirst(count)
    self.edge = edge
    self.note = note
    self.keyring = keyring
  }
}
