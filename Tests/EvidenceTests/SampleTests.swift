import Testing

@testable import callvault

/// Sizes and draws of package.md, 7; verify.py draws the same lists again in the outside tests.
@Suite struct SampleTests {
  /// Sizes for large populations with no expected deviation, as AICPA's table has them.
  @Test(arguments: [(95, 5, 59), (90, 10, 22), (95, 10, 29), (99, 1, 459), (95, 1, 299)])
  func sizesAreThoseOfTheTable(confidence: Int, tolerable: Int, size: Int) {
    #expect(
      AuditSample.size(of: 1_000_000_000, confidence: confidence, tolerable: tolerable) == size)
  }

  @Test func aSmallPopulationIsTakenWhole() {
    #expect(AuditSample.size(of: 0, confidence: 95, tolerable: 5) == 0)
    #expect(AuditSample.size(of: 1, confidence: 95, tolerable: 5) == 1)
    #expect(AuditSample.size(of: 19, confidence: 99, tolerable: 5) == 19)
    for population in 1...2000 as ClosedRange<Int64> {
      let size = AuditSample.size(of: population, confidence: 95, tolerable: 5)
      #expect(size <= Int(population) && size <= 59 + 16)
    }
  }

  @Test func theSameSeedDrawsTheSame() throws {
    func draw(_ seed: String) throws -> [Int64] {
      var sample = try #require(AuditSample(seed: seed, confidence: 95, tolerable: 5))
      for index in 0..<10_000 as Range<Int64> { try sample.take(id: "id-\(index)", index: index) }
      return sample.draw().map(\.index)
    }
    let first = try draw("a")
    #expect(first == (try draw("a")) && first.count == 59)
    #expect(first != (try draw("b")))
    #expect(first == first.sorted() && Set(first).count == 59)
  }

  @Test(arguments: ["", "\u{e4}", "a\"", "a\n", String(repeating: "x", count: 257)])
  func aSeedThatCannotBeWrittenIsRefused(seed: String) {
    #expect(AuditSample(seed: seed, confidence: 95, tolerable: 5) == nil)
  }
}
