import Encoding

/// One at a time for each call: versions and duplicates are decided between a look and a write.
///
/// Waiters are served in the order in which they came. A gate is held for one entry of the log, never while bytes arrive.
actor Gates {
  enum Key: Hashable {
    case call(Identifier)
    /// What is unique about a call that is being made.
    case sourceCall([UInt8])
    case identities
    case patients
    /// Holds, while a purge looks at them and begins.
    case holds
    /// One change of a plan at a time.
    case plans
    /// Rows that a full volume left; behind any of the others.
    case unsettled
  }

  private var waiting: [Key: [CheckedContinuation<Void, Never>]] = [:]

  /// Runs `body` while no other body runs behind the same key.
  nonisolated func withGate<Result: Sendable>(
    _ key: Key, _ body: () async throws(VaultError) -> Result
  ) async throws(VaultError) -> Result {
    await enter(key)
    do throws(VaultError) {
      let result = try await body()
      await leave(key)
      return result
    } catch {
      await leave(key)
      throw error
    }
  }

  private func enter(_ key: Key) async {
    guard waiting[key] != nil else {
      waiting[key] = []
      return
    }
    await withCheckedContinuation { waiting[key]?.append($0) }
  }

  private func leave(_ key: Key) {
    guard var queue = waiting[key] else { return }
    if queue.isEmpty {
      waiting[key] = nil
    } else {
      let next = queue.removeFirst()
      waiting[key] = queue
      next.resume()
    }
  }
}
