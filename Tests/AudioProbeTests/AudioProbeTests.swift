import Testing
import Threading

@testable import AudioProbe

@Suite("Audio probe")
struct AudioProbeTests {
  @Test("Each format that phone systems write is told with its length", arguments: Speech.allCases)
  func formats(_ speech: Speech) async throws {
    guard case .intact(let format) = try await examine(try speech.bytes()) else {
      Issue.record("\(try await examine(try speech.bytes()))")
      return
    }
    #expect(format.container == speech.container)
    #expect(format.codec == speech.codec)
    #expect(format.channels == 1)
    #expect(format.isDecodedToEnd)
    // Lossy codecs pad to their frames; GSM's is 40 ms, MPEG's 72 ms.
    #expect(abs(format.durationMilliseconds - Speech.milliseconds) <= 200)
    if [.pcm16, .mulaw, .alaw, .flac].contains(speech) {
      #expect(format.sampleRate == 8000)
      #expect(format.durationMilliseconds == Speech.milliseconds)
    }
  }

  @Test("A recording that lacks its end is damaged", arguments: Speech.allCases)
  func cutOff(_ speech: Speech) async throws {
    let bytes = try speech.bytes()
    let finding = try await examine(Array(bytes.prefix(bytes.count * 2 / 3)))
    switch (speech, finding) {
    case (.mp3, .intact(let format)), (_, .damaged(let format?)):
      // MPEG frames promise nothing about those that follow.
      #expect(format.durationMilliseconds < Speech.milliseconds * 3 / 4 || speech == .mp3)
    default: Issue.record("\(finding)")
    }
  }

  @Test("A WAV whose writer died has sizes of zero and is damaged, with the sound that is there")
  func unfinishedWAV() async throws {
    var bytes = try Speech.pcm16.bytes()
    bytes.replaceSubrange(4..<8, with: [0, 0, 0, 0])
    bytes.replaceSubrange(40..<44, with: [0, 0, 0, 0])
    guard case .damaged = try await examine(bytes) else {
      Issue.record("not damaged")
      return
    }
  }

  @Test("What is no audio is unknown")
  func unknown() async throws {
    #expect(try await examine([]) == .unknown)
    #expect(try await examine([0]) == .unknown)
    #expect(try await examine(Array("A letter to the practice, not a call.".utf8)) == .unknown)
    #expect(try await examine([UInt8](repeating: 0, count: 100_000)) == .unknown)
  }

  @Test("A header without anything behind it is damaged", arguments: Speech.allCases)
  func headerOnly(_ speech: Speech) async throws {
    let finding = try await examine(Array(try speech.bytes().prefix(20)))
    #expect(finding == (speech == .mp3 ? .unknown : .damaged(nil)) || speech == .mp3)
  }

  @Test("Sound in which any bytes are samples is not read through")
  func bytesRead() async throws {
    let sound = 4 << 20
    func littleEndian(_ size: Int) -> [UInt8] { (0..<4).map { UInt8(size >> (8 * $0) & 0xFF) } }
    var bytes = Array(try Speech.pcm16.bytes().prefix(44)) + [UInt8](repeating: 7, count: sound)
    bytes.replaceSubrange(4..<8, with: littleEndian(36 + sound))
    bytes.replaceSubrange(40..<44, with: littleEndian(sound))
    let recording = bytes
    let read = Lock(0)
    let finding = try await AudioProbe(executable: childProgram).examine(
      length: Int64(recording.count)
    ) { offset, count in
      read.withLock { $0 += count }
      return Array(recording[Int(offset)..<Int(offset) + count])
    }
    guard case .intact(let format) = finding else {
      Issue.record("\(finding)")
      return
    }
    #expect(format.frames == Int64(sound / 2))
    #expect(format.isDecodedToEnd)
    #expect(read.withLock { $0 } <= sound / 4)
  }

  @Test("A longer recording than there is time to decode is told by its header")
  func headerWhenLong() async throws {
    // Ten minutes of FLAC-like work in no time at all: the deadline passes after the first block.
    var limits = AudioProbe.Limits()
    limits.decoding = .zero
    guard case .intact(let format) = try await examine(try Speech.flac.bytes(), limits: limits)
    else {
      Issue.record("not intact")
      return
    }
    #expect(format.durationMilliseconds == Speech.milliseconds)
  }

  @Test("A source that fails is the caller's error, not a finding")
  func failingSource() async throws {
    struct Lost: Error {}
    let probe = AudioProbe(executable: childProgram)
    let error = await #expect(throws: AudioProbeError.self) {
      try await probe.examine(length: 1000) { _, _ in throw Lost() }
    }
    #expect(error?.code == .sourceFailed)
    #expect(error?.cause is Lost)
    let short = await #expect(throws: AudioProbeError.self) {
      try await probe.examine(length: 1000) { _, _ in [1, 2, 3] }
    }
    #expect(short?.code == .sourceFailed)
  }

  @Test("A program that is not there cannot be started")
  func missingProgram() async throws {
    let probe = AudioProbe(executable: "/nonexistent/program")
    let error = await #expect(throws: AudioProbeError.self) {
      try await probe.examine(length: 1) { _, _ in [0] }
    }
    #expect(error?.code == .unavailable)
  }

  // Without the cancellation it would take ten minutes.
  @Test("A cancelled task does not wait for the child", .timeLimit(.minutes(30)))
  func cancellation() async throws {
    let task = Task {
      var limits = AudioProbe.Limits()
      limits.total = .seconds(600)
      return try await examine([1, 2, 3], as: "say-nothing", limits: limits)
    }
    try await Task.sleep(for: .milliseconds(200))
    task.cancel()
    let result = await task.result
    let error = #expect(throws: AudioProbeError.self) { try result.get() }
    #expect(error?.code == .cancelled)
  }

  @Test("Durations that are a lie have no format: their sums would overflow")
  func longestDuration() {
    for (frames, rate) in [(AudioFormat.maximumFrames, 1), (1 << 31, 1)] as [(Int64, Int)] {
      #expect(
        AudioFormat(
          container: .ogg, codec: .vorbis, channels: 1, sampleRate: rate, frames: frames,
          isDecodedToEnd: false) == nil)
    }
  }

  @Test("The answer's every field survives the wire")
  func wire() throws {
    for container in AudioFormat.Container.allCases {
      for codec in AudioFormat.Codec.allCases {
        let format = try #require(
          AudioFormat(
            container: container, codec: codec, channels: 2, sampleRate: 48_000,
            frames: 1 << 40, isDecodedToEnd: false))
        for finding in [AudioFinding.intact(format), .damaged(format), .damaged(nil), .unknown] {
          let words = ProbeMessage.answer(finding)
          #expect(words.count == 1 + ProbeMessage.answerLength)
          #expect(ProbeMessage.finding(parsing: Array(words.dropFirst())) == finding)
        }
      }
    }
  }
}
