import Encoding
import Testing

@testable import Vault

@Suite struct TranscriptTests {
  private func parse(_ text: String) throws(VaultError) -> Transcript {
    try Transcript(parsing: Array(text.utf8))
  }

  private func transcript(_ segments: String) -> String {
    #"{"provider":"whisper","language":"en-US","segments":[\#(segments)]}"#
  }

  @Test func aConfidenceNobodyGaveStaysNull() throws {
    let transcript = try parse(
      transcript(
        #"{"speaker":"a","text":"hello","start_ms":0,"end_ms":10,"confidence":null},"#
          + #"{"speaker":"b","text":"","start_ms":10,"end_ms":10},"#
          + #"{"speaker":"a","text":"yes","start_ms":10,"end_ms":20,"confidence":0.25,"channel":1}"#
      ))
    #expect(transcript.segments.map(\.confidence) == [nil, nil, 0.25])
    #expect(transcript.segments.map(\.channel) == [nil, nil, 1])
    let text = String(decoding: transcript.encoded(), as: UTF8.self)
    #expect(text.contains(#""confidence":null"#))
    #expect(!text.contains(#""confidence":0,"#))
    #expect(try parse(text) == transcript)
  }

  @Test(arguments: [
    ("", "not JSON"),
    ("[]", "not a JSON object"),
    (#"{"provider":"x","language":"en"}"#, "segments"),
    (#"{"provider":"x","segments":[]}"#, "language"),
    (#"{"language":"en","segments":[]}"#, "provider"),
    (#"{"provider":"","language":"en","segments":[]}"#, "provider"),
    (#"{"provider":"x","language":"e","segments":[]}"#, "language"),
    (#"{"provider":"x","language":"en_US","segments":[]}"#, "language"),
    (#"{"provider":"x","language":"en","segments":[],"lang":1}"#, "unknown member"),
    (#"{"provider":"x","language":"en","segments":[],"v":2}"#, "`v`"),
    (#"{"provider":"x","language":"en","segments":{}}"#, "segments"),
    (#"{"provider":"x","provider":"y","language":"en","segments":[]}"#, "not JSON"),
  ])
  func aTranscriptThatBreaksARuleIsRefusedByName(text: String, naming: String) {
    let error = #expect(throws: VaultError.self) { try parse(text) }
    #expect(error?.code == .invalid)
    #expect(error?.detail?.contains(naming) == true, "\(error?.detail ?? "")")
  }

  @Test(arguments: [
    (#"{"speaker":"a","text":"x","start_ms":10,"end_ms":9}"#, "ends before it starts"),
    (#"{"speaker":"a","text":"x","start_ms":-1,"end_ms":9}"#, "outside"),
    (#"{"speaker":"a","text":"x","start_ms":0,"end_ms":86400001}"#, "outside"),
    (#"{"speaker":"a","text":"x","start_ms":0.5,"end_ms":9}"#, "start_ms"),
    (#"{"speaker":"a","text":"x","start_ms":0,"end_ms":"9"}"#, "end_ms"),
    (#"{"speaker":"a","text":"x","start_ms":0,"end_ms":9,"confidence":1.01}"#, "confidence"),
    (#"{"speaker":"a","text":"x","start_ms":0,"end_ms":9,"confidence":-0.01}"#, "confidence"),
    (#"{"speaker":"a","text":"x","start_ms":0,"end_ms":9,"confidence":"high"}"#, "confidence"),
    (#"{"speaker":"a","text":"x","start_ms":0,"end_ms":9,"channel":64}"#, "channel"),
    (#"{"speaker":"a","text":"x","start_ms":0,"end_ms":9,"channel":null}"#, "channel"),
    (#"{"speaker":"a","text":"x","start_ms":0,"end_ms":9,"confidense":0.5}"#, "unknown member"),
    (#"{"speaker":"","text":"x","start_ms":0,"end_ms":9}"#, "speaker"),
    (#"{"text":"x","start_ms":0,"end_ms":9}"#, "speaker"),
    (#"{"speaker":"a","start_ms":0,"end_ms":9}"#, "text"),
    ("7", "object"),
  ])
  func aSegmentThatBreaksARuleIsRefusedByNumber(segment: String, naming: String) {
    let good = #"{"speaker":"a","text":"x","start_ms":0,"end_ms":9}"#
    for (text, number) in [(segment, 0), (good + "," + segment, 1)] {
      let error = #expect(throws: VaultError.self) { try parse(transcript(text)) }
      #expect(error?.code == .invalid)
      #expect(error?.detail?.contains("segments[\(number)]") == true, "\(error?.detail ?? "")")
      #expect(error?.detail?.contains(naming) == true, "\(error?.detail ?? "")")
    }
  }

  @Test func segmentsComeInOrderOfStart() {
    let error = #expect(throws: VaultError.self) {
      try parse(
        transcript(
          #"{"speaker":"a","text":"x","start_ms":5,"end_ms":9},"#
            + #"{"speaker":"b","text":"y","start_ms":4,"end_ms":9}"#))
    }
    #expect(error?.detail?.contains("segments[1]") == true)
  }

  @Test func boundsAreBounds() {
    let long = String(repeating: "x", count: Transcript.Limits.text + 1)
    #expect(throws: VaultError.self) {
      try parse(transcript(#"{"speaker":"a","text":"\#(long)","start_ms":0,"end_ms":1}"#))
    }
    let error = #expect(throws: VaultError.self) {
      try Transcript(parsing: [UInt8](repeating: 0x20, count: Transcript.Limits.bytes + 1))
    }
    #expect(error?.code == .tooLarge)
  }
}
