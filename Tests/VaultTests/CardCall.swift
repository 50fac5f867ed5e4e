import Audit
import Cryptography
import Drivers
import Encoding
import Foundation
import Retention
import Testing

@testable import Vault

/// A call in which a card number is read aloud, with all that a call can have.
struct CardCall: Sendable {
  static let number = "4111 1111 1111 1111"
  /// What is left of an entry or an opening without ids, digests, tags, times and the ends of token names,
  /// in which any four digits come now and then.
  static func withoutRandomNames(_ text: String) -> String {
    text.replacing(
      /[0-9A-Za-z_-]{36,}|"[0-9A-Za-z_-]{22}"|\b[0-9]{13}\b|-[0-9a-f]{8}\b/, with: "")
  }
  /// When it is said: the second of four seconds.
  static let span = 1000..<2000

  let call: Identifier
  let recording: Identifier
  let other: Identifier
  let sound: [UInt8]
  let otherSound: [UInt8]

  /// Stores it with everything but what holds the number; `alone` is its recording the only one.
  static func stored(
    in practice: Practice, transcribed: Bool = true, alone: Bool = false
  ) async throws -> CardCall {
    let system = try await practice.phoneSystem()
    var new = NewCall(
      source: "3cx", sourceID: Identifier.random().description, from: "+13135550142",
      to: "+13135550100", agent: "Dana")
    new.pauses = [try #require(TimeSpan(2500, 2600))]
    new.consent = [try record()]
    let call = try await practice.vault.createCall(new, as: system).call
    let (sound, otherSound) = (wave(seed: 1), wave(seed: 2))
    let recording = try await practice.store(sound, in: call, as: system).recording
    let other =
      alone
      ? recording : try await practice.store(otherSound, in: call, as: system).recording
    let clinician = try await practice.caller(.clinician)
    _ = try await practice.vault.storeNote(
      "call back", of: call, as: clinician, purpose: .treatment)
    _ = try await practice.vault.storeTranscript(transcript(nil), of: call, as: system)
    if transcribed {
      _ = try await practice.vault.storeTranscript(transcript(number), of: call, as: system)
    }
    return CardCall(
      call: call, recording: recording, other: other, sound: sound, otherSound: otherSound)
  }

  static func record(
    _ kind: ConsentRecord.Kind = .given, state: String? = "CA", completed: Bool = true,
    at time: String = "2026-11-28T09:30:00-05:00"
  ) throws -> ConsentRecord {
    ConsentRecord(
      kind: kind, party: "caller", state: state.flatMap(USState.init), method: .announcement,
      at: try #require(OffsetTime(time)), isCompleted: completed)
  }

  static func transcript(_ number: String?) throws -> Transcript {
    let texts = ["hello", number.map { "my card is \($0)" } ?? "I will pay", "thank you", "bye"]
    return try Transcript(
      provider: "test", language: "en-US",
      segments: texts.enumerated().map { place, text in
        Transcript.Segment(
          speaker: "caller", text: text, startMilliseconds: Int64(place) * 1000 + 50,
          endMilliseconds: Int64(place) * 1000 + 950, confidence: nil)
      })
  }

  /// Four seconds of 16-bit noise at 8 kHz; no sample is silent.
  static func wave(seed: UInt8) -> [UInt8] {
    func little(_ value: Int, _ count: Int) -> [UInt8] {
      (0..<count).map { UInt8(truncatingIfNeeded: value >> (8 * $0)) }
    }
    let count = 4 * 8000 * 2
    var bytes = Array("RIFF".utf8) + little(36 + count, 4) + Array("WAVEfmt ".utf8)
    bytes += little(16, 4) + little(1, 2) + little(1, 2) + little(8000, 4) + little(16_000, 4)
    bytes += little(2, 2) + little(16, 2) + Array("data".utf8) + little(count, 4)
    return bytes + (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ Int(seed)) | 1 }
  }

  /// A person who has heard the other recording ends the incidents.
  func heard(in practice: Practice) async throws {
    let officer = try await practice.caller(.privacyOfficer)
    for incident in try await practice.catalog.openIncidents(of: call) {
      _ = try await practice.vault.closeIncident(
        incident.id, because: "heard", as: officer, purpose: .operations)
    }
  }

  /// The sound without the span.
  var silenced: [UInt8] {
    var bytes = sound
    for place in Self.span.lowerBound * 16..<Self.span.upperBound * 16 { bytes[44 + place] = 0 }
    return bytes
  }

  /// Whether the call is wholly as it was, or wholly without the span; nil: neither.
  func isExcised(in practice: Practice, as officer: Caller) async throws -> Bool? {
    let sound = try await practice.read(recording, as: officer, purpose: .treatment)
    let isNew = sound == silenced
    guard isNew || sound == self.sound else { return nil }
    guard try await practice.read(other, as: officer, purpose: .treatment) == otherSound else {
      return nil
    }
    let facts = try await practice.vault.call(call, as: officer, purpose: .treatment)
    guard facts.summary.details?.from == "+13135550142",
      facts.summary.details?.pauses.count == 1, facts.recordings.count == 2
    else { return nil }
    let notes = try await practice.vault.notes(of: call, as: officer, purpose: .treatment)
    let consent = try await practice.vault.consent(of: call, as: officer, purpose: .treatment)
    guard notes.map(\.text) == ["call back"], consent.records.count == 1 else { return nil }
    for version in 1...facts.summary.transcripts {
      let transcript = try await practice.vault.transcript(
        of: call, version: version, as: officer, purpose: .treatment
      ).transcript
      let texts = transcript.segments.map(\.text)
      guard texts.count == 4, texts[0] == "hello", texts[1].isEmpty == isNew, texts[3] == "bye"
      else { return nil }
    }
    return isNew
  }
}

extension Vault {
  /// Excises the span of a call's card number.
  func excise(_ call: CardCall, as caller: Caller) async throws(VaultError) -> ExcisionReceipt {
    guard
      let span = TimeSpan(Int64(CardCall.span.lowerBound), Int64(CardCall.span.upperBound))
    else { throw VaultError(.invalid, during: "naming a span") }
    return try await excise(span, from: call.recording, as: caller, purpose: .operations)
  }
}
