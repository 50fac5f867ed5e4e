import Audit
import Drivers
import Encoding
import Foundation
import Testing

/// What every store of a log must do; a new store adds itself to ``StoreUnderTest/all``.
struct StoreUnderTest: Sendable, CustomStringConvertible {
  let description: String
  /// Opens the store of this harness; called again after a restart.
  let open: @Sendable (Harness) async throws -> any LogStore

  static let all: [StoreUnderTest] = [
    StoreUnderTest(description: "files") { try FileLogStore($0.layout) }
  ]
}

@Suite struct LogStoreConformance {
  private let head = Array("head".utf8)

  @Test(arguments: StoreUnderTest.all)
  func whatIsAppendedIsThereAfterARestart(store: StoreUnderTest) async throws {
    let harness = try Harness()
    var log = try await store.open(harness)
    #expect(try await log.journalSegments().isEmpty)
    try await log.beginJournal(at: 0, with: [], reserving: 4096)
    try await log.append([1, 2, 3], from: 0, to: 2)
    try await log.append([4], from: 2, to: 3)
    log = try await store.open(harness)
    #expect(try await log.journalSegments() == [0])
    #expect(try await log.journal(beginningAt: 0) == [1, 2, 3, 4])
    try await log.renewJournal(beginningAt: 0, with: [1, 2, 3])
    try await log.beginJournal(at: 3, with: head, reserving: 4096)
    try await log.append([5], from: 3, to: 4)
    log = try await store.open(harness)
    #expect(try await log.journalSegments() == [0, 3])
    #expect(try await log.journal(beginningAt: 0) == [1, 2, 3])
    #expect(try await log.journal(beginningAt: 3) == head + [5])
    try await log.removeJournal(beginningBefore: 3)
    #expect(try await log.journalSegments() == [3])
    try await log.removeJournal(beginningBefore: 3)
    #expect(try await log.journalSegments() == [3])
  }

  @Test(arguments: StoreUnderTest.all)
  func aWriterAtAnotherSizeIsRefusedForGood(store: StoreUnderTest) async throws {
    let harness = try Harness()
    let log = try await store.open(harness)
    defer { withExtendedLifetime(harness) {} }
    await #expect(throws: (any Error).self) { try await log.append([1], from: 0, to: 1) }
    try await log.beginJournal(at: 0, with: [], reserving: 4096)
    try await log.append([1], from: 0, to: 1)
    await #expect(throws: (any Error).self) { try await log.append([2], from: 0, to: 1) }
    await #expect(throws: (any Error).self) { try await log.append([2], from: 5, to: 6) }
    #expect(try await log.journal(beginningAt: 0) == [1])
  }

  @Test(arguments: StoreUnderTest.all)
  func aPieceWithoutEntriesIsReplaced(store: StoreUnderTest) async throws {
    let harness = try Harness()
    let log = try await store.open(harness)
    defer { withExtendedLifetime(harness) {} }
    try await log.beginJournal(at: 7, with: [9, 9, 9], reserving: 4096)
    try await log.beginJournal(at: 7, with: head, reserving: 4096)
    #expect(try await log.journalSegments() == [7])
    #expect(try await log.journal(beginningAt: 7) == head)
  }

  @Test(arguments: StoreUnderTest.all)
  func aPublicationIsReadBackAndMayBeRepeated(store: StoreUnderTest) async throws {
    let harness = try Harness()
    var log = try await store.open(harness)
    #expect(try await log.published("checkpoint") == nil)
    #expect(try await log.published("tile/0/000") == nil)
    #expect(try await log.openings(ofBundle: 0) == nil)
    var publication = Publication(
      openings: [(0, frame(1)), (1, frame(2))],
      full: [.init(path: "tile/0/000", bytes: [1]), .init(path: "tile/entries/000", bytes: [2])],
      partial: [
        .init(path: "tile/0/001.p/3", bytes: [3]), .init(path: "tile/0/x001/234.p/5", bytes: [4]),
      ],
      history: "checkpoints/2026-11", checkpoint: Array("first\n".utf8))
    for _ in 0..<2 { try await log.publish(publication) }
    log = try await store.open(harness)
    try await log.publish(publication)
    #expect(try await log.published("checkpoint") == publication.checkpoint)
    for file in publication.full + publication.partial {
      #expect(try await log.published(file.path) == file.bytes)
    }
    // A repeated opening is the same one; the reader takes the last.
    #expect(try await log.openings(ofBundle: 0)?.suffix(frame(1).count) == frame(1)[...])
    let record: [UInt8] = [0, 6] + publication.checkpoint
    #expect(try await log.published("checkpoints/2026-11")?.suffix(record.count) == record[...])
    publication.checkpoint = Array("second\n".utf8)
    try await log.publish(publication)
    #expect(
      try await log.published("checkpoints/2026-11")?.suffix(record.count + 9)
        == (record + [0, 7] + publication.checkpoint)[...])
  }

  @Test(arguments: StoreUnderTest.all)
  func aHistoryNeverGoesBackToAnEarlierMonth(store: StoreUnderTest) async throws {
    let harness = try Harness()
    func publish(_ month: String, _ checkpoint: [UInt8], on log: any LogStore) async throws {
      try await log.publish(
        Publication(
          openings: [], full: [], partial: [], history: "checkpoints/\(month)",
          checkpoint: checkpoint))
    }
    var log = try await store.open(harness)
    try await publish("2026-11", [1], on: log)
    try await publish("2026-12", [2], on: log)
    try await publish("2026-11", [3], on: log)
    log = try await store.open(harness)
    try await publish("2026-10", [4], on: log)
    #expect(try await log.published("checkpoints/2026-10") == nil)
    #expect(try await log.published("checkpoints/2026-11") == [0, 1, 1])
    #expect(try await log.published("checkpoints/2026-12") == [0, 1, 2, 0, 1, 3, 0, 1, 4])
    #expect(try await log.historyMonths() == ["2026-11", "2026-12"])
    #expect(try await log.history(of: "2026-12", from: 3, count: 4) == [0, 1, 3, 0])
    #expect(try await log.history(of: "2026-12", from: 7, count: 9) == [1, 4])
    #expect(try await log.history(of: "2026-12", from: 9, count: 9) == [])
    #expect(try await log.history(of: "2026-10", from: 0, count: 9) == nil)
    #expect(try await log.history(of: "../checkpoint", from: 0, count: 9) == nil)
  }

  @Test(arguments: StoreUnderTest.all)
  func appendingGoesOnWhilePublishing(store: StoreUnderTest) async throws {
    let harness = try Harness()
    let log = try await store.open(harness)
    defer { withExtendedLifetime(harness) {} }
    try await log.beginJournal(at: 0, with: [], reserving: 4096)
    try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask {
        for size in 0..<Int64(50) { try await log.append([7], from: size, to: size + 1) }
      }
      group.addTask {
        for number in 0..<20 {
          try await log.publish(
            Publication(
              openings: [], full: [.init(path: "tile/0/0\(number + 10)", bytes: [1])], partial: [],
              history: nil, checkpoint: [UInt8(number)]))
        }
      }
      try await group.waitForAll()
    }
    #expect(try await log.journal(beginningAt: 0).count == 50)
    #expect(try await log.published("checkpoint") == [19])
  }

  @Test(arguments: StoreUnderTest.all)
  func theSnapshotIsReplacedWhole(store: StoreUnderTest) async throws {
    let harness = try Harness()
    var log = try await store.open(harness)
    #expect(try await log.snapshot() == nil)
    try await log.saveSnapshot([1, 2])
    try await log.saveSnapshot([3])
    log = try await store.open(harness)
    #expect(try await log.snapshot() == [3])
  }

  /// One frame as the journal has it: u32be length, type 2, body, 16 bytes of SHA-256.
  private func frame(_ number: UInt8) -> [UInt8] {
    frames[Int(number) - 1]
  }

  private let frames: [[UInt8]] = [
    [
      0, 0, 0, 3, 2, 1, 1, 1, 121, 158, 71, 206, 73, 70, 214, 241, 212, 135, 51, 93, 8, 18, 89, 116,
    ],
    [
      0, 0, 0, 3, 2, 2, 2, 2, 187, 114, 180, 228, 235, 41, 220, 89, 50, 134, 104, 243, 46, 5, 17,
      227,
    ],
  ]
}
