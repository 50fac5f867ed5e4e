import Audit
import Encoding
import Failover

/// What the supervisor decided, newest last: for the API and the service level.
///
/// The log has all of it.
struct SupervisorHistory: Sendable {
  struct Item: Sendable {
    let id: Identifier
    let time: Timestamp
    let details: JSONObject
    var commandMs: Int64?
    var isConfirmed: Bool?
  }

  private(set) var items: [Item] = []
  private(set) var unrecorded: [(from: Timestamp, to: Timestamp)] = []
  private(set) var emergenciesMs: [Int64] = []

  mutating func add(_ decision: Decision) {
    add(Item(id: decision.id, time: decision.time, details: decision.details))
  }

  private mutating func add(_ item: Item) {
    if items.count >= Supervisor.remembered { items.removeFirst() }
    items.append(item)
  }

  mutating func commanded(_ id: Identifier, ms: Int64, isConfirmed: Bool) {
    guard let index = items.lastIndex(where: { $0.id == id }) else { return }
    items[index].commandMs = ms
    items[index].isConfirmed = isConfirmed
  }

  mutating func addUnrecorded(from: Timestamp, to: Timestamp) {
    if unrecorded.count >= Supervisor.remembered { unrecorded.removeFirst() }
    unrecorded.append((from, to))
  }

  mutating func addEmergency(ms: Int64) {
    if emergenciesMs.count >= Supervisor.remembered { emergenciesMs.removeFirst() }
    emergenciesMs.append(ms)
  }

  /// Outages: from the last life to the confirmation of another way.
  var outages: [ServiceLevel.Outage] {
    items.compactMap { item in
      guard let detect = item.details["detect_ms"]?.integer,
        let cause = item.details["cause"]?.string.flatMap(Cause.init)
      else { return nil }
      return ServiceLevel.Outage(
        from: Timestamp(milliseconds: item.time.milliseconds - detect),
        to: Timestamp(milliseconds: item.time.milliseconds + (item.commandMs ?? 0)), cause: cause)
    }
  }

  /// Reads back from the log what a supervisor before this one decided.
  ///
  /// - Throws: `AuditError` when the log cannot be read.
  static func read(from log: AuditLog) async throws -> SupervisorHistory {
    var history = SupervisorHistory()
    var next: Int64? = max(0, await log.durableHead.size - 20_000)
    while let start = next {
      var filter = EntryFilter(indices: start..<Int64.max)
      filter.actions = [.failoverDecided, .failoverCommanded, .failoverEnded]
      let page = try await log.entries(matching: filter, limit: 500)
      for logged in page.entries { try await history.take(logged.entry, in: log) }
      next = page.next
    }
    return history
  }

  private mutating func take(_ entry: Entry, in log: AuditLog) async throws {
    switch entry.action {
    case .failoverEnded:
      if let first = entry.first, let last = entry.last { addUnrecorded(from: first, to: last) }
    default:
      guard let bytes = try await log.openings(of: entry)[.details],
        let id = entry.objects.first
      else { return }
      let details = try JSONValue(parsing: bytes).object ?? JSONObject()
      if entry.action == .failoverDecided {
        add(Item(id: id, time: entry.originTime?.instant ?? entry.time, details: details))
      } else if let ms = details["ms"]?.integer {
        commanded(id, ms: ms, isConfirmed: entry.outcome == .success)
      }
    }
  }
}
