import Audit

/// Writes entries in any number, the way the service does.
enum LogBench {
  /// As many callers as a busy hour of a large practice has, so that batches are of a real size.
  private static let callers = 256

  /// Records `count` entries: reads, as intent and outcome.
  static func record(_ count: Int, in log: AuditLog) async throws {
    try await withThrowingTaskGroup(of: Void.self) { group in
      for caller in 0..<callers {
        group.addTask {
          let read = try BenchRead()
          var remaining = count / callers + (caller < count % callers ? 1 : 0)
          while remaining > 0 {
            let draft = read.intent()
            _ = try await log.record(draft)
            remaining -= 1
            guard remaining > 0 else { return }
            _ = try await log.record(draft.closing(.success, released: 1024))
            remaining -= 1
          }
        }
      }
      try await group.waitForAll()
    }
  }
}
