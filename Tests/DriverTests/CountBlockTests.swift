import Audit
import ConformanceSuites
import Cryptography
import Database
import Encoding
import FaultInjection
import Testing
import Vault

@testable import Drivers

@Suite struct CountBlockTests {
  private static let bounds: [Int64] = [0, 9, 10, 99, 100, 99_999_999, CountBlock.bound - 1]

  @Test func everyCountIsWhatWasWrittenLast() throws {
    var dice = SystemRandomNumberGenerator()
    var block = CountBlock()
    var expected = Array(repeating: Int64(0), count: CountBlock.size)
    for bound in Self.bounds {
      for offset in [0, 1, 254, 255] + (0..<50).map({ _ in Int.random(in: 0..<256, using: &dice) })
      {
        expected[offset] = Int64.random(in: 0...bound, using: &dice)
        block[offset] = expected[offset]
      }
      block[7] = bound
      expected[7] = bound
      let read = try CountBlock(parsing: block.text)
      #expect((0..<CountBlock.size).map { read[$0] } == expected)
      #expect(read.text == block.text)
      #expect(block.text.utf8.count == CountBlock.size * String(bound).utf8.count)
    }
  }

  @Test func onlyABlockIsReadAsOne() {
    let digit = String(repeating: "0", count: 255)
    for text in [
      "", digit, digit + "00", digit + " ", digit + "-", digit + "٣", "é" + digit.dropFirst(),
      String(repeating: "0", count: 256 * 17), String(repeating: "9", count: 256 * 16),
    ] {
      let error = #expect(throws: DatabaseError.self) { try CountBlock(parsing: text) }
      #expect(error?.code == .damaged)
    }
  }

  @Test(arguments: [-1, CountBlock.bound, .max])
  func aCountOutOfBoundsIsRefusedAndNothingStored(entries: Int64) async throws {
    let directory = try TemporaryDirectory()
    let catalog = try SQLiteCatalog(directory.path + "/catalog.sqlite")
    let (one, other) = (Identifier.random(), Identifier.random())
    let error = await #expect(throws: VaultError.self) {
      try await catalog.storeCounts(
        [SubjectCount(one, 1), SubjectCount(other, entries)], through: Sample.position(9))
    }
    #expect(error?.code == .tampered)
    #expect(try await catalog.countedEntries(of: [one, other]).isEmpty)
    #expect(try await catalog.countedPosition() == nil)
  }

  /// Calls of one page of a search lie near each other, so their counts must.
  @Test func countsLieInTheOrderInWhichTheirSubjectsCame() async throws {
    let directory = try TemporaryDirectory()
    let path = directory.path + "/catalog.sqlite"
    let catalog = try SQLiteCatalog(path)
    let subjects = (0..<600).map { _ in Identifier.random() }
    try await catalog.storeCounts(
      subjects.map { SubjectCount($0, 1) }, through: Sample.position(9))
    // Counting on moves nothing.
    let counts = subjects.enumerated().map { SubjectCount($1, Int64($0 % 300)) }
    try await catalog.storeCounts(counts.reversed(), through: Sample.position(10))
    let reading = try Connection(path, for: .reading)
    let places = try reading.rows("SELECT subject FROM subject_place ORDER BY place") {
      (row) throws(DatabaseError) in try row.identifier(0)
    }
    #expect(places == subjects)
    let blocks = try reading.first("SELECT count(*) FROM subject_count") {
      (row) throws(DatabaseError) in try row.int(0)
    }
    #expect(blocks == 3)
    let found = try await catalog.countedEntries(of: subjects)
    #expect(counts.allSatisfy { found[$0.subject] == $0.entries } && found.count == 600)
  }

  /// A catalog of version 11 has a row for each subject.
  @Test(arguments: [0, 1, 255, 256, 257, 600])
  func singleCountsGoToBlocks(count: Int) async throws {
    let directory = try TemporaryDirectory()
    let path = directory.path + "/catalog.sqlite"
    let counts = (0..<count).map { SubjectCount(.random(), Int64(1 + $0 % 120)) }
    do {
      let older = try Connection(path, for: .writing)
      for step in SQLiteCatalogSchema.steps[..<11] { try older.execute(step) }
      try older.execute("PRAGMA application_id=" + SQL(SQLiteCatalogSchema.applicationID))
      try older.setUserVersion(11)
      for count in counts {
        try older.run(
          "INSERT INTO subject_count (subject, entries) VALUES (?, ?)", count.subject.bytes,
          count.entries)
      }
    }
    let catalog = try SQLiteCatalog(path)
    let found = try await catalog.countedEntries(of: counts.map(\.subject))
    #expect(counts.allSatisfy { found[$0.subject] == $0.entries } && found.count == count)
    // What comes next has the places behind them.
    let next = Identifier.random()
    try await catalog.storeCounts([SubjectCount(next, 5)], through: Sample.position(9))
    #expect(try await catalog.countedEntries(of: [next]) == [next: 5])
    #expect(try await catalog.countedEntries(of: counts.map(\.subject)) == found)
    try await catalog.checkIntegrity()
  }
}
