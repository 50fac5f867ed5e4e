import Audit
import Encoding
import Failover
import Service
import Threading

/// Brings what the supervisor decided and did into its log, in order, without anybody who acts waiting for it.
///
/// What the log cannot take now is kept, up to ``limit`` entries, and tried again: a call is never held up by a disk.
final class DecisionRecorder: Sendable {
  static let limit = 1_024

  /// Entries that found no room, since the last that said how many.
  struct Losses: Equatable {
    var count: Int64
    var first: Timestamp
    var last: Timestamp
  }

  private struct State {
    var waiting: [EntryDraft] = []
    var losses: Losses?
    var isFailing = false

    mutating func lose(at time: Timestamp) {
      let known = losses ?? Losses(count: 0, first: time, last: time)
      // The clock may be set back meanwhile.
      losses = Losses(
        count: known.count + 1, first: min(known.first, time), last: max(known.last, time))
    }

    /// Forgets what an entry has said; what was lost while it was recorded is left for the next.
    mutating func told(_ losses: Losses) {
      guard let all = self.losses else { return }
      let rest = all.count - losses.count
      self.losses = rest > 0 ? Losses(count: rest, first: losses.last, last: all.last) : nil
    }
  }

  let log: AuditLog
  private let operatorLog: OperatorLog
  private let clock: any WallClock
  private let state = Lock(State())
  private let arrivals = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))

  init(_ log: AuditLog, operatorLog: OperatorLog, clock: any WallClock) {
    self.log = log
    self.operatorLog = operatorLog
    self.clock = clock
  }

  /// How many entries wait, whether the log refuses them, and how many are lost and not yet counted in it.
  var backlog: (waiting: Int, isFailing: Bool, lost: Int64) {
    state.withLock { ($0.waiting.count, $0.isFailing, $0.losses?.count ?? 0) }
  }

  /// Takes an entry; returns at once.
  func record(_ draft: EntryDraft) {
    var draft = draft
    let now = Timestamp(milliseconds: clock.read().milliseconds)
    draft.sourceTime = OffsetTime(instant: now, offsetMinutes: 0)
    state.withLock { state in
      if state.waiting.count < Self.limit {
        state.waiting.append(draft)
      } else {
        state.lose(at: now)
      }
    }
    arrivals.continuation.yield()
  }

  /// Records what arrives until the task is cancelled, and then what is left.
  func run() async {
    while !Task.isCancelled {
      if await drain() {
        var iterator = arrivals.stream.makeAsyncIterator()
        if await iterator.next() == nil { break }
      } else {
        do { try await Task.sleep(for: .seconds(1)) } catch { break }
      }
    }
    _ = await drain()
    let left = state.withLock { Int64($0.waiting.count) + ($0.losses?.count ?? 0) }
    if left > 0 { operatorLog.write(.error, "entries-lost", ["count": .integer(left)]) }
  }

  /// - Returns: whether nothing waits any more.
  private func drain() async -> Bool {
    while let (draft, losses) = state.withLock({ state in
      state.waiting.first.map { ($0, state.losses) }
    }) {
      var telling = draft
      // An entry with times of its own leaves it to the one after it (`Documentation/formats/routing.md`, 6.7).
      let told = draft.first == nil ? losses : nil
      if let told {
        (telling.count, telling.first, telling.last) = (told.count, told.first, told.last)
      }
      do {
        _ = try await log.record(telling)
      } catch {
        if error.code == .invalidDraft {
          // A fault of ours: it would never be taken, and must not hold up what comes after it.
          operatorLog.write(
            .error, "entry-refused", ["cause": .string(OperatorLog.describe(error))])
          let now = Timestamp(milliseconds: clock.read().milliseconds)
          state.withLock { state in
            state.waiting.removeFirst()
            state.lose(at: now)
          }
          continue
        }
        let isNew = state.withLock { state in
          defer { state.isFailing = true }
          return !state.isFailing
        }
        if isNew {
          operatorLog.write(
            .error, "not-recorded", ["cause": .string(OperatorLog.describe(error))])
        }
        return false
      }
      state.withLock { state in
        state.waiting.removeFirst()
        if let told { state.told(told) }
        state.isFailing = false
      }
    }
    return true
  }
}
