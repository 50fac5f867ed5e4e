import Encoding
import Failover

/// How many reports of others are taken: fifty in a second, from all of them together.
struct SignalBudget: Sendable {
  static let perSecond: Double = 50
  private var left = SignalBudget.perSecond
  private var last: Moment?

  /// Whether one more may be taken now.
  mutating func take(at now: Moment) -> Bool {
    if let last {
      left = min(Self.perSecond, left + Double(now.ms(since: last)) / 1000 * Self.perSecond)
    }
    last = now
    guard left >= 1 else { return false }
    left -= 1
    return true
  }
}

/// What readers of events get: numbered, the newest kept for those that come back.
struct EventRing: Sendable {
  typealias Event = (number: Int64, event: JSONObject)
  static let kept = 1_000
  static let readers = 64

  private var events: [Event] = []
  private var next: Int64 = 1
  private var subscribers: [AsyncStream<Event>.Continuation] = []

  mutating func publish(_ event: JSONObject) {
    let item = (number: next, event: event)
    next += 1
    if events.count >= Self.kept { events.removeFirst() }
    events.append(item)
    send(item)
  }

  /// Lets readers and what lies between see that the stream lives.
  mutating func beat() { send((0, JSONObject())) }

  /// Readers that have left are forgotten.
  private mutating func send(_ item: Event) {
    subscribers.removeAll { if case .terminated = $0.yield(item) { true } else { false } }
  }

  /// Gives a reader what comes, from an event on if it says one; ends at once when there are too many.
  mutating func subscribe(after number: Int64?) -> AsyncStream<Event> {
    guard subscribers.count < Self.readers else { return AsyncStream { $0.finish() } }
    // A reader who does not read loses the oldest, and sees that by the numbers.
    let (stream, continuation) = AsyncStream.makeStream(
      of: Event.self, bufferingPolicy: .bufferingNewest(256))
    if let number { for item in events where item.number > number { continuation.yield(item) } }
    subscribers.append(continuation)
    return stream
  }

  mutating func end() {
    for subscriber in subscribers { subscriber.finish() }
    subscribers = []
  }
}

/// What the supervisor counts of itself.
struct SupervisorCounters: Sendable {
  var decisions: Int64 = 0
  var signals: Int64 = 0
  var signalsRefused: Int64 = 0
  var emergencies: Int64 = 0
  var noticesFailed: Int64 = 0
}
