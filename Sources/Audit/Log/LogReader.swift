public import Cryptography
public import Encoding

/// Which entries a question is about; every condition must hold.
public struct EntryFilter: Sendable {
  /// Any of these; nil for every action.
  public var actions: Set<Action>?
  /// Who acted, or on whose behalf.
  public var actor: Identifier?
  /// An object or the batch that the entry names.
  public var object: Identifier?
  /// One of these is among the objects; nil for whichever they are.
  public var anyObject: Set<Identifier>?
  /// The request, by our id.
  public var request: Identifier?
  /// From this time on.
  public var since: Timestamp?
  /// Before this time.
  public var until: Timestamp?
  public var indices: Range<Int64>

  public init(indices: Range<Int64> = 0..<Int64.max) {
    self.indices = indices
  }

  func matches(_ entry: Entry) -> Bool {
    if let actions, !actions.contains(entry.action) { return false }
    if let actor, entry.actor.id != actor, entry.behalf != actor { return false }
    if let object, !entry.objects.contains(object), entry.run != object { return false }
    if let anyObject, anyObject.isDisjoint(with: entry.objects) { return false }
    if let request, entry.request != request { return false }
    if let since, entry.time < since { return false }
    if let until, entry.time >= until { return false }
    return true
  }
}

/// An entry with the bytes that are its leaf.
public struct LoggedEntry: Hashable, Sendable {
  public let entry: Entry
  public let bytes: [UInt8]
}

/// One page of an answer.
public struct EntryPage: Sendable {
  /// In order of index.
  public let entries: [LoggedEntry]
  /// Where to go on asking; nil when the log was read to its end.
  ///
  /// A page may be short, or empty, and
  /// still have a next one: how much one question reads is bounded.
  public let next: Int64?
}

/// What was published at one moment, and the durable entries beyond it.
struct LogReader: Sendable {
  /// Entries that one question looks at, at most.
  static let scanLimit: Int64 = 1 << 16

  let store: any PublishedLogFiles
  /// The first entry that was not pruned.
  let minimum: Int64
  let publishedSize: Int64
  let publishedNote: [UInt8]?
  let tail: [UnpublishedEntry]

  var size: Int64 { publishedSize + Int64(tail.count) }

  /// The entries of one bundle, as far as there are any.
  func bundle(_ number: Int64) async throws(AuditError) -> [[UInt8]] {
    var entries: [[UInt8]] = []
    if let path = TilePath.bundle(number, inLogOf: publishedSize) {
      entries = try EntryBundle.parse(try await store.file(path), count: path.width)
    }
    let start = number << 8 + Int64(entries.count)
    let first = Int(max(0, start - publishedSize))
    let room = TilePath.fullWidth - entries.count
    if entries.count < TilePath.fullWidth, first < tail.count {
      entries += tail[first..<min(tail.count, first + room)].map(\.bytes)
    }
    return entries
  }

  func entries(
    matching filter: EntryFilter, limit: Int
  ) async throws(AuditError) -> EntryPage {
    let end = min(filter.indices.upperBound, size)
    var index = max(minimum, filter.indices.lowerBound)
    guard index < end else { return EntryPage(entries: [], next: nil) }
    let scanEnd = min(end, index + Self.scanLimit)
    // An entry that names an id holds its text: most need not be parsed to be passed over.
    let needles = [filter.actor, filter.object].compactMap { $0.map { Array($0.description.utf8) } }
    let choices = filter.anyObject.map { $0.map { Array($0.description.utf8) } }
    let actions = filter.actions.map { Set($0.map { Array($0.rawValue.utf8)[...] }) }
    var found: [LoggedEntry] = []
    while index < scanEnd {
      let bundle = try await bundle(index >> 8)
      guard index & 0xff < bundle.count else { break }
      for bytes in bundle[Int(index & 0xff)...] {
        guard index < scanEnd else { break }
        guard found.count < limit else { return EntryPage(entries: found, next: index) }
        index += 1
        if let actions, let action = bytes.leadingAction, !actions.contains(action) { continue }
        guard needles.allSatisfy({ bytes.holds($0) }) else { continue }
        // Looking for many costs more than parsing.
        if let choices, choices.count <= 16, !choices.contains(where: { bytes.holds($0) }) {
          continue
        }
        let entry = try Entry(parsing: bytes)
        if filter.matches(entry) { found.append(LoggedEntry(entry: entry, bytes: bytes)) }
      }
    }
    return EntryPage(entries: found, next: index < end ? index : nil)
  }

  func leafHash(at index: Int64) async throws(AuditError) -> SHA256Digest {
    guard index >= minimum, index < size else {
      throw AuditError(.notFound, during: "reading an entry")
    }
    if index >= publishedSize { return tail[Int(index - publishedSize)].leafHash }
    guard let path = TilePath.tile(0, index >> 8, inTreeOf: publishedSize) else {
      throw AuditError(.notFound, during: "reading an entry")
    }
    return try Tile(path, parsing: try await store.file(path)).hashes[Int(index & 0xff)]
  }

  /// Whether the log has this leaf at this place.
  func contains(_ position: LogPosition) async throws(AuditError) -> Bool {
    guard position.index >= minimum, position.index < size else { return false }
    return try await leafHash(at: position.index) == position.leafHash
  }

  func proof(of index: Int64) async throws(AuditError) -> TLogProof {
    guard index >= minimum, index < publishedSize, let publishedNote else {
      throw AuditError(.notFound, during: "proving an entry")
    }
    let note = try SignedNote(parsing: publishedNote)
    let checkpoint = try Checkpoint(parsing: note.text)
    let proof = try await InclusionProof(index: index, size: publishedSize) {
      path throws(AuditError) in
      try await store.file(path)
    }
    // Tiles are not trusted, and a proof that does not hold must not be handed out.
    guard proof.verifies(leaf: try await leafHash(at: index), root: checkpoint.root) else {
      throw AuditError(.damaged, during: "proving an entry from stored tiles")
    }
    return TLogProof(proof: proof, checkpoint: note)
  }

  /// What there is of each commitment of some entries; the openings of a bundle are read once for
  /// entries of it that follow one another.
  ///
  /// - Throws: ``AuditError/Code/notAuthentic`` for an opening that is not what its entry commits to;
  ///   the cause names the entry.
  func openings(
    of entries: [Entry], with sealer: any OpeningSealer
  ) async throws(AuditError) -> [[CommitField: OpeningState]] {
    var read: (bundle: Int64, sealed: [Identifier: [CommitField: [UInt8]]])?
    var states: [[CommitField: OpeningState]] = []
    for entry in entries {
      guard !entry.commits.isEmpty else {
        states.append([:])
        continue
      }
      guard entry.index < size else { throw AuditError(.notFound, during: "reading openings") }
      let sealed: [CommitField: [UInt8]]
      if entry.index >= publishedSize {
        let bodies = tail[Int(entry.index - publishedSize)].openings
        sealed = Self.sealedOpenings(bodies)[entry.id] ?? [:]
      } else {
        let number = entry.index >> 8
        if read?.bundle != number {
          read = (number, try await sealedOpenings(ofBundle: number))
        }
        sealed = read?.sealed[entry.id] ?? [:]
      }
      do throws(AuditError) {
        states.append(try Self.states(of: entry, sealed, with: sealer))
      } catch {
        throw AuditError(
          error.code, during: "opening what an entry commits to",
          cause: OpeningMismatch(index: entry.index, cause: error))
      }
    }
    return states
  }

  /// The published openings of a bundle's entries, by entry and field, still sealed.
  func sealedOpenings(
    ofBundle number: Int64
  ) async throws(AuditError) -> [Identifier: [CommitField: [UInt8]]] {
    let bytes = try await store.reading { store in try await store.openings(ofBundle: number) }
    var bodies: [[UInt8]] = []
    var offset = 0
    while let bytes, let frame = JournalFrame(in: bytes, at: &offset) { bodies.append(frame.body) }
    return Self.sealedOpenings(bodies)
  }

  private static func sealedOpenings(
    _ bodies: [[UInt8]]
  ) -> [Identifier: [CommitField: [UInt8]]] {
    var sealed: [Identifier: [CommitField: [UInt8]]] = [:]
    for body in bodies {
      guard let opening = SealedOpening(parsing: body) else { continue }
      sealed[opening.entry, default: [:]][opening.field] = opening.sealed
    }
    return sealed
  }

  private static func states(
    of entry: Entry, _ sealed: [CommitField: [UInt8]], with sealer: any OpeningSealer
  ) throws(AuditError) -> [CommitField: OpeningState] {
    var states: [CommitField: OpeningState] = [:]
    for (field, digest) in entry.commits {
      guard let bytes = sealed[field] else {
        states[field] = .missing
        continue
      }
      let address = OpeningAddress(entry: entry.id, field: field, time: entry.time)
      let opening: [UInt8]
      do {
        if try sealer.isErased(bytes, at: address) {
          states[field] = .erased
          continue
        }
        opening = try sealer.open(bytes, at: address)
      } catch {
        throw AuditError(.notAuthentic, during: "opening what an entry commits to", cause: error)
      }
      let commitment = try Commitment(opening: opening, of: field)
      guard try commitment.opens(digest) else {
        throw AuditError(.notAuthentic, during: "comparing an opening with its commitment")
      }
      states[field] = .present(commitment)
    }
    return states
  }
}

/// That an opening is not what its entry commits to, or cannot be read.
public struct OpeningMismatch: Error, CustomStringConvertible {
  /// Of the entry.
  public let index: Int64
  public let cause: any Error

  public var description: String { "an opening of entry \(index): \(cause)" }
}

/// What there is of one commitment's opening.
public enum OpeningState: Hashable, Sendable {
  /// It opens, to what the entry commits to.
  case present(Commitment)
  /// Its key was destroyed: that something stood there is all that is left.
  case erased
  /// It is not where it should be.
  case missing
}

/// The log as it stood under one published head.
///
/// Reads published files; those of the right edge stay for a grace after the next head.
public struct LogView: Sendable {
  private let reader: LogReader
  /// The signed head.
  public let checkpoint: [UInt8]
  /// Entries that it covers.
  public let size: Int64

  init?(_ reader: LogReader) {
    guard let note = reader.publishedNote else { return nil }
    self.reader = reader
    checkpoint = note
    size = reader.publishedSize
  }

  /// The bytes of the entries of bundle `number` that the head covers.
  ///
  /// - Throws: ``AuditError/Code/damaged`` if the bundle is not there or does not read.
  public func bundle(_ number: Int64) async throws(AuditError) -> [[UInt8]] {
    let entries = try await reader.bundle(number)
    return Array(entries.prefix(Int(min(256, max(0, size - number << 8)))))
  }

  /// The proof that an entry is in the log under this head.
  ///
  /// - Throws: ``AuditError/Code/notFound``; ``AuditError/Code/damaged`` if the tiles do not prove it.
  public func proof(of index: Int64) async throws(AuditError) -> TLogProof {
    try await reader.proof(of: index)
  }
}

extension AuditLog {
  /// Returns entries that match, oldest first, durable ones that are not published yet included.
  ///
  /// - Parameters:
  ///   - filter: which; go on with the page's `next` as the lower bound of its indices.
  ///   - limit: at most so many, 1 to 1000.
  /// - Returns: one page.
  /// - Throws: ``AuditError/Code/damaged`` if a bundle that should be there is not or does not read.
  @concurrent public nonisolated func entries(
    matching filter: EntryFilter, limit: Int = 100
  ) async throws(AuditError) -> EntryPage {
    try await readable().entries(matching: filter, limit: min(max(limit, 1), 1000))
  }

  /// The leaf hash of an entry, for comparing a place that something outside relies on.
  ///
  /// - Throws: ``AuditError/Code/notFound``, ``AuditError/Code/damaged``.
  public nonisolated func leafHash(at index: Int64) async throws(AuditError) -> SHA256Digest {
    try await readable().leafHash(at: index)
  }

  /// Whether `position` is in this log.
  ///
  /// - Throws: ``AuditError/Code/damaged``.
  public nonisolated func contains(_ position: LogPosition) async throws(AuditError) -> Bool {
    try await readable().contains(position)
  }

  /// The proof that an entry is in the log, under a published head; publishes first if it must.
  ///
  /// - Throws: ``AuditError/Code/notFound``; ``AuditError/Code/damaged`` if the stored tiles do not
  ///   prove it.
  @concurrent public nonisolated func proof(
    of index: Int64
  ) async throws(AuditError) -> TLogProof {
    if await readable().publishedSize <= index { try await publish() }
    return try await readable().proof(of: index)
  }

  /// What the commitments of an entry stand for.
  ///
  /// Those whose openings were destroyed are left out.
  ///
  /// - Throws: ``AuditError/Code/notAuthentic`` if an opening is not what the entry commits to.
  public nonisolated func openings(
    of entry: Entry
  ) async throws(AuditError) -> [CommitField: [UInt8]] {
    try await openingStates(of: entry).compactMapValues { state in
      if case .present(let commitment) = state { commitment.value } else { nil }
    }
  }

  /// What there is of each commitment of an entry: its opening, that it was erased, or nothing.
  ///
  /// - Throws: ``AuditError/Code/notAuthentic`` if an opening is not what the entry commits to.
  public nonisolated func openingStates(
    of entry: Entry
  ) async throws(AuditError) -> [CommitField: OpeningState] {
    try await openingStates(of: [entry])[0]
  }

  /// The same for several entries; each bundle's openings are read once if the entries are in order.
  ///
  /// - Throws: ``AuditError/Code/notAuthentic``, with an ``OpeningMismatch`` as its cause.
  @concurrent public nonisolated func openingStates(
    of entries: [Entry]
  ) async throws(AuditError) -> [[CommitField: OpeningState]] {
    try await readable().openings(of: entries, with: openingSealer)
  }

  /// The log under its newest published head; publishes first.
  ///
  /// - Throws: ``AuditError/Code/unavailable`` when nothing can be published.
  @concurrent public nonisolated func view() async throws(AuditError) -> LogView {
    try await publish()
    guard let view = await LogView(readable()) else {
      throw AuditError(.unavailable, during: "looking for a published head")
    }
    return view
  }

  /// The published checkpoint, or nil before the first.
  public var publishedCheckpoint: [UInt8]? { publishing.note }
}

extension [UInt8] {
  /// The action of an entry whose first key is `action`, as every entry's is that we write; nil for
  /// an entry that must be parsed to know.
  fileprivate var leadingAction: ArraySlice<UInt8>? {
    guard starts(with: Self.actionKey) else { return nil }
    let value = self[Self.actionKey.count...].prefix { $0 != UInt8(ascii: "\"") }
    return value.contains(UInt8(ascii: "\\")) ? nil : value
  }

  private static let actionKey = Array(#"{"action":""#.utf8)

  /// Whether `needle` occurs here.
  fileprivate func holds(_ needle: [UInt8]) -> Bool {
    guard let first = needle.first, count >= needle.count else { return needle.isEmpty }
    let (hay, pin) = (span, needle.span)
    var start = 0
    search: while start <= hay.count - pin.count {
      if hay[start] == first {
        for offset in 1..<pin.count where hay[start + offset] != pin[offset] {
          start += 1
          continue search
        }
        return true
      }
      start += 1
    }
    return false
  }
}
