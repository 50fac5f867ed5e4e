import Audit
import Cryptography
import Drivers
import Encoding
import Vault

/// Keys wrapped again under a new epoch: in memory, and with the entries and the catalog that a rotation
/// needs.
enum RewrapBench {
  static let batch = 2048

  /// - Returns: one JSON object: keys a second in memory, and through log and catalog.
  static func run(in root: String, keys: Int, stored: Int) async throws -> String {
    let bench = try await BenchLog(in: root)
    return try await bench.running {
      let rows = try (0..<keys).map { _ in
        let key = try bench.ring.createCallKey(for: .random())
        return WrappedKeyRow(owner: .call, id: key.call, record: key.wrapped.encoded)
      }
      let catalog = try SQLiteCatalog(bench.layout.catalog)
      for number in 0..<stored {
        try await catalog.insert(call(number, bench.ring), tokens: [], since: 1)
      }
      _ = try bench.ring.beginEpoch(at: Timestamp(milliseconds: 1_795_188_000_000))
      let actor = bench.log.system

      var inMemory = Duration.zero
      for start in stride(from: 0, to: rows.count, by: batch) {
        let page = Array(rows[start..<min(start + batch, rows.count)])
        let spent = try await receipt(page, bench.log).spend(for: .keyRewrap, by: actor.id)
        let began = ContinuousClock.now
        guard try bench.ring.rewrap(page, under: spent).count == page.count else {
          throw BenchError.usage
        }
        inMemory += ContinuousClock.now - began
      }
      let old = try bench.ring.facts().epochs.dropLast().map(\.id)
      var done = 0
      let began = ContinuousClock.now
      while true {
        let page = try await catalog.wrappedKeys(under: old, after: nil, limit: batch)
        guard !page.isEmpty else { break }
        let spent = try await receipt(page, bench.log).spend(for: .keyRewrap, by: actor.id)
        done += try await catalog.rewrap(try bench.ring.rewrap(page, under: spent))
      }
      let through = ContinuousClock.now - began
      return """
        {"in_memory": \(rate(keys, inMemory)), "stored": \(rate(done, through))}
        """
    }
  }

  private static func call(_ number: Int, _ ring: KeyRing) throws -> CallRow {
    let id = Identifier.random()
    let key = try ring.createCallKey(for: id)
    let subject = try ring.createSubjectKey(for: id)
    let time = Timestamp(milliseconds: 1_795_000_000_000 + Int64(number))
    guard let started = OffsetTime(instant: time, offsetMinutes: 0) else { throw BenchError.usage }
    return CallRow(
      id: id, subject: SubjectRow(id: id, wrappedKey: subject.wrapped.encoded), created: time,
      started: started, direction: .inbound, source: "bench", location: nil, callExtension: nil,
      keyID: key.id, wrappedKey: key.wrapped.encoded, keyEpoch: key.epoch,
      details: [UInt8](repeating: 7, count: 200), detailsGeneration: 1, recordingNumbers: 0)
  }

  /// As a rotation does: one entry for each batch.
  private static func receipt(
    _ rows: [WrappedKeyRow], _ log: AuditLog
  ) async throws -> Receipt {
    let mark = KeyRing.mark(of: rows, in: .random())
    let now = Timestamp(milliseconds: 1_795_188_000_000)
    var draft = EntryDraft(.keyRewrap, .single, by: log.system)
    draft.run = mark.run
    draft.count = mark.count
    draft.digest = mark.digest
    draft.first = now
    draft.last = now
    return try await log.record(draft)
  }

  private static func rate(_ count: Int, _ time: Duration) -> Int {
    Int(Double(count) / (time / .seconds(1)))
  }
}
