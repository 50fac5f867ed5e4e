import Cryptography
public import Encoding
import Threading

/// What must stay of a log for another reason than its age: a legal hold, a call that is still young.
public protocol PruningHolds: Sendable {
  /// Returns the first of these objects whose entries must not go; nil if all may.
  ///
  /// - Parameters:
  ///   - objects: what entries name, calls and others.
  ///   - cutoff: what is younger than this must stay.
  /// - Returns: what stops the pruning.
  /// - Throws: if it cannot be told; then nothing goes.
  func objectThatMustStay(
    among objects: Set<Identifier>, youngerThan cutoff: Timestamp
  ) async throws -> Identifier?
}

/// Why nothing was pruned.
public enum PruningRefusal: Error, Hashable, Sendable {
  /// There is no whole bundle below what was asked for that is left and old enough.
  case nothingToPrune
  /// The first entry that is younger than the retention of the log.
  case tooYoung(index: Int64, until: Timestamp)
  /// Something that an entry names must stay.
  case held(Identifier)
  /// An intent that has no outcome yet would go.
  case openIntent(index: Int64)
  /// The machine's clock is not sure of itself, so nothing is old.
  case clockUnsound
}

extension AuditLog {
  /// Removes whole bundles at the left edge, for ever.
  ///
  /// `Documentation/formats/audit-log.md`, 12. The entry that says so is durable and published before
  /// anything goes; a crash at any step leaves a log that verifies, and the next ``run()`` goes on.
  ///
  /// - Parameters:
  ///   - index: entries below it may go, as far as they fill bundles.
  ///   - actor: who asked.
  ///   - holds: what must stay.
  /// - Returns: the first index that is left.
  /// - Throws: ``PruningRefusal`` with nothing changed; ``AuditError``.
  public func prune(
    before index: Int64, by actor: Actor, holds: any PruningHolds
  ) async throws -> Int64 {
    let reading = clock.read()
    guard reading.state == .synced else { throw PruningRefusal.clockUnsound }
    let whole = Int64(TilePath.fullWidth)
    try await publish()
    // The last bundle stays: it says what comes next.
    let end = min(index, (await readable().publishedSize - 1) / whole * whole) / whole * whole
    let start = minimum?.index ?? 0
    guard end > start else { throw PruningRefusal.nothingToPrune }
    if let open = openIntents.first, open < end {
      throw PruningRefusal.openIntent(index: open)
    }
    let kept = Int64(configuration.retention / .milliseconds(1))
    let cutoff = Timestamp(milliseconds: max(0, reading.milliseconds - kept))
    let (first, last) = try await checkAge(
      of: start..<end, before: cutoff, retention: kept, holds: holds)

    var intent = EntryDraft(.logPrune, .intent, by: actor, on: [configuration.tenant])
    intent.count = end
    intent.first = first
    intent.last = last
    let announced = try await record(intent).index
    try await publish()
    guard
      let minimum = MinimumIndex(origin: configuration.origin, index: end, announced: announced)
    else { throw AuditError(.invalidDraft, during: "naming what is left of the log") }
    let note = try signer.sign(minimum.text).encoded
    try await store.publishMinimum(note)
    self.minimum = minimum
    try await store.removeBundles(below: end / whole)
    prunedBelow = end
    _ = try await record(intent.closing(.success))
    return end
  }

  /// Reads what is to go; returns the times of its first and last entry.
  private func checkAge(
    of range: Range<Int64>, before cutoff: Timestamp, retention: Int64, holds: any PruningHolds
  ) async throws -> (Timestamp, Timestamp) {
    var times: (first: Timestamp, last: Timestamp)?
    for number in (range.lowerBound >> 8)..<(range.upperBound >> 8) {
      guard let path = TilePath(.entries, number) else { continue }
      var objects: Set<Identifier> = []
      for bytes in try EntryBundle.parse(try await store.file(path), count: path.width) {
        let entry = try Entry(parsing: bytes)
        guard entry.time < cutoff else {
          throw PruningRefusal.tooYoung(
            index: entry.index,
            until: Timestamp(milliseconds: entry.time.milliseconds + retention))
        }
        objects.formUnion(entry.objects)
        times = (times?.first ?? entry.time, entry.time)
      }
      if let held = try await holds.objectThatMustStay(among: objects, youngerThan: cutoff) {
        throw PruningRefusal.held(held)
      }
    }
    guard let times else { throw PruningRefusal.nothingToPrune }
    return times
  }

  /// Goes on with what a crash interrupted.
  func finishPruning() async throws {
    guard let minimum, prunedBelow != minimum.index else { return }
    try await store.removeBundles(below: minimum.index / Int64(TilePath.fullWidth))
    prunedBelow = minimum.index
  }

  /// The last entry before a time; nil if none is.
  ///
  /// - Throws: ``AuditError/Code/damaged``.
  public func index(before time: Timestamp) async throws -> Int64? {
    let reader = await readable()
    var (low, high) = ((minimum?.index ?? 0) >> 8, reader.publishedSize >> 8)
    // By the first entry of each bundle: times may step back, and pruning looks at each entry.
    while low < high {
      let middle = (low + high) / 2
      guard let bytes = try await reader.bundle(middle).first else { return nil }
      if try Entry(parsing: bytes).time < time { low = middle + 1 } else { high = middle }
    }
    return low > 0 ? (low - 1) << 8 : nil
  }
}
