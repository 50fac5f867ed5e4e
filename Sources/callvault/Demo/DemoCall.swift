import Durable
import Encoding

/// A call of the demonstration: real telephone speech, invented people.
///
/// The practice's voice is the one of Asterisk's prompts, the callers are those of PocketSphinx's
/// test data, both Debian packages. Numbers are from the range that North America keeps for fiction.
struct DemoCall {
  enum Party {
    case practice
    case caller
  }

  /// Something said: which files, and what they say.
  struct Line {
    let party: Party
    let text: String
    let files: [String]

    static func practice(_ text: String, _ prompts: String...) -> Line {
      Line(
        party: .practice, text: text, files: prompts.map { DemoSpeech.prompts + $0 + ".wav" })
    }

    static func caller(_ text: String, _ file: String) -> Line {
      Line(party: .caller, text: text, files: [DemoSpeech.callers + file])
    }
  }

  enum Shape {
    /// Each party on its own channel, as a phone system records at its best.
    case twoChannelPCM
    /// Both on one, in the network's own coding.
    case mulaw
    case alaw
  }

  let sourceID: String
  let started: String
  let direction: String
  let from: String
  let to: String
  let number: String
  let agent: String
  let location: String
  let shape: Shape
  let lines: [Line]

  static let all: [DemoCall] = [
    DemoCall(
      sourceID: "20260202-081502-5550142", started: "2026-02-02T08:15:02-05:00",
      direction: "inbound", from: "+1 313 555 0142", to: "+1 313 555 0100", number: "201",
      agent: "maria.reyes", location: "main-street", shape: .twoChannelPCM,
      lines: [
        .practice("Hello.", "hello"),
        .practice(
          "All of our representatives are currently busy. Please stay on the line and your call "
            + "will be answered by the next available representative.", "queue-periodic-announce"),
        .practice("Thank you for your patience.", "queue-thankyou"),
        .caller("He was not an ill disposed young man.", DemoSpeech.reading(880)),
        .practice(
          "You entered five five five oh one four two.",
          "you-entered", "digits/5", "digits/5", "digits/5", "digits/oh", "digits/1", "digits/4",
          "digits/2"),
        .caller(
          "Unless to be rather cold hearted and rather selfish is to be ill disposed.",
          DemoSpeech.reading(890)),
        .practice("One moment, please.", "one-moment-please"),
        .practice("Goodbye!", "goodbye"),
      ]),
    DemoCall(
      sourceID: "20260202-124411-5550167", started: "2026-02-02T12:44:11-05:00",
      direction: "inbound", from: "+1 313 555 0167", to: "+1 313 555 0100", number: "204",
      agent: "voicemail", location: "main-street", shape: .mulaw,
      lines: [
        .practice(
          "The person at extension two oh four is unavailable.", "vm-theperson", "digits/2",
          "digits/oh", "digits/4", "vm-isunavail"),
        .practice(
          "Please leave your message after the tone. When done, hang up or press the pound key.",
          "vm-intro"),
        .caller(
          "And Mister John Dashwood had then leisure to consider how much there might be prudently "
            + "in his power to do for them.", DemoSpeech.reading(870)),
        .practice("Your message has been saved.", "vm-msgsaved"),
        .practice("Goodbye.", "vm-goodbye"),
      ]),
    DemoCall(
      sourceID: "20260203-093027-5550119", started: "2026-02-03T09:30:27-05:00",
      direction: "outbound", from: "+1 313 555 0100", to: "+1 313 555 0119", number: "202",
      agent: "devon.hall", location: "lake-shore", shape: .alaw,
      lines: [
        .practice("Please hold while we try to connect you.", "pls-hold-while-try"),
        .caller("Go forward ten meters.", "goforward.raw"),
        .practice(
          "At the sound of the tone, the time will be exactly", "at-tone-time-exactly"),
        .practice("Monday, ten o'clock.", "digits/day-1", "digits/10", "digits/oclock"),
        .caller("Five five.", "cards/004.wav"),
        .practice("Thank you. Goodbye!", "auth-thankyou", "goodbye"),
      ]),
  ]
}

/// A call as its phone system would hand it over.
struct AssembledCall {
  let call: DemoCall
  let audio: [UInt8]
  /// The transcript file that `callvault transcript put` takes.
  ///
  /// Confidence is null: the words are known, nobody recognised them.
  let transcript: JSONValue
  let milliseconds: Int
}

/// Where the speech lies, and how lines become a call.
enum DemoSpeech {
  static let prompts = "/usr/share/asterisk/sounds/en_US_f_Allison/"
  static let callers = "/usr/share/pocketsphinx/test/data/"
  private static let rate = 8000
  /// Between two lines.
  private static let pauseMilliseconds = 350

  static func reading(_ number: Int) -> String {
    "librivox/sense_and_sensibility_01_austen_64kb-0\(number).wav"
  }

  /// Puts the lines of `call` one after another.
  ///
  /// - Throws: ``DemoError`` naming the Debian package when speech is missing.
  static func assemble(_ call: DemoCall) throws(DemoError) -> AssembledCall {
    var practice = Waveform.silence(milliseconds: 0, rate: rate)
    var caller = practice
    var segments: [JSONValue] = []
    for line in call.lines {
      let begin = practice.samples.count
      var said = Waveform.silence(milliseconds: 0, rate: rate)
      for file in line.files { said.samples += try speech(file).samples }
      let silence = [Int16](repeating: 0, count: said.samples.count)
      practice.samples += line.party == .practice ? said.samples : silence
      caller.samples += line.party == .caller ? said.samples : silence
      segments.append(
        .object([
          "speaker": .string(line.party == .practice ? "practice" : "caller"),
          "text": .string(line.text),
          "start_ms": .integer(Int64(begin * 1000 / rate)),
          "end_ms": .integer(Int64(practice.samples.count * 1000 / rate)),
          "confidence": .null,
        ]))
      let pause = Waveform.silence(milliseconds: pauseMilliseconds, rate: rate).samples
      practice.samples += pause
      caller.samples += pause
    }
    let audio: [UInt8]
    switch call.shape {
    case .twoChannelPCM: audio = WAVFile.encode([practice, caller], as: .pcm16)
    case .mulaw: audio = WAVFile.encode([mixed(practice, caller)], as: .mulaw)
    case .alaw: audio = WAVFile.encode([mixed(practice, caller)], as: .alaw)
    }
    return AssembledCall(
      call: call, audio: audio,
      transcript: .object([
        "provider": "script of the demonstration", "language": "en-US",
        "segments": .array(segments),
      ]), milliseconds: practice.milliseconds)
  }

  private static func mixed(_ left: Waveform, _ right: Waveform) -> Waveform {
    Waveform(
      samples: zip(left.samples, right.samples).map { Int16(clamping: Int($0) + Int($1)) },
      rate: left.rate)
  }

  private static func speech(_ path: String) throws(DemoError) -> Waveform {
    let bytes: [UInt8]
    do {
      bytes = try AtomicFile.read(path, limit: 4 << 20, on: LinuxFileSystem())
    } catch {
      let package =
        path.hasPrefix(prompts) ? "asterisk-core-sounds-en-wav" : "pocketsphinx-testdata"
      throw DemoError(
        "cannot read \(path): install the demonstration's speech with "
          + "`apt-get install \(package)`")
    }
    let waveform = path.hasSuffix(".raw") ? WAVFile.raw(bytes, rate: 16_000) : WAVFile.parse(bytes)
    switch waveform {
    case let speech? where speech.rate == rate: return speech
    case let speech? where speech.rate == 2 * rate: return speech.halved()
    default: throw DemoError("\(path) is not the speech that the demonstration expects")
    }
  }
}
