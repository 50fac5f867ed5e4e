import Adapters
import Audit
import Durable
import Encoding
import FaultInjection
import Foundation
import Testing
import Threading

@testable import Views

@Suite(.timeLimit(.minutes(30))) struct ForwarderTests {
  private func forwarder(
    _ small: SmallLog, _ sink: any EntrySink, _ positions: any SinkPositionStore,
    ageLimit: Duration = .seconds(60)
  ) -> Forwarder {
    Forwarder(
      Forwarder.Configuration(name: "siem", ageLimit: ageLimit), log: small.log, sink: sink,
      positions: positions, clock: small.clock)
  }

  /// Delivers everything, as a process that starts anew after each failure.
  private func deliver(
    _ small: SmallLog, _ sink: FragileSink, _ positions: FragilePositions
  ) async throws -> Int {
    let size = await small.size
    var failures = 0
    var runner = forwarder(small, sink, positions)
    for _ in 0..<100 {
      do {
        try await runner.deliver()
      } catch is Broken {
        failures += 1
        await sink.abandon()
        runner = forwarder(small, sink, positions)
      }
      // Nothing may be called delivered that the receiver has not kept.
      let next = try await positions.bytes.map { try SinkPosition(parsing: $0).next } ?? 0
      let kept = Set(await sink.kept.joined())
      #expect((0..<next).allSatisfy { kept.contains($0) })
      if next == size { return failures }
    }
    Issue.record("not everything was delivered")
    return failures
  }

  @Test func everyEntryArrivesInOrderWhicheverCallFails() async throws {
    let small = try await SmallLog()
    try await small.record(20)
    let size = await small.size
    var call = 0
    while true {
      call += 1
      let sink = FragileSink(failing: call)
      let failures = try await deliver(small, sink, FragilePositions())
      let kept = await sink.kept
      #expect(Set(kept.joined()) == Set(0..<size))
      for session in kept {
        #expect(
          session == Array((session.first ?? 0)..<(session.first ?? 0) + Int64(session.count)))
        #expect(session.count <= 7)
      }
      if failures == 0 {
        // Without a failure nothing comes twice.
        #expect(Array(kept.joined()) == Array(0..<size))
        break
      }
    }
    #expect(call > 8)
  }

  @Test(arguments: [false, true])
  func everyEntryArrivesWhenItsPositionIsNotStored(afterStoring: Bool) async throws {
    let small = try await SmallLog()
    try await small.record(20)
    for store in 1...4 {
      let sink = FragileSink(failing: 0)
      let failures = try await deliver(
        small, sink, FragilePositions(failing: store, afterStoring: afterStoring))
      #expect(failures == 1)
      #expect(Set(await sink.kept.joined()) == Set(0..<(await small.size)))
    }
  }

  @Test func aPositionOfAnotherLogStopsTheSinkAndIsKept() async throws {
    let small = try await SmallLog()
    try await small.record(5)
    let leaf = try await small.log.leafHash(at: 2)
    let origin = small.log.configuration.origin
    let wrong = [
      SinkPosition(origin: "other", last: nil),
      SinkPosition(origin: origin, last: LogPosition(index: 3, leafHash: leaf)),
      SinkPosition(origin: origin, last: LogPosition(index: 99, leafHash: leaf)),
    ]
    for position in wrong {
      let bytes = try #require(position).encoded
      let positions = FragilePositions(bytes)
      let sink = FragileSink(failing: 0)
      let error = await #expect(throws: SinkError.self) {
        try await forwarder(small, sink, positions).deliver()
      }
      #expect(error?.code == .foreign)
      #expect(await positions.bytes == bytes)
      #expect(await sink.kept.isEmpty)
    }
    let right = SinkPosition(origin: origin, last: LogPosition(index: 2, leafHash: leaf))
    let sink = FragileSink(failing: 0)
    try await forwarder(small, sink, FragilePositions(try #require(right).encoded)).deliver()
    #expect(await sink.kept.first?.first == 3)
  }

  private struct NoHolds: PruningHolds {
    func objectThatMustStay(
      among objects: Set<Identifier>, youngerThan cutoff: Timestamp
    ) async throws -> Identifier? { nil }
  }

  /// A place below the first entry that is left is of this log: the sink goes on and tells what it missed.
  @Test func aSinkBehindAPrunedEdgeGoesOnFromIt() async throws {
    let small = try await SmallLog(retention: .zero)
    try await small.record(600)
    let origin = small.log.configuration.origin
    let leaf = try await small.log.leafHash(at: 99)
    let early = try #require(
      SinkPosition(origin: origin, last: LogPosition(index: 99, leafHash: leaf)))
    let atEdge = try #require(
      SinkPosition(
        origin: origin,
        last: LogPosition(index: 511, leafHash: try await small.log.leafHash(at: 511))))
    #expect(
      try await small.log.prune(before: 600, by: small.log.system, holds: NoHolds()) == 512)
    for (bytes, skipped) in [
      (early.encoded, 412), (nil, 512), (atEdge.encoded, 0),
    ] as [([UInt8]?, Int)] {
      let sink = FragileSink(failing: 0, entries: 1000)
      let runner = forwarder(small, sink, FragilePositions(bytes))
      try await runner.deliver()
      #expect(runner.status.skipped == Int64(skipped))
      #expect(await sink.kept.first?.first == 512)
      #expect(runner.status.next == (await small.size))
      #expect(runner.status.trouble == nil)
    }
    let lie = try #require(
      SinkPosition(origin: origin, last: LogPosition(index: 520, leafHash: leaf)))
    let error = await #expect(throws: SinkError.self) {
      try await forwarder(small, FragileSink(failing: 0), FragilePositions(lie.encoded)).deliver()
    }
    #expect(error?.code == .foreign)
  }

  @Test func whatWaitsTooLongAlarms() async throws {
    let small = try await SmallLog()
    let sink = FragileSink(failing: 1)
    let runner = forwarder(small, sink, FragilePositions(), ageLimit: .seconds(60))
    await #expect(throws: Broken.self) { try await runner.deliver() }
    #expect(runner.status.trouble == nil)
    small.clock.advance(by: 61_000)
    #expect(runner.status.age > .seconds(60))
    #expect((runner.status.trouble as? SinkError)?.code == .late)
    try await runner.deliver()
    #expect(runner.status.trouble == nil)
    #expect(runner.status.next == (await small.size))
    #expect(runner.status.delivered == (await small.size))
  }

  @Test func pausesGrowToAMinute() {
    var backoff = SinkBackoff()
    let pauses = (0..<8).map { _ in backoff.failed() }
    #expect(pauses == [1, 2, 4, 8, 16, 32, 60, 60].map { .seconds($0) })
    backoff.succeeded()
    #expect(backoff.failed() == .seconds(1))
  }
}

@Suite(.timeLimit(.minutes(30))) struct LineFileSinkTests {
  /// One session after the other, until one call of the disk fails; then the rest with a sound disk.
  @Test(arguments: FaultPlan.all)
  func everyEntryIsAWholeLineWhicheverCallFails(_ plan: FaultPlan) async throws {
    let small = try await SmallLog()
    try await small.record(6)
    let views = try await small.views()
    let runs = try await plan.failEachCall {
      try TemporaryDirectory()
    } operation: { folder, files in
      let sink = try LineFileSink(folder.path, clock: small.clock, on: files)
      var confirmed = 0
      var failures = 0
      while confirmed < views.count, failures < 3 {
        do {
          try await sink.begin()
          let end = min(confirmed + 3, views.count)
          try await sink.send(Array(views[confirmed..<end]))
          try await sink.end()
          confirmed = end
        } catch {
          failures += 1
          await sink.abandon()
          try self.check(folder, views, confirmed: confirmed, isWhole: false)
        }
      }
    } afterwards: { folder, _, _ in
      // What another process finds.
      let sink = try LineFileSink(folder.path, clock: small.clock)
      try await sink.begin()
      try await sink.send(views)
      try await sink.end()
      try self.check(folder, views, confirmed: views.count, isWhole: true)
    }
    #expect(runs > 4)
  }

  /// Every entry that was confirmed stands in the files as a line of its own.
  private func check(
    _ folder: TemporaryDirectory, _ views: [EntryView], confirmed: Int, isWhole: Bool
  ) throws {
    var lines: [[UInt8]] = []
    for name in try folder.names() {
      let file = try FileHandle(forReadingFrom: URL(filePath: folder.path + "/" + name))
      let bytes = [UInt8](try file.readToEnd() ?? Data())
      if isWhole { #expect(bytes.isEmpty || bytes.last == 0x0A) }
      lines += bytes.split(separator: 0x0A).map { Array($0) + [0x0A] }
    }
    for view in views[..<confirmed] {
      #expect(lines.contains(view.jsonLine), "entry \(view.entry.index) is not there")
    }
    guard isWhole else { return }
    let known = Set(views.map(\.jsonLine))
    #expect(lines.allSatisfy { known.contains($0) }, "a torn line stayed")
  }
}
