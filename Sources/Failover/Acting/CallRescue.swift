/// Which live call is moved next: the most urgent first, then the oldest, a few at once.
///
/// Pure: somebody else moves and tells how it went. A call whose mover was busy or could not be reached goes back
/// into the line of its urgency, behind those that were not tried yet, and is given up after three times.
public struct RescueQueue: Sendable {
  /// Calls that are moved at once.
  public static let limit = 10
  static let attemptLimit = 3

  private struct Waiting: Sendable {
    let call: LiveCall
    var attempts = 0
  }
  private var waiting: [Waiting]
  private var moving: [CallReference: Waiting] = [:]

  public init(_ calls: [LiveCall]) {
    var seen: Set<CallReference> = []
    waiting = calls.filter { seen.insert($0.reference).inserted }
      .sorted {
        ($0.urgency, $0.began, $0.reference.description)
          < ($1.urgency, $1.began, $1.reference.description)
      }
      .map { Waiting(call: $0) }
  }

  /// Calls that are neither moved nor given up.
  public var remaining: Int { waiting.count + moving.count }

  /// The next call to move; nil while ``limit`` are moving, or none waits.
  public mutating func next() -> LiveCall? {
    guard moving.count < Self.limit, !waiting.isEmpty else { return nil }
    let next = waiting.removeFirst()
    moving[next.call.reference] = next
    return next.call
  }

  /// Notes that a call was moved, or why not.
  ///
  /// - Returns: whether it will be tried again.
  @discardableResult
  public mutating func ended(_ call: CallReference, failure: FailoverError.Code?) -> Bool {
    guard var ended = moving.removeValue(forKey: call) else { return false }
    ended.attempts += 1
    guard let failure, [.busy, .unreachable].contains(failure),
      ended.attempts < Self.attemptLimit
    else { return false }
    let place = waiting.firstIndex { $0.call.urgency > ended.call.urgency } ?? waiting.endIndex
    waiting.insert(ended, at: place)
    return true
  }
}

/// Moves live calls to a route, a few at once.
public struct CallRescue: Sendable {
  /// What became of one call.
  public struct Outcome: Sendable {
    public let call: LiveCall
    /// Nil: moved.
    public let failure: FailoverError?
    /// Since the rescue began.
    public let afterMs: Int64

    public init(call: LiveCall, failure: FailoverError?, afterMs: Int64) {
      self.call = call
      self.failure = failure
      self.afterMs = afterMs
    }
  }

  private let mover: any CallMover
  private let now: @Sendable () -> Moment

  /// - Parameters:
  ///   - mover: what moves them.
  ///   - now: the clock.
  public init(mover: any CallMover, now: @escaping @Sendable () -> Moment) {
    self.mover = mover
    self.now = now
  }

  /// Moves `calls` until all are moved or given up, or the deadline has come.
  ///
  /// - Returns: what became of each, in the order in which that was known.
  public func move(
    _ calls: [LiveCall], to route: Route, before deadline: Moment
  ) async -> [Outcome] {
    let began = now()
    var queue = RescueQueue(calls)
    var outcomes: [Outcome] = []
    await withTaskGroup(of: (LiveCall, FailoverError?).self) { group in
      while true {
        while let call = queue.next() {
          group.addTask {
            do throws(FailoverError) {
              guard now() < deadline else {
                throw FailoverError(.tooLate, during: "moving a live call")
              }
              try await mover.move(
                call.reference, to: route, urgency: .urgent, before: deadline)
              return (call, nil)
            } catch {
              return (call, error)
            }
          }
        }
        guard let (call, failure) = await group.next() else { break }
        if !queue.ended(call.reference, failure: failure?.code) {
          outcomes.append(
            Outcome(call: call, failure: failure, afterMs: now().ms(since: began)))
        }
      }
    }
    return outcomes
  }
}
