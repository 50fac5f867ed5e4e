import Audit
import Cryptography
import Drivers
import Encoding
import Foundation
import Testing
import Threading

@testable import Vault

/// Storage that was changed, or that fails where nobody waits for it.
@Suite struct HostileStorageTests {
  @Test func aLengthThatTheSegmentsDoNotHaveIsTampered() async throws {
    let practice = try await Practice.new()
    let receipt = try await practice.recording()
    let clinician = try await practice.caller(.clinician)
    try practice.sql("UPDATE recording SET plaintext_length = plaintext_length + 1")
    let error = await #expect(throws: VaultError.self) {
      try await practice.read(receipt.recording, as: clinician)
    }
    #expect(error?.code == .tampered)
  }

  @Test func durationsThatOverflowAreNoTrap() async throws {
    let practice = try await Practice.new(
      inspector: CountingInspector(AudioFacts(condition: .sound, durationMilliseconds: .max)))
    let first = try await practice.recording()
    _ = try await practice.store([9, 9], in: first.call, as: practice.phoneSystem())
    let clinician = try await practice.caller(.clinician)
    let facts = try await practice.vault.call(first.call, as: clinician, purpose: nil)
    #expect(facts.summary.durationMilliseconds == .max)
  }

  @Test func aScopeThatCannotBeReadWidensNothing() async throws {
    let practice = try await Practice.new()
    let token = try await practice.vault.createToken(
      named: "confined", role: .clinician, scopes: [#require(Scope("location=North"))],
      as: practice.administrator())
    try practice.sql("UPDATE token SET scopes = 'place=North'")
    let error = await #expect(throws: VaultError.self) {
      try await practice.vault.authenticate(
        token: token.token.text, via: "192.0.2.7", request: .random())
    }
    #expect(error?.code == .tampered)
  }

  /// A duplicate whose object cannot be removed is one attempt with one outcome.
  @Test func anObjectThatStaysMakesNoSecondOutcome() async throws {
    let practice = try await Practice.new()
    let receipt = try await practice.recording([1, 2, 3])
    let vault = try await Vault.open(
      practice.vault.configuration, policy: practice.vault.policy,
      retention: practice.vault.retention, catalog: practice.catalog,
      blobs: StickyBlobs(store: practice.blobs), log: practice.log, keys: practice.keys,
      inspector: practice.inspector, clock: SystemClock())
    let system = try await practice.phoneSystem()
    let entries = try await practice.entriesOf {
      var body: [UInt8]? = [1, 2, 3]
      _ = await #expect(throws: VaultError.self) {
        try await vault.storeRecording(in: receipt.call, as: system) {
          defer { body = nil }
          return body
        }
      }
    }
    #expect(entries.map(\.phase) == [.intent, .outcome])
  }

  @Test func nothingIsSweptWhileTheClockJumps() async throws {
    let practice = try await Practice.new()
    let name = try BlobName.random()
    let writer = try await practice.blobs.create(name)
    try await writer.append([1, 2, 3])
    try await writer.commit()
    for (state, swept) in [(ClockReading.State.stepped, 0), (.synced, 1)] {
      let vault = try await Vault.open(
        practice.vault.configuration, policy: practice.vault.policy,
        retention: practice.vault.retention, catalog: practice.catalog, blobs: practice.blobs,
        log: practice.log, keys: practice.keys, inspector: practice.inspector,
        clock: TomorrowsClock(state: state))
      #expect(try await vault.sweepOrphans() == swept)
    }
  }

  @Test(.timeLimit(.minutes(30)))
  func whatFailsWhileNobodyWaitsIsInTheHealth() async throws {
    let practice = try await Practice.new()
    let objects = practice.folder.appending(path: "objects")
    try FileManager.default.removeItem(at: objects)
    let running = Task { await practice.vault.run() }
    let limit = ContinuousClock.now + .seconds(300)
    var failing: [String] = []
    while failing.isEmpty, ContinuousClock.now < limit {
      try await Task.sleep(for: .milliseconds(5))
      failing = await practice.vault.health().upkeep.filter { $0.failure != nil }.map(\.name)
    }
    #expect(failing == ["orphans"])
    running.cancel()
    await running.value
  }
}

/// Objects that cannot be removed.
private struct StickyBlobs: BlobStore {
  let store: FileBlobStore

  func create(_ name: BlobName) async throws(VaultError) -> any BlobWriter {
    try await store.create(name)
  }
  func open(_ name: BlobName) async throws(VaultError) -> any BlobReader {
    try await store.open(name)
  }
  func replace(_ name: BlobName) async throws(VaultError) -> any BlobWriter {
    try await store.replace(name)
  }
  func remove(_ name: BlobName) async throws(VaultError) {
    throw VaultError(.unavailable, during: "removing an object")
  }
  func names(
    lastChangedBefore time: Timestamp, after cursor: BlobName?, limit: Int
  ) async throws(VaultError) -> [BlobName] {
    try await store.names(lastChangedBefore: time, after: cursor, limit: limit)
  }
  func availableBytes() async throws(VaultError) -> Int64 { try await store.availableBytes() }
}

/// Two days ahead.
private struct TomorrowsClock: WallClock {
  let state: ClockReading.State

  func read() -> ClockReading {
    ClockReading(
      milliseconds: SystemClock().read().milliseconds + 2 * 86_400_000, state: state)
  }

  func hasPassed(_ milliseconds: Int64) {}
}
