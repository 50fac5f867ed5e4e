import ChildProcess
import Foundation
import Testing

@testable import AudioProbe

/// Real telephone speech in each format that phone systems write, made by Debian's own encoders.
enum Speech: String, CaseIterable, CustomTestStringConvertible {
  case pcm16, mulaw, alaw, gsm, flac, opus, vorbis, mp3

  var testDescription: String { rawValue }

  var container: AudioFormat.Container {
    switch self {
    case .pcm16, .mulaw, .alaw, .gsm: .wav
    case .flac: .flac
    case .opus, .vorbis: .ogg
    case .mp3: .mpeg
    }
  }

  var codec: AudioFormat.Codec {
    switch self {
    case .pcm16, .flac: .pcm16
    case .mulaw: .mulaw
    case .alaw: .alaw
    case .gsm: .gsm610
    case .opus: .opus
    case .vorbis: .vorbis
    case .mp3: .mp3
    }
  }

  /// The original: 25.392 s, one channel, 8 kHz.
  static let original = "/usr/share/asterisk/sounds/en_US_f_Allison/basic-pbx-ivr-main.wav"
  static let milliseconds: Int64 = 25_391

  /// The encoded bytes, made once.
  func bytes() throws -> [UInt8] { try #require(Self.made[self]) }

  private static let made: [Speech: [UInt8]] = {
    let folder = FileManager.default.temporaryDirectory
      .appending(path: "callvault-speech-\(getpid())")
    try? FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    var made: [Speech: [UInt8]] = [:]
    for speech in allCases {
      let target = folder.appending(path: speech.rawValue).path
      guard run(speech.encoder(to: target)), let data = FileManager.default.contents(atPath: target)
      else { continue }
      made[speech] = [UInt8](data)
    }
    return made
  }()

  private func encoder(to target: String) -> [String] {
    let source = Self.original
    let sox = ["sox", "-D", source, "-t", "wav"]
    return switch self {
    case .pcm16: sox + ["-e", "signed-integer", "-b", "16", target]
    case .mulaw: sox + ["-e", "mu-law", target]
    case .alaw: sox + ["-e", "a-law", target]
    case .gsm: sox + ["-e", "gsm-full-rate", target]
    case .flac: ["flac", "--silent", "--force", "-o", target, source]
    case .opus: ["opusenc", "--quiet", source, target]
    case .vorbis: ["oggenc", "--quiet", "-o", target, source]
    case .mp3: ["lame", "--quiet", source, target]
    }
  }

  private static func run(_ words: [String]) -> Bool {
    // An encoder that is not there leaves its format out, which the test of that format says.
    (try? ChildProcess.run(words[0], Array(words.dropFirst())))?.status == 0
  }
}

/// The child program that was built beside the test bundle.
let childProgram: String = {
  // The first argument is the bundle, or the runner with the bundle among its arguments.
  let bundle = CommandLine.arguments.first { $0.contains(".xctest") } ?? CommandLine.arguments[0]
  let folder =
    bundle.contains(".xctest/")
    ? String(bundle[..<(bundle.range(of: ".xctest/")?.lowerBound ?? bundle.endIndex)]) : bundle
  return URL(filePath: folder).deletingLastPathComponent()
    .appending(path: "audio-probe-child").path
}()

func examine(
  _ bytes: [UInt8], as behaviour: String = AudioProbeChild.argument,
  limits: AudioProbe.Limits = AudioProbe.Limits()
) async throws -> AudioFinding {
  try await AudioProbe(executable: childProgram, arguments: [behaviour], limits: limits)
    .examine(length: Int64(bytes.count)) { offset, count in
      Array(bytes[Int(offset)..<Int(offset) + count])
    }
}
