/// When a session ends.
struct SinkSession {
  private let pace: SinkPace
  private let begun: ContinuousClock.Instant
  private(set) var sent = 0

  init(_ pace: SinkPace, at now: ContinuousClock.Instant) {
    self.pace = pace
    begun = now
  }

  /// How many entries it still takes.
  var room: Int { pace.entries - sent }

  mutating func add(_ count: Int) { sent += count }

  func isOver(at now: ContinuousClock.Instant) -> Bool {
    room <= 0 || now - begun >= pace.span
  }
}

/// How long to wait after failures: 1, 2, 4 … 60 seconds.
struct SinkBackoff {
  static let longest = Duration.seconds(60)
  private var next = Duration.seconds(1)

  /// The pause after one more failure.
  mutating func failed() -> Duration {
    defer { next = min(next * 2, Self.longest) }
    return next
  }

  mutating func succeeded() { next = .seconds(1) }
}
