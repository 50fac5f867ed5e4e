import Testing

@testable import Service

@Suite struct MetricsTests {
  @Test func expositionIsPrometheusText() {
    let metrics = MetricsRegistry()
    metrics.declare("a_total", .counter, help: "Counted.")
    metrics.declare("b_seconds", .histogram(bounds: [0.1, 1]), help: "Timed.")
    metrics.add("a_total", [("kind", "x")])
    metrics.add("a_total", [("kind", "x")], by: 2)
    metrics.observe("b_seconds", [], 0.05)
    metrics.observe("b_seconds", [], 0.5)
    metrics.observe("b_seconds", [], 5)
    metrics.add("undeclared_total")
    #expect(
      metrics.exposition() == """
        # HELP a_total Counted.
        # TYPE a_total counter
        a_total{kind="x"} 3
        # HELP b_seconds Timed.
        # TYPE b_seconds histogram
        b_seconds_bucket{le="0.1"} 1
        b_seconds_bucket{le="1"} 2
        b_seconds_bucket{le="+Inf"} 3
        b_seconds_sum 5.55
        b_seconds_count 3

        """)
  }

  @Test func aFamilyNeverHasMoreSeriesThanItsBound() {
    let metrics = MetricsRegistry()
    metrics.declare("a_total", .counter, help: "Counted.")
    for number in 0..<5000 { metrics.add("a_total", [("n", String(number))]) }
    #expect(metrics.exposition().split(separator: "\n").count == 2002)
  }
}
