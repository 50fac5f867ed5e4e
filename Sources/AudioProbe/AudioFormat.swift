/// What a recording's bytes are, as far as a decoder could tell.
public enum AudioFinding: Sendable, Hashable {
  /// The decoder read it to the end, or as far as its time allowed, without a complaint.
  case intact(AudioFormat)
  /// The kind is known, and bytes lack or do not decode: cut off, or hurt on the way. What the
  /// header says, if it says anything.
  case damaged(AudioFormat?)
  /// No format that the decoder knows.
  case unknown
}

/// The shape of a recording's sound.
public struct AudioFormat: Sendable, Hashable {
  /// The file format around the sound.
  ///
  /// Raw values are stored in the catalog: they do not change.
  public enum Container: String, Sendable, CaseIterable {
    case wav, rf64, wave64, aiff, au, flac, ogg, mpeg, other
  }

  /// How samples are coded.
  ///
  /// Raw values are stored in the catalog: they do not change.
  public enum Codec: String, Sendable, CaseIterable {
    case pcm8, pcm16, pcm24, pcm32, float
    case mulaw, alaw, gsm610, adpcm
    case vorbis, opus, mp3, other
  }

  public let container: Container
  public let codec: Codec
  /// From 1 to ``maximumChannels``.
  public let channels: Int
  /// Samples a second of one channel, from 1 to ``maximumSampleRate``.
  public let sampleRate: Int
  /// Samples of one channel: those decoded if ``isDecodedToEnd``, else those the header promises.
  public let frames: Int64
  /// Whether every frame was decoded, or the time for it ran out first.
  ///
  /// Where any bytes are samples (WAV with PCM, µ-law or A-law), the last frame stands for all.
  public let isDecodedToEnd: Bool

  public static let maximumChannels = 64
  public static let maximumSampleRate = 1_000_000
  /// Thirty years at 192 kHz; more is a lie.
  public static let maximumFrames: Int64 = 1 << 48
  /// Thirty-four years; more is a lie at any rate, and sums of lies would overflow.
  public static let maximumMilliseconds: Int64 = 1 << 40

  /// Nil when a number is outside its bounds.
  public init?(
    container: Container, codec: Codec, channels: Int, sampleRate: Int, frames: Int64,
    isDecodedToEnd: Bool
  ) {
    guard (1...Self.maximumChannels).contains(channels),
      (1...Self.maximumSampleRate).contains(sampleRate), (0...Self.maximumFrames).contains(frames),
      frames * 1000 / Int64(sampleRate) <= Self.maximumMilliseconds
    else { return nil }
    self.container = container
    self.codec = codec
    self.channels = channels
    self.sampleRate = sampleRate
    self.frames = frames
    self.isDecodedToEnd = isDecodedToEnd
  }

  /// Length in milliseconds, rounded down.
  public var durationMilliseconds: Int64 {
    // The bounds keep the product below 2^58.
    frames * 1000 / Int64(sampleRate)
  }
}
