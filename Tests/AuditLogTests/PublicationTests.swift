import Audit
import Drivers
import Foundation
import Testing

/// What publications leave that do not come to their end.
@Suite struct PublicationTests {
  private func bytes(_ path: String) throws -> [UInt8] {
    Array(try Data(contentsOf: URL(fileURLWithPath: path)))
  }

  /// A disk that takes the files that grow, and no tile or no checkpoint, for as long as it likes.
  @Test(arguments: ["tile", "checkpoint"])
  func whatKeepsFailingDoesNotGrow(obstacle: String) async throws {
    let harness = try Harness()
    let log = try await harness.open()
    _ = try await log.record(harness.draft())
    try await log.publish()
    _ = try await log.record(harness.draft())
    let place = harness.layout.log + "/" + obstacle
    let files = FileManager.default
    try files.moveItem(atPath: place, toPath: place + ".aside")
    if obstacle == "tile" {
      try Data("x".utf8).write(to: URL(fileURLWithPath: place))
    } else {
      try files.createDirectory(atPath: place + "/x", withIntermediateDirectories: true)
    }
    let openings = harness.layout.openings + "/000"
    let month = try #require(
      try files.contentsOfDirectory(atPath: harness.layout.log + "/checkpoints").first)
    let history = harness.layout.log + "/checkpoints/" + month
    var lengths: Set<[Int]> = []
    for _ in 0..<5 {
      await #expect(throws: AuditError.self) { try await log.publish() }
      lengths.insert([try bytes(openings).count, try bytes(history).count])
    }
    #expect(lengths.count == 1)
    try files.removeItem(atPath: place)
    try files.moveItem(atPath: place + ".aside", toPath: place)
    // The next process finds what the last one left, and writes the same once more.
    let reopened = try await harness.open()
    try await reopened.publish()
    let published = try PublishedLog(harness.layout.log, key: harness.key)
    let commitments = try published.parsed().map(\.commits.count).reduce(0, +)
    #expect(JournalFrame.wholeFrames(of: try bytes(openings)).count == commitments)
    #expect(try await OwnVerifier.findings(harness.layout.log, key: harness.key) == [])
  }

  /// A power cut leaves a head's record whole, or zeros where a sector of it was to be.
  @Test(arguments: ["whole", "half", "zeros", "length torn", "sector in the middle"])
  func aRecordOfAHeadThatWasNotPublishedIsCut(left: String) async throws {
    let harness = try Harness()
    let log = try await harness.open()
    _ = try await log.record(harness.draft())
    try await log.publish()
    let folder = harness.layout.log + "/checkpoints"
    let month = try #require(try FileManager.default.contentsOfDirectory(atPath: folder).first)
    let before = try bytes(folder + "/" + month)
    _ = try await log.record(harness.draft())
    let lost = await log.durableHead.note
    var remains = [UInt8(lost.count >> 8), UInt8(lost.count & 0xff)] + lost
    switch left {
    case "half": remains.removeSubrange((remains.count / 2)...)
    case "zeros": remains = [UInt8](repeating: 0, count: remains.count)
    case "length torn": remains = [1] + [UInt8](repeating: 0, count: 600)
    case "sector in the middle":
      remains.replaceSubrange(9..<100, with: [UInt8](repeating: 0, count: 91))
    default: break
    }
    try Data(before + remains).write(to: URL(fileURLWithPath: folder + "/" + month))
    let reopened = try await harness.open()
    try await reopened.publish()
    // The head that was published meanwhile, and nothing else.
    let note = try bytes(harness.layout.log + "/checkpoint")
    let record = [UInt8(note.count >> 8), UInt8(note.count & 0xff)] + note
    #expect(try bytes(folder + "/" + month) == before + record)
    #expect(try await OwnVerifier.findings(harness.layout.log, key: harness.key) == [])
  }

  /// What no crash leaves: the published head's record is changed, or none before it is found any more.
  @Test(arguments: ["published head", "first length"])
  func whatSomebodyDidToTheHistoryStaysThere(place: String) async throws {
    let harness = try Harness()
    let log = try await harness.open()
    for _ in 0..<3 {
      _ = try await log.record(harness.draft())
      try await log.publish()
    }
    let folder = harness.layout.log + "/checkpoints"
    let month = try #require(try FileManager.default.contentsOfDirectory(atPath: folder).first)
    var changed = try bytes(folder + "/" + month)
    changed[place == "first length" ? 0 : changed.count - 2] ^= 1
    try Data(changed).write(to: URL(fileURLWithPath: folder + "/" + month))
    let reopened = try await harness.open()
    try await reopened.publish()
    #expect(try bytes(folder + "/" + month).starts(with: changed))
    #expect(try await !OwnVerifier.findings(harness.layout.log, key: harness.key).isEmpty)
  }

  @Test func openingsBehindADamagedOneAreKept() async throws {
    let harness = try Harness()
    let log = try await harness.open()
    for _ in 0..<3 { _ = try await log.record(harness.draft()) }
    try await log.publish()
    let path = harness.layout.openings + "/000"
    var changed = try bytes(path)
    let count = JournalFrame.wholeFrames(of: changed).count
    changed[20] ^= 1
    try Data(changed).write(to: URL(fileURLWithPath: path))
    let reopened = try await harness.open()
    _ = try await reopened.record(harness.draft())
    try await reopened.publish()
    #expect(JournalFrame.wholeFrames(of: try bytes(path)).count == count)
  }
}
