import Encoding
import Foundation
import Testing

@testable import callvault

@Suite("Speech of the demonstration")
struct DemoSpeechTests {
  @Test("The calls assemble into files whose transcripts fit them", arguments: 0..<3)
  func assembled(_ index: Int) throws {
    let assembled = try DemoSpeech.assemble(DemoCall.all[index])
    let segments = try #require(assembled.transcript.object?["segments"]?.array)
    #expect(segments.count == assembled.call.lines.count)
    var last: Int64 = 0
    for segment in segments {
      let begin = try #require(segment.object?["start_ms"]?.integer)
      let end = try #require(segment.object?["end_ms"]?.integer)
      #expect(begin >= last && end > begin)
      #expect(segment.object?["confidence"]?.isNull == true)
      last = end
    }
    #expect(last <= Int64(assembled.milliseconds))
    #expect(assembled.milliseconds > 10_000)
  }

  @Test("G.711 gives the codes of the recommendation's tables")
  func companding() {
    // Zero, full scale and the first step of either sign.
    #expect(G711.mulaw(0) == 0xFF)
    #expect(G711.mulaw(.max) == 0x80)
    #expect(G711.mulaw(.min) == 0x00)
    #expect(G711.mulaw(-1) == 0x7F)
    #expect(G711.alaw(0) == 0xD5)
    #expect(G711.alaw(-1) == 0x55)
    #expect(G711.alaw(.max) == 0xAA)
    #expect(G711.alaw(.min) == 0x2A)
  }

  @Test("A WAV of one channel reads back as it was written")
  func roundTrip() {
    let wave = Waveform(samples: [0, 1, -1, .max, .min, 1234], rate: 8000)
    #expect(WAVFile.parse(WAVFile.encode([wave], as: .pcm16)) == wave)
  }
}
