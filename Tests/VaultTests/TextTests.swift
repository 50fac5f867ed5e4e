import Audit
import Cryptography
import Drivers
import Encoding
import Foundation
import Testing
import Threading

@testable import Vault

@Suite struct TextTests {
  private func transcript(_ text: String) throws -> Transcript {
    try Transcript(
      provider: "whisper", language: "en-US",
      segments: [
        Transcript.Segment(
          speaker: "caller", text: text, startMilliseconds: 0, endMilliseconds: 900,
          confidence: nil)
      ])
  }

  @Test func versionsOfATranscriptAreKeptAndReadBack() async throws {
    let practice = try await Practice.new()
    let call = try await practice.recording().call
    let system = try await practice.phoneSystem()
    for version in 1...3 {
      let entries = try await practice.entriesOf {
        let receipt = try await practice.vault.storeTranscript(
          try transcript("version \(version)"), of: call, as: system)
        #expect(receipt.version == version)
      }
      #expect(entries.map(\.phase) == [.intent, .outcome])
      #expect(entries.last?.digest != nil)
    }
    let clinician = try await practice.caller(.clinician)
    let newest = try await practice.vault.transcript(
      of: call, version: nil, as: clinician, purpose: .treatment)
    #expect(newest.version == 3)
    #expect(newest.versions == 3)
    #expect(newest.transcript == (try transcript("version 3")))
    let entries = try await practice.entriesOf {
      let first = try await practice.vault.transcript(
        of: call, version: 1, as: clinician, purpose: .treatment)
      #expect(first.transcript == (try transcript("version 1")))
      #expect(first.transcript.segments[0].confidence == nil)
    }
    #expect(entries.map(\.action) == [.transcriptOpened, .transcriptOpened])
    #expect(entries.map { $0.parts.map(\.description) } == [["transcript-1"], ["transcript-1"]])
    #expect((entries.last?.released ?? 0) > 0)
    for version in [0, 4, -1] {
      let error = await #expect(throws: VaultError.self) {
        try await practice.vault.transcript(
          of: call, version: version, as: clinician, purpose: .treatment)
      }
      #expect(error?.code == .notFound)
    }
  }

  /// The work on a transcript is done on the reader's thread, and for nobody who may not store it.
  @Test func noConnectionWaitsForATranscriptToBeRead() async throws {
    let practice = try await Practice.new()
    let call = try await practice.recording().call
    let system = try await practice.phoneSystem()
    let metrics = try await practice.caller(.service, "metrics:read")
    let vault = practice.vault
    let text = try transcript("4, 4, 4")
    let (isBusy, becomesBusy) = AsyncStream.makeStream(of: Void.self)
    let release = DispatchSemaphore(value: 0)
    let other = Task {
      await vault.transcripts.stand(still: release) { becomesBusy.finish() }
    }
    for await _ in isBusy {}
    for (caller, call, code, reason) in [
      (metrics, call, VaultError.Code.denied, Reason.outOfScope),
      (system, .random(), .notFound, .notFound),
    ] {
      let entries = try await practice.entriesOf {
        for attempt in [
          { try await vault.admitTranscript(of: call, as: caller) },
          { _ = try await vault.storeTranscript(text, of: call, as: caller) },
        ] {
          let error = await #expect(throws: VaultError.self) { try await attempt() }
          #expect(error?.code == code)
        }
      }
      #expect(entries.map(\.action) == [.transcriptStored, .transcriptStored])
      #expect(entries.allSatisfy { $0.outcome == .refused && $0.phase == .single })
      #expect(entries.allSatisfy { $0.reason == reason })
    }
    // Whoever may is not accounted for by having been let in.
    let admitted = try await practice.entriesOf {
      try await vault.admitTranscript(of: call, as: system)
    }
    #expect(admitted.isEmpty)
    let isStored = Lock(false)
    let storing = Task {
      let receipt = try await vault.storeTranscript(text, of: call, as: system)
      isStored.withLock { $0 = true }
      return receipt
    }
    // Others go on meanwhile.
    for number in 0..<8 {
      _ = try await vault.storeNote(
        "note \(number)", of: call, as: practice.caller(.clinician), purpose: .treatment)
    }
    #expect(!isStored.withLock { $0 })
    release.signal()
    await other.value
    #expect(try await storing.value.version == 1)
  }

  @Test func thirtyTwoAtOnceBecomeThirtyTwoVersions() async throws {
    let practice = try await Practice.new()
    let call = try await practice.recording().call
    let clinician = try await practice.caller(.clinician)
    let versions = try await withThrowingTaskGroup(of: Int.self) { group in
      for number in 0..<32 {
        group.addTask {
          try await practice.vault.storeNote(
            "note \(number)", of: call, as: clinician, purpose: .treatment
          ).version
        }
      }
      return try await group.reduce(into: []) { $0.append($1) }
    }
    #expect(versions.sorted() == Array(1...32))
    let notes = try await practice.vault.notes(of: call, as: clinician, purpose: .treatment)
    #expect(notes.map(\.version) == Array(1...32))
    #expect(Set(notes.map(\.text)) == Set((0..<32).map { "note \($0)" }))
    #expect(notes.allSatisfy { $0.author == clinician.actor.id })
  }

  @Test func aCallWithoutNotesHasNone() async throws {
    let practice = try await Practice.new()
    let call = try await practice.recording().call
    let clinician = try await practice.caller(.clinician)
    #expect(
      try await practice.vault.notes(of: call, as: clinician, purpose: .treatment).isEmpty)
    for text in ["", String(repeating: "x", count: 20_001), "a\0b"] {
      let entries = try await practice.entriesOf {
        let error = await #expect(throws: VaultError.self) {
          try await practice.vault.storeNote(text, of: call, as: clinician, purpose: .treatment)
        }
        #expect(error?.code == .invalid)
      }
      #expect(entries.map(\.reason) == [.malformed])
    }
  }
}

extension TranscriptReader {
  /// Keeps its thread busy, as a long transcript does.
  fileprivate func stand(still release: DispatchSemaphore, _ begun: () -> Void) {
    begun()
    release.wait()
  }
}
