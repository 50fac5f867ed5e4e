import Encoding

/// How long each of many calls took, and how long all of them together.
struct Latencies: Sendable {
  private var each: [Duration] = []

  mutating func time<Result>(_ body: () async throws -> Result) async rethrows -> Result {
    let start = ContinuousClock.now
    let result = try await body()
    each.append(ContinuousClock.now - start)
    return result
  }

  init() {}

  /// What all tasks of a group measured.
  init(joining group: inout ThrowingTaskGroup<Latencies, any Error>) async throws {
    for try await part in group { each += part.each }
  }

  /// One line of JSON: calls a second and the time of the median, the 99th hundredth and the worst, in µs.
  func summary(over elapsed: Duration) -> String {
    let sorted = each.sorted()
    func microseconds(_ share: Double) -> JSONValue {
      guard let last = sorted.indices.last else { return .null }
      let place = min(last, Int(Double(sorted.count) * share))
      return .integer(Int64(sorted[place] / .microseconds(1)))
    }
    let line = JSONValue.object(
      JSONObject([
        ("calls", .integer(Int64(sorted.count))),
        ("per_second", .integer(Int64(Double(sorted.count) / (elapsed / .seconds(1))))),
        ("p50_us", microseconds(0.5)), ("p99_us", microseconds(0.99)),
        ("worst_us", microseconds(1)),
      ]))
    return String(decoding: line.encoded(), as: UTF8.self)
  }
}
