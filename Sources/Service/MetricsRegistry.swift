import Threading

/// Counters, gauges and histograms in the text format of Prometheus.
///
/// Labels come from closed lists (route, method, status): nothing a client sent becomes a label, so
/// the number of series is bounded and says nothing of a caller.
public final class MetricsRegistry: Sendable {
  /// What a family of series measures.
  public enum Kind: Sendable {
    /// Only grows.
    case counter
    /// Goes up and down.
    case gauge
    /// Counts observations at or below each bound.
    case histogram(bounds: [Double])

    fileprivate var name: String {
      switch self {
      case .counter: "counter"
      case .gauge: "gauge"
      case .histogram: "histogram"
      }
    }
  }

  /// Bounds, in seconds, from one millisecond to ten seconds.
  public static let seconds: [Double] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10,
  ]

  private struct Histogram {
    var counts: [Int]
    var sum: Double = 0
    var count = 0

    mutating func observe(_ value: Double, _ bounds: [Double]) {
      for (index, bound) in bounds.enumerated() where value <= bound { counts[index] += 1 }
      sum += value
      count += 1
    }
  }

  private struct Family {
    let name: String
    let help: String
    let kind: Kind
    var values: [String: Double] = [:]
    var histograms: [String: Histogram] = [:]
  }

  /// More series than this of one family are dropped: a fault of ours must not fill the memory.
  private static let seriesLimit = 2000

  private let families = Lock<[Family]>([])

  public init() {}

  /// Declares a family; what is not declared is not kept.
  public func declare(_ name: String, _ kind: Kind, help: String) {
    families.withLock { families in
      guard !families.contains(where: { $0.name == name }) else { return }
      families.append(Family(name: name, help: help, kind: kind))
    }
  }

  /// Adds to a counter.
  public func add(_ name: String, _ labels: [(String, String)] = [], by amount: Double = 1) {
    let key = Self.key(labels)
    change(name) { family in
      guard family.values[key] != nil || family.values.count < Self.seriesLimit else { return }
      family.values[key, default: 0] += amount
    }
  }

  /// Sets a gauge.
  public func set(_ name: String, _ labels: [(String, String)] = [], to value: Double) {
    let key = Self.key(labels)
    change(name) { family in
      guard family.values[key] != nil || family.values.count < Self.seriesLimit else { return }
      family.values[key] = value
    }
  }

  /// Counts an observation of a histogram.
  public func observe(_ name: String, _ labels: [(String, String)] = [], _ value: Double) {
    let key = Self.key(labels)
    change(name) { family in
      guard case .histogram(let bounds) = family.kind else { return }
      guard family.histograms[key] != nil || family.histograms.count < Self.seriesLimit else {
        return
      }
      let empty = Histogram(counts: Array(repeating: 0, count: bounds.count))
      family.histograms[key, default: empty].observe(value, bounds)
    }
  }

  /// All families, in the text format 0.0.4.
  public func exposition() -> String {
    var text = ""
    for family in families.withLock({ $0 }) {
      text += "# HELP \(family.name) \(family.help)\n# TYPE \(family.name) \(family.kind.name)\n"
      for (labels, value) in family.values.sorted(by: { $0.key < $1.key }) {
        text += family.name + (labels.isEmpty ? "" : "{\(labels)}") + " \(number(value))\n"
      }
      guard case .histogram(let bounds) = family.kind else { continue }
      for (labels, histogram) in family.histograms.sorted(by: { $0.key < $1.key }) {
        let prefix = labels.isEmpty ? "" : labels + ","
        for (bound, count) in zip(bounds, histogram.counts) {
          text += "\(family.name)_bucket{\(prefix)le=\"\(number(bound))\"} \(count)\n"
        }
        let braces = labels.isEmpty ? "" : "{\(labels)}"
        text += "\(family.name)_bucket{\(prefix)le=\"+Inf\"} \(histogram.count)\n"
        text += "\(family.name)_sum\(braces) \(number(histogram.sum))\n"
        text += "\(family.name)_count\(braces) \(histogram.count)\n"
      }
    }
    return text
  }

  private func change(_ name: String, _ body: (inout Family) -> Void) {
    families.withLock { families in
      guard let index = families.firstIndex(where: { $0.name == name }) else { return }
      body(&families[index])
    }
  }

  private static func key(_ labels: [(String, String)]) -> String {
    labels.map { "\($0.0)=\"\($0.1)\"" }.joined(separator: ",")
  }

  private func number(_ value: Double) -> String {
    if value == value.rounded(), abs(value) < 9e15 { return String(Int64(value)) }
    return String(value)
  }
}
