public import Audit
import Encoding
public import Threading

/// Delivers the log's entries to one sink, in order and at least once, without anything waiting for it.
///
/// The log itself is the queue: only the place up to which entries are delivered is kept, so nothing is
/// copied, and nothing is lost in an outage of the sink or a crash of either side. Specified in section
/// 5 of `Documentation/formats/views.md`.
public actor Forwarder {
  public struct Configuration: Sendable {
    /// By which the settings, the metrics and the operator's log know the sink.
    public var name: String
    /// How long an entry may wait before the sink alarms.
    public var ageLimit: Duration

    public init(name: String, ageLimit: Duration) {
      self.name = name
      self.ageLimit = ageLimit
    }
  }

  /// Entries read and handed over at once.
  private static let batch = 256
  /// How often the log is asked whether it has grown.
  private static let look = Duration.milliseconds(250)

  public nonisolated let configuration: Configuration
  private let log: AuditLog
  private let sink: any EntrySink
  private let positions: any SinkPositionStore
  private let clock: any WallClock
  private let facts = Lock(SinkFacts())
  /// Read once, and only written from then on.
  private var position: SinkPosition?

  public init(
    _ configuration: Configuration, log: AuditLog, sink: any EntrySink,
    positions: any SinkPositionStore, clock: any WallClock
  ) {
    self.configuration = configuration
    self.log = log
    self.sink = sink
    self.positions = positions
    self.clock = clock
  }

  /// How the sink goes now; does not wait for anything.
  public nonisolated var status: SinkStatus {
    let facts = facts.withLock { $0 }
    var age: Duration?
    if let oldest = facts.oldest {
      age = .milliseconds(max(0, clock.read().milliseconds - oldest.milliseconds))
    }
    var trouble = facts.failure
    if trouble == nil, let age, age > configuration.ageLimit {
      trouble = SinkError(.late, during: "delivering entries")
    }
    return SinkStatus(
      next: facts.next, age: age ?? .zero, sessions: facts.sessions, delivered: facts.delivered,
      skipped: facts.skipped, trouble: trouble)
  }

  /// Delivers until the task is cancelled; a session that is open then is ended.
  public func run() async {
    var backoff = SinkBackoff()
    while !Task.isCancelled {
      var pause = Self.look
      do {
        try await deliver()
        backoff.succeeded()
        facts.withLock { $0.failure = nil }
      } catch {
        await sink.abandon()
        facts.withLock { $0.failure = error }
        pause = backoff.failed()
      }
      // Cancelled while it sleeps, it ends at the top of the loop.
      try? await Task.sleep(for: pause)
    }
  }

  /// Delivers one session's worth of what waits.
  func deliver() async throws {
    let start = try await currentPosition()
    var next = start.next
    var views = try await page(from: next, limit: min(Self.batch, sink.pace.entries))
    guard let first = views.first else {
      facts.withLock { $0.oldest = nil }
      return
    }
    facts.withLock { $0.oldest = first.entry.time }
    try await sink.begin()
    var session = SinkSession(sink.pace, at: .now)
    var last: LogPosition?
    while true {
      if let end = views.last {
        try await sink.send(views)
        session.add(views.count)
        last = LogPosition(index: end.entry.index, leafHash: end.leafHash)
        next = end.entry.index + 1
      }
      if Task.isCancelled || session.isOver(at: .now) { break }
      views = try await page(from: next, limit: min(Self.batch, session.room))
      if views.isEmpty {
        try await sink.check()
        // Cancelled while it sleeps, the session ends at once.
        try? await Task.sleep(for: Self.look)
      }
    }
    try await sink.end()
    try await move(to: last, sent: session.sent)
  }

  /// Only after the sink's receipt: a crash before this sends the session again.
  private func move(to last: LogPosition?, sent: Int) async throws {
    guard let position = SinkPosition(origin: log.configuration.origin, last: last) else {
      throw SinkError(.malformed, during: "making a sink's position")
    }
    try await positions.store(position.encoded)
    self.position = position
    let waiting = try await page(from: position.next, limit: 1).first
    facts.withLock { facts in
      facts.next = position.next
      facts.sessions += 1
      facts.delivered += Int64(sent)
      facts.oldest = waiting?.entry.time
    }
  }

  private func page(from first: Int64, limit: Int) async throws -> [EntryView] {
    // A question for nothing must not read a bundle.
    guard await log.durableHead.size > first else { return [] }
    let page = try await log.entries(
      matching: EntryFilter(indices: first..<Int64.max), limit: limit)
    return page.entries.map { EntryView($0, origin: log.configuration.origin) }
  }

  /// The stored position, once it has been held against the log.
  private func currentPosition() async throws -> SinkPosition {
    if let position { return position }
    let origin = log.configuration.origin
    let edge = await log.firstIndex
    let stored: SinkPosition
    if let bytes = try await positions.load() {
      stored = try SinkPosition(parsing: bytes)
      guard stored.origin == origin else {
        throw SinkError(.foreign, during: "comparing a sink's position with the log's name")
      }
      // A log brought back from an old copy would deliver other entries under the same indices. Of an
      // entry that was pruned nothing is left to compare.
      if let last = stored.last, last.index >= edge, try await !log.contains(last) {
        throw SinkError(.foreign, during: "looking for a sink's position in the log")
      }
    } else {
      guard let first = SinkPosition(origin: origin, last: nil) else {
        throw SinkError(.malformed, during: "making a sink's position")
      }
      stored = first
    }
    position = stored
    facts.withLock { facts in
      facts.next = max(stored.next, edge)
      facts.skipped = max(0, edge - stored.next)
    }
    return stored
  }
}

/// How deliveries go.
private struct SinkFacts: Sendable {
  var next: Int64?
  /// When the log took the oldest entry that is not delivered.
  var oldest: Timestamp?
  var sessions: Int64 = 0
  var delivered: Int64 = 0
  var skipped: Int64 = 0
  var failure: (any Error)?
}

/// How a sink goes, for health checks and metrics.
public struct SinkStatus: Sendable {
  /// The index of the entry to deliver next; nil until the position was read.
  public let next: Int64?
  /// How long the oldest entry that is not delivered has waited.
  public let age: Duration
  /// Sessions ended by a receipt, and entries in them, since the start.
  public let sessions: Int64
  public let delivered: Int64
  /// Entries that were pruned before they were delivered, found at the start: the sink never gets them.
  public let skipped: Int64
  /// Why the sink alarms; nil: it does not.
  public let trouble: (any Error)?
}
