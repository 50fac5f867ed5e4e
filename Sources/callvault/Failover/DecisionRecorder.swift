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

  private struct State {
    var waiting: [EntryDraft] = []
    /// Entries that found no room, since the last that said how many.
    var lost: Int64 = 0
    var isFailing = false
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

  /// How many entries wait, and whether the log refuses them.
  var backlog: (waiting: Int, isFailing: Bool) {
    state.withLock { ($0.waiting.count, $0.isFailing) }
  }

  /// Takes an entry; returns at once.
  func record(_ draft: EntryDraft) {
    var draft = draft
    draft.sourceTime = OffsetTime(
      instant: Timestamp(milliseconds: clock.read().milliseconds), offsetMinutes: 0)
    state.withLock { state in
      if state.waiting.count < Self.limit {
        state.waiting.append(draft)
      } else {
        state.lost += 1
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
  }

  /// Whether an entry says how many found no room: only the end of a time without recordings does
  /// (`Documentation/formats/routing.md`, 6.2), and the log refuses a count without that time in any other.
  private static func tellsLosses(_ draft: EntryDraft) -> Bool {
    draft.action == .failoverEnded && draft.first != nil && draft.last != nil
  }

  /// - Returns: whether nothing waits any more.
  private func drain() async -> Bool {
    while let draft = state.withLock({ $0.waiting.first }) {
      var counted = draft
      let lost = Self.tellsLosses(draft) ? state.withLock { $0.lost } : 0
      if lost > 0 { counted.count = lost }
      do {
        _ = try await log.record(counted)
      } catch {
        if error.code == .invalidDraft {
          // A fault of ours: it would never be taken, and must not hold up what comes after it.
          operatorLog.write(
            .error, "entry-refused", ["cause": .string(OperatorLog.describe(error))])
          state.withLock { state in
            state.waiting.removeFirst()
            state.lost += 1
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
        state.lost -= lost
        state.isFailing = false
      }
    }
    return true
  }
}
