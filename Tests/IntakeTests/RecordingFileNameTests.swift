import Encoding
import Testing
import Vault

@testable import Intake

/// Section 2 of `Documentation/formats/intake.md`.
@Suite("3CX file names")
struct RecordingFileNameTests {
  @Test func inbound() throws {
    let text = "[27836826436]_27836826436-100_20190211124743(3).wav"
    let name = try #require(RecordingFileName(text))
    #expect(name.shown == "27836826436")
    #expect(name.from == "27836826436")
    #expect(name.to == "100")
    #expect(name.recorded.description == "20190211124743")
    #expect(name.number == "3")
    #expect(name.direction == .inbound)
    #expect(name.callExtension == "100")
    #expect(name.description == text)
  }

  @Test func outbound() throws {
    let name = try #require(RecordingFileName("[]_100-0836826436_20190211124709(2).wav"))
    #expect(name.shown == "")
    #expect(name.direction == .outbound)
    #expect(name.callExtension == "100")
    #expect(name.to == "0836826436")
  }

  @Test(arguments: [
    ("[Dana Reyes]_201-+13135550142_20260219120918(380).wav", "Dana Reyes", "+13135550142"),
    ("[a]_b-c_(1)]_201-911_20260219120918(380).mp3", "a]_b-c_(1)", "911"),
    ("[Zoë 電話]_anonymous-201_20260219120918(0).wav", "Zoë 電話", "201"),
  ])
  func shownIsFreeText(_ text: String, _ shown: String, _ to: String) throws {
    let name = try #require(RecordingFileName(text))
    #expect(name.shown == shown)
    #expect(name.to == to)
    #expect(name.description == text)
  }

  @Test func directions() throws {
    func direction(_ from: String, _ to: String) throws -> String? {
      try #require(RecordingFileName("[]_\(from)-\(to)_20260219120918(1).wav"))
        .direction?.rawValue
    }
    #expect(try direction("100", "201") == "internal")
    #expect(try direction("100", "911") == "outbound", "an emergency is no extension")
    #expect(try direction("", "100") == "inbound")
    #expect(try direction("13135550142", "13135550100") == nil)
  }

  @Test(arguments: [
    "", "[", "[]", ".wav", "recording.wav",
    "[]_100-200_20190211124709(2).WAV", "[]_100-200_20190211124709(2).wav ",
    "[]_100-200_20190211124709().wav", "[]_100-200_20190211124709(12345678901).wav",
    "[]_100-200_20190211124709(a).wav", "[]_100-200_20190230124709(2).wav",
    "[]_100-200_2019021112470(2).wav", "[]_100-200_20190211246709(2).wav",
    "[]_-_20190211124709(2).wav", "[]_100_20190211124709(2).wav",
    "[]_100-200-300_20190211124709(2).wav", "[]_1+0-200_20190211124709(2).wav",
    "[]_+-200_20190211124709(2).wav", "[]100-200_20190211124709(2).wav",
    "]_100-200_20190211124709(2).wav", "[]_100-200_20190211124709(2).wav.json",
    "[a\nb]_100-200_20190211124709(2).wav", "[\u{0}]_100-200_20190211124709(2).wav",
    "[]_100-200_20190211124709(2)\u{301}.wav", "[]_1００-200_20190211124709(2).wav",
    "../[]_100-200_20190211124709(2).wav",
    "[" + String(repeating: "a", count: 129) + "]_100-200_20190211124709(2).wav",
    "[]_100-" + String(repeating: "1", count: 41) + "_20190211124709(2).wav",
  ])
  func refused(_ text: String) {
    #expect(RecordingFileName(text) == nil)
  }
}
