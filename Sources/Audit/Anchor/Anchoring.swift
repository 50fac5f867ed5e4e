import Encoding
public import Threading

/// Somebody outside who is given the log's heads.
public protocol HeadAnchor: Sendable {
  /// `witness-1`, `timestamp` or `copy`: part of a metric's label.
  var name: String { get }

  /// What is durable of it from before, at the start.
  ///
  /// - Throws: what keeps it from being read; the anchor then begins anew, and the cause is shown.
  func resume() async throws -> (size: Int64, milliseconds: Int64)?

  /// Gives a head to the anchor; returns when the anchor's evidence is durable here.
  ///
  /// - Returns: what else there is to say of it.
  /// - Throws: whatever kept it from confirming; ``AuditError/Code/behindAnchor`` when it claims to
  ///   know of more entries than the log has.
  func confirm(_ head: VerifiedCheckpoint) async throws -> AnchorOutcome
}

/// What came with a confirmation.
public struct AnchorOutcome: Sendable {
  /// Such as `write-once: proven`.
  public var remark: String?
  /// What failed beside the confirmation, such as the renewal of older stamps.
  public var trouble: (any Error)?

  public init(remark: String? = nil, trouble: (any Error)? = nil) {
    self.remark = remark
    self.trouble = trouble
  }
}

/// Anchors that are given the same head at the same pace.
public struct AnchorGroup: Sendable {
  public let anchors: [any HeadAnchor]
  public let every: Duration
  /// The age of a confirmation that is an alarm.
  public let limit: Duration

  public init(anchors: [any HeadAnchor], every: Duration, limit: Duration) {
    self.anchors = anchors
    self.every = every
    self.limit = limit
  }
}

/// Gives heads to anchors beside the service: nothing waits for it.
///
/// A head that an anchor missed is never sent again: the next one vouches for it.
public actor Anchoring {
  /// One anchor, as metrics, health and doctor show it.
  public struct Status: Sendable {
    public let name: String
    public let size: Int64
    /// Entries.
    public let lag: Int64
    public let ageSeconds: Int64
    public let isAlarming: Bool
    public let failure: (any Error)?
    public let remark: String?
  }

  private let groups: [AnchorGroup]
  private let log: AuditLog
  private let clock: any WallClock
  private var records: [AnchorRecord] = []

  public init(_ groups: [AnchorGroup], of log: AuditLog, clock: any WallClock) {
    self.groups = groups
    self.log = log
    self.clock = clock
    let now = clock.read().milliseconds
    records = groups.flatMap { group in
      group.anchors.map {
        AnchorRecord(name: $0.name, limit: group.limit.milliseconds, since: now)
      }
    }
  }

  /// Runs until the task is cancelled.
  public func run() async {
    for anchor in groups.flatMap(\.anchors) {
      do {
        guard let (size, time) = try await anchor.resume() else { continue }
        change(anchor.name) { $0.resume(size: size, at: time) }
      } catch {
        change(anchor.name) { $0.failed(error) }
      }
    }
    await withTaskGroup(of: Void.self) { tasks in
      for group in groups { tasks.addTask { await self.run(group) } }
    }
  }

  /// Gives the newest published head to every anchor now; returns when each has answered or failed.
  public nonisolated func confirmNow() async {
    await withTaskGroup(of: Void.self) { tasks in
      for group in groups { tasks.addTask { await self.confirm(group) } }
    }
  }

  private nonisolated func run(_ group: AnchorGroup) async {
    while !Task.isCancelled {
      await confirm(group)
      do {
        try await Task.sleep(for: group.every)
      } catch {
        return
      }
    }
  }

  /// Gives the newest published head to the anchors of one group, all at once.
  nonisolated func confirm(_ group: AnchorGroup) async {
    let head: VerifiedCheckpoint
    do throws(AuditError) {
      guard let newest = try await newestHead() else { return }
      head = newest
    } catch {
      for anchor in group.anchors { await change(anchor.name) { $0.failed(error) } }
      return
    }
    await withTaskGroup(of: Void.self) { tasks in
      for anchor in group.anchors {
        tasks.addTask {
          do {
            let outcome = try await anchor.confirm(head)
            await self.confirmed(anchor.name, head.checkpoint.size, outcome)
          } catch is CancellationError {
            return
          } catch {
            await self.change(anchor.name) { $0.failed(error) }
          }
        }
      }
    }
  }

  /// The newest published head; nil before the first.
  ///
  /// - Throws: ``AuditError`` if what the log published is no head of its own: then nothing must leave,
  ///   and every anchor's failure says so.
  private func newestHead() async throws(AuditError) -> VerifiedCheckpoint? {
    guard let note = await log.publishedCheckpoint else { return nil }
    return try VerifiedCheckpoint(SignedNote(parsing: note), key: log.verifierKey)
  }

  private func confirmed(_ name: String, _ size: Int64, _ outcome: AnchorOutcome) {
    let now = clock.read().milliseconds
    change(name) { record in
      record.succeeded(size: size, at: now)
      record.remark = outcome.remark
      if let trouble = outcome.trouble { record.failed(trouble) }
    }
  }

  private func change(_ name: String, _ body: (inout AnchorRecord) -> Void) {
    guard let index = records.firstIndex(where: { $0.name == name }) else { return }
    body(&records[index])
  }

  /// Every anchor that is configured, in order.
  public func statuses() async -> [Status] {
    let size = await log.status.publishedSize
    let now = clock.read().milliseconds
    return records.map { record in
      Status(
        name: record.name, size: record.size, lag: record.lag(of: size),
        ageSeconds: record.age(at: now) / 1000,
        isAlarming: record.isAlarming(logSize: size, at: now), failure: record.failure,
        remark: record.remark)
    }
  }
}

extension Duration {
  var milliseconds: Int64 {
    let parts = components
    return parts.seconds * 1000 + parts.attoseconds / 1_000_000_000_000_000
  }
}
