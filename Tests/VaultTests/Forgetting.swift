import Audit
import Cryptography
import Drivers
import Durable
import Encoding
import Foundation
import Retention
import Synchronization
import Testing
import Threading

@testable import Vault

/// A clock that tests move.
final class MovedClock: WallClock {
  private let machine = SystemClock()
  private let moved = Mutex<Int64>(0)

  func read() -> ClockReading {
    let reading = machine.read()
    let by = moved.withLock { $0 }
    // Nothing vouches for it: a machine whose clock was set in its firmware looks like this.
    return ClockReading(milliseconds: reading.milliseconds + by, state: .unsynced)
  }

  func hasPassed(_ milliseconds: Int64) {}

  func move(days: Double) { moved.withLock { $0 += Int64(days * 86_400_000) } }
}

/// Anchors that answer what a test says, over the log as it is when they are asked.
final class TestTimes: OutsideTimes {
  private let answers = Mutex<[HeadConfirmation]>([])
  /// The true time; nil: nobody answers.
  let now = Mutex<(@Sendable () -> Int64)?>(nil)
  private let log = Mutex<AuditLog?>(nil)
  private let clock: any WallClock

  init(_ clock: any WallClock) { self.clock = clock }

  func attach(_ log: AuditLog) { self.log.withLock { $0 = log } }

  func refresh() async {
    guard let time = now.withLock({ $0 }), let log = log.withLock({ $0 }) else { return }
    let size = await log.durableHead.size
    answers.withLock {
      $0 = [
        HeadConfirmation(
          kind: .authority, name: "timestamp", size: size,
          time: Timestamp(milliseconds: time()),
          received: Timestamp(milliseconds: clock.read().milliseconds))
      ]
    }
  }

  /// The time that was told last.
  var answered: Timestamp? { answers.withLock { $0.last?.time } }

  func confirmations() async throws -> [HeadConfirmation] { answers.withLock { $0 } }
}

/// A practice that forgets: its clock, its two approvers, and calls of any age.
final class Forgetting: Sendable {
  let practice: Practice
  let clock: MovedClock
  let times: TestTimes
  static let policy = """
    v: 2
    version: "test"
    owner: records manager
    default: recording
    state: US-MI
    jurisdictions:
      US: {majority: 18, cite: test, confirmed: true}
    classes:
      recording:
        owner: records manager
        rules:
          - {rule: service, version: "1", after: date-of-service, keep: 7y, cite: test, confirmed: true, effective: "2000-01-01"}
      minor:
        owner: records manager
        rules:
          - {rule: service, version: "1", after: date-of-service, keep: 7y, cite: test, confirmed: true, effective: "2000-01-01"}
          - {rule: age, version: "1", after: majority, keep: 7y, cite: test, confirmed: true, effective: "2000-01-01"}
    purge: {cite: test, owner: test, grace: 2d, percent: 100, recordings: 1000, window: 30d, sweep: propose, approvers: [privacy-officer, records-manager]}
    quarantines: {}
    """

  static func schedule(_ text: String = policy) throws -> RetentionSchedule {
    try RetentionSchedule(parsing: Array(text.utf8), file: "test")
  }

  init(
    _ text: String = Forgetting.policy, home: KeyHome = KeyHome(),
    objectsOn files: any FileSystem = LinuxFileSystem()
  ) async throws {
    let clock = MovedClock()
    self.clock = clock
    practice = try await Practice.new(
      objectsOn: files, home: home, clock: clock, retention: try Self.schedule(text))
    times = TestTimes(clock)
    try await Self.prepare(practice, times)
  }

  private init(after practice: Practice, _ clock: MovedClock, _ times: TestTimes) async throws {
    self.practice = practice
    self.clock = clock
    self.times = times
    try await Self.prepare(practice, times)
  }

  private static func prepare(_ practice: Practice, _ times: TestTimes) async throws {
    times.attach(practice.log)
    practice.vault.keep(
      RetentionPlaces(
        plans: try FilePlanStore(
          practice.folder.path + "/plans", below: practice.folder.path), times: times,
        copies: [DestructionPlace(kind: "live", property: "test")], software: "callvault 0.0.0"))
  }

  /// The same after a stop without warning, and under another policy if one is given.
  func restarted(under schedule: RetentionSchedule? = nil) async throws -> Forgetting {
    try await Forgetting(after: practice.restarted(retention: schedule), clock, times)
  }

  /// A copy of the folder, opened like it.
  func reopened(_ folder: URL) async throws -> Forgetting {
    try await Forgetting(after: practice.reopened(folder, practice.home), clock, times)
  }

  var vault: Vault { practice.vault }

  /// Outside time is our clock's from now on, or that of a machine that nobody moved.
  func anchors(trueTime: Bool = false) {
    let clock = clock
    let machine = SystemClock()
    times.now.withLock {
      $0 = { @Sendable in
        trueTime ? machine.read().milliseconds : clock.read().milliseconds
      }
    }
  }

  func manager(_ name: String = "Manager") async throws -> Caller {
    try await practice.caller(.recordsManager, named: name)
  }

  func officer() async throws -> Caller {
    try await practice.caller(.privacyOfficer, named: "Officer")
  }

  func approvePolicy() async throws {
    let hash = vault.retention.hash
    try await vault.keepPolicies([Array(Self.policy.utf8)])
    _ = try await vault.approveRetention(hash, as: manager())
    _ = try await vault.approveRetention(hash, as: officer())
  }

  /// A call of so many years ago with one recording.
  @discardableResult
  func call(
    yearsAgo years: Int = 8, from: String = "+13135550142", to: String = "+13135550100",
    callExtension: String? = nil, bytes: [UInt8] = [UInt8](repeating: 7, count: 100)
  ) async throws -> RecordingReceipt {
    let system = try await practice.phoneSystem()
    let started = OffsetTime(
      instant: Timestamp(
        milliseconds: SystemClock().read().milliseconds - Int64(years) * 365 * 86_400_000
          - 10 * 86_400_000), offsetMinutes: -300)
    let call = try await vault.createCall(
      NewCall(
        source: "3cx", sourceID: Identifier.random().description, started: started, from: from,
        to: to, callExtension: callExtension), as: system)
    return try await practice.store(bytes, in: call.call, as: system)
  }

  /// Plans and approves, by two, so that its grace begins.
  func approvedPlan(typed: CivilDate? = nil) async throws -> KnownPlan {
    let plan = try await vault.planPurge(as: manager())
    _ = try await vault.approveRetention(plan.row.hash, typed: typed, as: manager())
    _ = try await vault.approveRetention(plan.row.hash, typed: typed, as: officer())
    return plan
  }

  func stage(_ plan: KnownPlan) async throws -> PurgeProcedure.Stage? {
    try await practice.catalog.plan(plan.row.hash)?.stage
  }

  func isThere(_ receipt: RecordingReceipt) async throws -> Bool {
    try await practice.catalog.call(receipt.call) != nil
  }

  func certificate(_ name: CertificateName) async throws -> JSONObject {
    let note = try await vault.certificate(name, as: manager())
    let statement = try Statement(
      parsing: note, as: .destruction, fields: ["certificate"], key: practice.log.verifierKey)
    return try #require(try JSONValue(parsing: Array(statement.fields[0].value.utf8)).object)
  }
}

func refuses(
  _ code: VaultError.Code, sourceLocation: SourceLocation = #_sourceLocation,
  _ body: () async throws -> Void
) async {
  do {
    try await body()
    Issue.record("nothing was thrown", sourceLocation: sourceLocation)
  } catch {
    #expect((error as? VaultError)?.code == code, "\(error)", sourceLocation: sourceLocation)
  }
}
