public import HTTP
import Threading

/// The handler of a service that is sealed and opened while it runs: passes each request to what
/// answers at that moment.
public final class SealGate: Handler {
  private struct State {
    var handler: any Handler
    /// Which handler it is, counted from 0, and how many requests each still answers.
    var number = 0
    var running: [Int: Int] = [:]
  }

  private let state: Lock<State>

  public init(_ handler: any Handler) {
    state = Lock(State(handler: handler))
  }

  /// Lets `handler` answer every request that comes from now on.
  public func become(_ handler: any Handler) {
    state.withLock { state in
      state.handler = handler
      state.number += 1
    }
  }

  /// Waits until those before the present handler answer nothing any more, at most `limit`.
  ///
  /// - Returns: whether that was so.
  public func drain(within limit: Duration) async -> Bool {
    let deadline = ContinuousClock.now + limit
    while ContinuousClock.now < deadline {
      let isDrained = state.withLock { state in state.running.keys.allSatisfy { $0 == state.number }
      }
      if isDrained { return true }
      do {
        try await Task.sleep(for: .milliseconds(20))
      } catch {
        return false
      }
    }
    return false
  }

  public func handle(
    _ request: Request, body: RequestBody, response: ResponseWriter
  ) async throws {
    let (handler, number) = state.withLock { state in
      state.running[state.number, default: 0] += 1
      return (state.handler, state.number)
    }
    defer {
      state.withLock { state in
        let left = (state.running[number] ?? 1) - 1
        state.running[number] = left == 0 ? nil : left
      }
    }
    try await handler.handle(request, body: body, response: response)
  }
}
