public import Encoding

/// What is known of a recording's sound, learnt once when it is stored.
public struct AudioFacts: Hashable, Sendable {
  public enum Condition: String, Sendable, CaseIterable {
    /// Container and codec were read to the end.
    case sound
    /// The container is known, and what follows does not agree with it.
    case damaged
    /// No known container: kept sealed, never refused.
    case unknown
    /// The inspector did not answer: nothing is said about the sound.
    case unexamined
  }
  public let condition: Condition
  /// Container and codec in one word each, such as `wav/pcm-s16`; nil when unknown.
  public let format: String?
  public let channels: Int?
  public let sampleRate: Int?
  public let durationMilliseconds: Int64?

  public init(
    condition: Condition, format: String? = nil, channels: Int? = nil, sampleRate: Int? = nil,
    durationMilliseconds: Int64? = nil
  ) {
    self.condition = condition
    self.format = format
    self.channels = channels
    self.sampleRate = sampleRate
    self.durationMilliseconds = durationMilliseconds
  }
}

/// Looks at a recording without ever holding a key or a file of plaintext.
public protocol AudioInspector: Sendable {
  /// Reads what it needs through `read` and says what it found. It does not throw: damaged audio is a fact.
  ///
  /// `length` is the recording's plaintext length in bytes; `read` gives `count` bytes from `offset`, fewer only
  /// at the end. `uploader` is who stores it: recordings of others must not wait for all of theirs.
  func inspect(
    length: Int64, from uploader: Identifier,
    read: @escaping @Sendable (_ offset: Int64, _ count: Int) async throws -> [UInt8]
  ) async -> AudioFacts
}
