import Audit
import Cryptography
import Drivers
import Encoding
import FaultInjection
import Foundation
import Testing
import Threading
import Views

/// A log in a folder of its own, with nobody in it.
final class SmallLog: Sendable {
  let directory: TemporaryDirectory
  let log: AuditLog
  let clock = CountingClock()

  init(
    at directory: TemporaryDirectory? = nil, tenant: Identifier = .random(),
    retention: Duration? = nil
  ) async throws {
    self.directory = try directory ?? TemporaryDirectory()
    let origin = "vault.example/callvault"
    let seed = [UInt8](0..<32)
    var configuration = LogConfiguration(
      origin: origin, tenant: tenant, node: try #require(NodeName("n1")),
      software: try #require(SoftwareName("callvault 0.1.0")))
    if let retention { configuration.retention = retention }
    log = try await AuditLog.open(
      configuration,
      store: try FileLogStore(StorageLayout(root: self.directory.path)),
      signer: try NoteSigner(name: origin, seed: SecretBytes(copying: unsafe seed.span.bytes)),
      openings: PlainOpenings(), subjects: NoSubjects(), clock: clock)
  }

  func record(_ count: Int) async throws {
    for _ in 0..<count {
      var draft = EntryDraft(.recordingOpened, .single, by: log.system, on: [.random()])
      draft.outcome = .success
      _ = try await log.record(draft)
    }
  }

  var size: Int64 { get async { await log.durableHead.size } }

  func views() async throws -> [EntryView] {
    try await log.entries(matching: EntryFilter(), limit: 1000).entries.map {
      EntryView($0, origin: log.configuration.origin)
    }
  }
}

/// A millisecond later each time it is read.
final class CountingClock: WallClock {
  private let time = Lock<Int64>(1_795_188_000_000)

  func read() -> ClockReading {
    time.withLock { time in
      time += 1
      return ClockReading(milliseconds: time, state: .synced)
    }
  }

  func hasPassed(_ milliseconds: Int64) {}
  func advance(by milliseconds: Int64) { time.withLock { $0 += milliseconds } }
}

private struct PlainOpenings: OpeningSealer {
  func seal(_ opening: [UInt8], at address: OpeningAddress) -> [UInt8] { opening }
  func open(_ sealed: [UInt8], at address: OpeningAddress) -> [UInt8] { sealed }
  func isErased(_ sealed: [UInt8], at address: OpeningAddress) -> Bool { false }
}

private struct NoSubjects: SubjectLedger {
  func countedPosition() -> LogPosition? { nil }
  func countedEntries(of subjects: [Identifier]) -> [Identifier: Int64] { [:] }
  func storeCounts(_ counts: [SubjectCount], through position: LogPosition) {}
}

struct Broken: Error {}

/// A receiver in memory of which one chosen call fails; what it took in a session that was not ended
/// is lost with it, as in a receiver that is killed.
actor FragileSink: EntrySink {
  nonisolated let pace: SinkPace
  /// Which call fails, counted from 1.
  private let failing: Int
  private var calls = 0
  private var session: [Int64]?
  private(set) var kept: [[Int64]] = []
  private(set) var broken = 0

  init(failing: Int, entries: Int = 7) {
    self.failing = failing
    pace = SinkPace(entries: entries, span: .zero)
  }

  private func step() throws {
    calls += 1
    guard calls == failing else { return }
    session = nil
    broken += 1
    throw Broken()
  }

  func begin() throws {
    #expect(session == nil, "a session begins within another")
    try step()
    session = []
  }

  func send(_ entries: [EntryView]) throws {
    try step()
    session?.append(contentsOf: entries.map(\.entry.index))
  }

  func check() throws { try step() }

  func end() throws {
    try step()
    if let session { kept.append(session) }
    session = nil
  }

  func abandon() { session = nil }
}

/// Positions in memory of which one chosen store fails, before or after it is done.
actor FragilePositions: SinkPositionStore {
  private(set) var bytes: [UInt8]?
  private let failing: Int
  private let isStored: Bool
  private var stores = 0

  init(_ bytes: [UInt8]? = nil, failing: Int = 0, afterStoring isStored: Bool = false) {
    self.bytes = bytes
    self.failing = failing
    self.isStored = isStored
  }

  func load() -> [UInt8]? { bytes }

  func store(_ bytes: [UInt8]) throws {
    stores += 1
    if stores != failing || isStored { self.bytes = bytes }
    if stores == failing { throw Broken() }
  }
}
