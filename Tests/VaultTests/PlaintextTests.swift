import Audit
import Drivers
import Encoding
import Foundation
import Testing

@testable import Vault

/// P1: what was said, and who said it, is in no file.
@Suite struct PlaintextTests {
  @Test func aCanaryIsInNoFile() async throws {
    let practice = try await Practice.new()
    let canary = "canary-7f3c91-Quetzalcoatl"
    let number = "+13135550177"
    let system = try await practice.phoneSystem()
    let call = try await practice.vault.createCall(
      NewCall(
        source: "3cx", sourceID: "\(canary)-\(number).wav", from: number, to: canary,
        agent: canary), as: system
    ).call
    let audio = Array(String(repeating: canary, count: 5000).utf8)
    let recording = try await practice.store(audio, in: call, as: system)
    _ = try await practice.vault.storeTranscript(
      try Transcript(
        provider: "whisper", language: "en",
        segments: [
          Transcript.Segment(
            speaker: canary, text: canary, startMilliseconds: 0, endMilliseconds: 1,
            confidence: nil)
        ]), of: call, as: system)
    let clinician = try await practice.caller(.clinician)
    _ = try await practice.vault.storeNote(
      canary, of: call, as: clinician, purpose: .treatment)
    var search = CallSearch()
    search.party = number
    search.agent = canary
    _ = try await practice.vault.findCalls(search, as: clinician, purpose: .treatment)
    _ = try await practice.read(recording.recording, as: clinician)
    let grant = try await practice.vault.grantPlayback(
      of: recording.recording, as: clinician, purpose: .treatment)
    try await practice.log.publish()

    var needles: [Data] = []
    for text in [canary, String(number.dropFirst()), "3135550177", grant.secret] {
      needles.append(Data(text.utf8))
      for encoding in [String.Encoding.utf16LittleEndian, .utf16BigEndian] {
        needles.append(try #require(text.data(using: encoding)))
      }
      // Base64 of the text wherever it stands within three bytes, without the ends that depend on its neighbours.
      for shift in 0..<3 {
        let padded = Data(repeating: 0, count: shift) + Data(text.utf8)
        let encoded = padded.base64EncodedString().drop { $0 == "=" }
        needles.append(Data(encoded.dropFirst(4).dropLast(4).utf8))
      }
    }
    var files = 0
    let all = FileManager.default.enumerator(
      at: practice.folder, includingPropertiesForKeys: [.isRegularFileKey])
    while let file = all?.nextObject() as? URL {
      guard try file.resourceValues(forKeys: [.isRegularFileKey]).isRegularFile == true else {
        continue
      }
      let bytes = try Data(contentsOf: file)
      files += 1
      for needle in needles {
        #expect(bytes.range(of: needle) == nil, "\(file.lastPathComponent) holds it")
      }
    }
    #expect(files > 5)
    // The search finds what is there.
    #expect(
      try Data(contentsOf: practice.folder.appending(path: "catalog.sqlite-wal"))
        .range(of: Data("3cx".utf8)) != nil)
  }
}
