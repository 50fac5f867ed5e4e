public import Encoding

/// How well calls were served in a time, by the practice's own hours, beside what it asked for.
///
/// Counts what the supervisor saw: an outage is from the last life of what calls needed to the confirmation of
/// another way. What nobody measures here is said to be so, never estimated.
public struct ServiceLevel: Sendable {
  /// One outage, in wall-clock times.
  public struct Outage: Hashable, Sendable {
    public let from: Timestamp
    /// When another way was confirmed.
    public let to: Timestamp
    public let cause: Cause

    public init(from: Timestamp, to: Timestamp, cause: Cause) {
      self.from = from
      self.to = to
      self.cause = cause
    }
  }

  /// A figure of the practice's documents with what was measured.
  public struct Row: Hashable, Sendable {
    public let name: String
    public let target: String
    /// Nil: not measured here.
    public let measured: String?
    /// Nil where nothing was measured, or nothing happened.
    public let isMet: Bool?
  }

  public let from: Timestamp
  public let to: Timestamp
  /// Milliseconds of business hours in that time.
  public let businessMs: Int64
  /// Of them, milliseconds in which calls reached no way.
  public let outageMs: Int64
  /// Of all hours, the same.
  public let outageAllMs: Int64
  public let outages: [Outage]
  /// Times in which no recording was possible, whatever calls did.
  public let unrecorded: [(from: Timestamp, to: Timestamp?)]
  /// Milliseconds from the last life to the confirmed new way, of each change that an outage caused.
  public let failoversMs: [Int64]
  /// Milliseconds from an alert to a confirmed transfer.
  public let emergenciesMs: [Int64]
  public let rows: [Row]

  /// The longest time that may be asked for: each of its days is looked at.
  public static let longestMs: Int64 = 400 * 86_400_000

  /// Availability in business hours that the practice asked for, in millionths.
  static let target: Int64 = 999_000

  public init(
    hours: BusinessHours, from: Timestamp, to: Timestamp, outages: [Outage],
    unrecorded: [(from: Timestamp, to: Timestamp?)], emergenciesMs: [Int64]
  ) {
    precondition(from < to && to.milliseconds - from.milliseconds <= Self.longestMs)
    self.from = from
    self.to = to
    let within = outages.filter { $0.to > from && $0.from < to }
    self.outages = within
    self.unrecorded = unrecorded
    self.emergenciesMs = emergenciesMs
    businessMs = hours.openMs(from: from, to: to)
    outageMs = within.reduce(0) {
      $0 + hours.openMs(from: max($1.from, from), to: min($1.to, to))
    }
    outageAllMs = within.reduce(0) {
      $0 + max(0, min($1.to, to).milliseconds - max($1.from, from).milliseconds)
    }
    failoversMs = within.map { $0.to.milliseconds - $0.from.milliseconds }
    rows = Self.rows(
      businessMs: businessMs, outageMs: outageMs, failoversMs: failoversMs,
      emergenciesMs: emergenciesMs)
  }

  /// Availability in business hours, in millionths, rounded down; nil where there were none.
  public var availability: Int64? {
    businessMs > 0 ? (businessMs - outageMs) * 1_000_000 / businessMs : nil
  }

  /// Milliseconds of outage in business hours that the target would still allow; negative when it is spent.
  public var budgetMs: Int64 { businessMs * (1_000_000 - Self.target) / 1_000_000 - outageMs }

  /// The value below which `permille` of a thousand lie; nil of none.
  public static func quantile(_ permille: Int, of values: [Int64]) -> Int64? {
    guard !values.isEmpty else { return nil }
    let sorted = values.sorted()
    return sorted[min(sorted.count - 1, sorted.count * permille / 1000)]
  }

  private static func rows(
    businessMs: Int64, outageMs: Int64, failoversMs: [Int64], emergenciesMs: [Int64]
  ) -> [Row] {
    func percent(_ millionths: Int64) -> String {
      let rest = String(millionths % 10_000)
      let zeros = String(repeating: "0", count: 4 - rest.utf8.count)
      return "\(millionths / 10_000).\(zeros)\(rest) %"
    }
    let available = businessMs > 0 ? (businessMs - outageMs) * 1_000_000 / businessMs : nil
    func worst(_ values: [Int64], below limit: Int64) -> (String?, Bool?) {
      guard let most = values.max(), let middle = quantile(500, of: values) else {
        return ("none happened", nil)
      }
      return ("median \(middle) ms, worst \(most) ms of \(values.count)", most < limit)
    }
    let failover = worst(failoversMs, below: 10_000)
    let ceiling = worst(failoversMs, below: 30_000)
    let emergency = worst(emergenciesMs, below: 5_000)
    return [
      Row(
        name: "uptime in business hours", target: "99.9 %", measured: available.map(percent),
        isMet: available.map { $0 >= target }),
      Row(
        name: "failover to backup", target: "below 10 s", measured: failover.0, isMet: failover.1),
      Row(
        name: "failover timeout", target: "30 s", measured: ceiling.0, isMet: ceiling.1),
      Row(
        name: "emergency transfer", target: "below 5 s", measured: emergency.0,
        isMet: emergency.1),
      Row(name: "SIP trunk uptime", target: "99.5 %", measured: nil, isMet: nil),
      Row(name: "pickup", target: "below 2 s", measured: nil, isMet: nil),
      Row(name: "voice latency", target: "below 200 ms", measured: nil, isMet: nil),
      Row(name: "call completion", target: "99 %", measured: nil, isMet: nil),
      Row(name: "speech recognition errors", target: "below 5 %", measured: nil, isMet: nil),
      Row(name: "transfer with context", target: "below 30 s, 100 %", measured: nil, isMet: nil),
    ]
  }
}
