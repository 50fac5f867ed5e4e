public import Encoding
import Threading

extension AuditLog {
  /// Erases what a destroyed key opens: an entry says so first, then the key goes.
  ///
  /// `Documentation/formats/audit-log.md`, 13.4. Every proof stays as it was.
  ///
  /// - Parameters:
  ///   - key: the opening key's id, as sealed openings name it.
  ///   - actor: who asked.
  ///   - holds: what must stay.
  ///   - destroy: takes the key away, durably; called once the entry is durable and published.
  /// - Returns: how many entries that are left have openings under the key.
  /// - Throws: ``PruningRefusal`` with nothing changed; ``AuditError``; what `destroy` throws, with the
  ///   attempt on record as failed.
  public func eraseOpenings(
    under key: Identifier, by actor: Actor, holds: any PruningHolds,
    destroyingKey destroy: @Sendable () throws -> Void
  ) async throws -> Int64 {
    let reading = clock.read()
    guard reading.state == .synced else { throw PruningRefusal.clockUnsound }
    try await publish()
    let kept = Int64(configuration.retention / .milliseconds(1))
    let cutoff = Timestamp(milliseconds: max(0, reading.milliseconds - kept))
    var count: Int64 = 0
    var times: (first: Timestamp, last: Timestamp)?
    // All of the log: a clock that went back put openings of one key far apart.
    let reader = await readable()
    for number in (reader.minimum >> 8)..<((reader.publishedSize + 255) >> 8) {
      let found = try await reader.entries(ofBundle: number, withOpeningsUnder: key)
      for entry in found {
        guard entry.time < cutoff else {
          throw PruningRefusal.tooYoung(
            index: entry.index,
            until: Timestamp(milliseconds: entry.time.milliseconds + kept))
        }
        count += 1
        times = (
          min(times?.first ?? entry.time, entry.time), max(times?.last ?? entry.time, entry.time)
        )
      }
      let objects = Set(found.flatMap(\.objects))
      if !objects.isEmpty,
        let held = try await holds.objectThatMustStay(among: objects, youngerThan: cutoff)
      {
        throw PruningRefusal.held(held)
      }
    }

    var intent = EntryDraft(.keyDestroy, .intent, by: actor, on: [configuration.tenant])
    intent.keyID = key
    if let times {
      intent.count = count
      intent.first = times.first
      intent.last = times.last
    }
    _ = try await record(intent)
    try await publish()
    do {
      try destroy()
    } catch {
      _ = try await record(intent.closing(.failed, because: .storageFailed))
      throw error
    }
    _ = try await record(intent.closing(.success))
    return count
  }
}

extension LogReader {
  /// The published entries of a bundle of which an opening is sealed under `key`.
  fileprivate func entries(
    ofBundle number: Int64, withOpeningsUnder key: Identifier
  ) async throws(AuditError) -> [Entry] {
    let prefix = [1] + key.bytes
    let ids = Set(
      try await sealedOpenings(ofBundle: number).compactMap { id, fields in
        fields.values.contains { $0.starts(with: prefix) } ? id : nil
      })
    guard !ids.isEmpty else { return [] }
    var found: [Entry] = []
    for bytes in try await bundle(number) {
      let entry = try Entry(parsing: bytes)
      if ids.contains(entry.id) { found.append(entry) }
    }
    return found
  }
}
