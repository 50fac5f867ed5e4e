import CLinux
import CSndfile
import Glibc

/// One look into a recording with libsndfile, in the child.
struct Examination {
  private let window: RecordingWindow
  private let milliseconds: Int64

  init(window: RecordingWindow, milliseconds: Int64) {
    self.window = window
    self.milliseconds = milliseconds
  }

  func finding() -> AudioFinding {
    let kind = ContainerKind(of: window)
    _ = window.seek(0, SEEK_SET)
    var virtual = unsafe SF_VIRTUAL_IO(
      get_filelen: { unsafe RecordingWindow.of($0)?.length ?? 0 },
      seek: { unsafe RecordingWindow.of($2)?.seek($0, $1) ?? -1 },
      read: { target, count, user in
        guard let window = unsafe RecordingWindow.of(user), let target = unsafe target, count > 0
        else { return 0 }
        let buffer = unsafe UnsafeMutableRawBufferPointer(start: target, count: Int(count))
        return Int64(unsafe window.read(into: buffer))
      },
      write: { _, _, _ in 0 },
      tell: { unsafe RecordingWindow.of($0)?.position ?? -1 })
    var info = SF_INFO()
    let user = unsafe Unmanaged.passUnretained(window).toOpaque()
    guard let file = unsafe sf_open_virtual(&virtual, Int32(SFM_READ), &info, user) else {
      return kind == nil ? .unknown : .damaged(nil)
    }
    defer { unsafe sf_close(file) }
    guard info.channels > 0, info.channels <= AudioFormat.maximumChannels else {
      return .damaged(nil)
    }
    let promised = info.frames
    let container = Self.container(of: info.format)
    let codec = Self.codec(of: info.format)
    let body =
      unsafe Self.takesAnyBytes(container, codec)
      && hasLast(of: promised, file, channels: Int(info.channels))
      ? (frames: promised, reachedEnd: true) : decode(file, channels: Int(info.channels))
    guard
      let format = AudioFormat(
        container: container, codec: codec,
        channels: Int(info.channels), sampleRate: Int(info.samplerate),
        frames: body.reachedEnd ? body.frames : promised, isDecodedToEnd: body.reachedEnd)
    else { return .damaged(nil) }
    if kind?.isCutOff(window) == true { return .damaged(format) }
    // Some headers count the silence that an MPEG encoder puts around the sound.
    let slack: Int64 = format.codec == .mp3 ? 4 * 1152 : 0
    if body.reachedEnd && promised != Int64.max && body.frames < promised - slack {
      return .damaged(format)
    }
    return .intact(format)
  }

  /// Whether the last frame that the header promises is there.
  private func hasLast(of frames: Int64, _ file: OpaquePointer, channels: Int) -> Bool {
    guard frames > 0, frames <= AudioFormat.maximumFrames else { return false }
    guard unsafe sf_seek(file, frames - 1, Int32(SEEK_SET)) == frames - 1 else { return false }
    var samples = [Int16](repeating: 0, count: channels)
    return unsafe samples.withUnsafeMutableBufferPointer {
      unsafe sf_readf_short(file, $0.baseAddress, 1)
    } == 1
  }

  private func decode(_ file: OpaquePointer, channels: Int) -> (frames: Int64, reachedEnd: Bool) {
    let framesAtOnce = max(1, 32_768 / channels)
    var samples = [Int16](repeating: 0, count: framesAtOnce * channels)
    let deadline = Self.monotonicMilliseconds() + milliseconds
    var frames: Int64 = 0
    while true {
      let got = unsafe samples.withUnsafeMutableBufferPointer {
        unsafe sf_readf_short(file, $0.baseAddress, Int64(framesAtOnce))
      }
      guard got > 0 else { return (frames, true) }
      frames += got
      if frames > AudioFormat.maximumFrames { return (frames, true) }
      if Self.monotonicMilliseconds() > deadline { return (frames, false) }
    }
  }

  /// Whether any bytes are samples: then decoding them would find nothing, and an hour of telephone
  /// sound need not be read a second time.
  private static func takesAnyBytes(
    _ container: AudioFormat.Container, _ codec: AudioFormat.Codec
  ) -> Bool {
    switch (container, codec) {
    case (.wav, .pcm8), (.wav, .pcm16), (.wav, .pcm24), (.wav, .pcm32), (.wav, .mulaw),
      (.wav, .alaw):
      true
    // FLAC calls its samples PCM, too, and has to be decoded.
    default: false
    }
  }

  private static func monotonicMilliseconds() -> Int64 {
    var now = timespec()
    unsafe clock_gettime(CLOCK_MONOTONIC, &now)
    return Int64(now.tv_sec) * 1000 + Int64(now.tv_nsec) / 1_000_000
  }

  private static func container(of format: Int32) -> AudioFormat.Container {
    switch Int(format) & SF_FORMAT_TYPEMASK {
    case SF_FORMAT_WAV, SF_FORMAT_WAVEX: .wav
    case SF_FORMAT_RF64: .rf64
    case SF_FORMAT_W64: .wave64
    case SF_FORMAT_AIFF: .aiff
    case SF_FORMAT_AU: .au
    case SF_FORMAT_FLAC: .flac
    case SF_FORMAT_OGG: .ogg
    case SF_FORMAT_MPEG: .mpeg
    default: .other
    }
  }

  private static func codec(of format: Int32) -> AudioFormat.Codec {
    switch Int(format) & SF_FORMAT_SUBMASK {
    case SF_FORMAT_PCM_S8, SF_FORMAT_PCM_U8: .pcm8
    case SF_FORMAT_PCM_16: .pcm16
    case SF_FORMAT_PCM_24: .pcm24
    case SF_FORMAT_PCM_32: .pcm32
    case SF_FORMAT_FLOAT, SF_FORMAT_DOUBLE: .float
    case SF_FORMAT_ULAW: .mulaw
    case SF_FORMAT_ALAW: .alaw
    case SF_FORMAT_GSM610: .gsm610
    case SF_FORMAT_IMA_ADPCM, SF_FORMAT_MS_ADPCM, SF_FORMAT_VOX_ADPCM: .adpcm
    case SF_FORMAT_VORBIS: .vorbis
    case SF_FORMAT_OPUS: .opus
    case SF_FORMAT_MPEG_LAYER_III: .mp3
    default: .other
    }
  }
}

extension RecordingWindow {
  fileprivate static func of(_ user: UnsafeMutableRawPointer?) -> RecordingWindow? {
    guard let user = unsafe user else { return nil }
    return unsafe Unmanaged<RecordingWindow>.fromOpaque(user).takeUnretainedValue()
  }
}
