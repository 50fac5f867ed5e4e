import Threading

/// What a recording on its way in or out may hold in memory: a share of one bound for all.
///
/// Large pieces cost fewer turns between threads. A single stream gets them; hundreds at once must
/// still fit a small server.
public final class StreamShare: Sendable {
  /// For all streams together, while there are not too many for the least.
  private static let bytesInAll = 4 << 20
  /// For one: less costs more turns than it saves memory, more makes nothing faster.
  private static let bytesForOne = 32_768...262_144
  /// With more streams than this, the others keep the processors busy while one waits.
  private static let streamsReadingAhead = 16

  private let open = Lock(0)

  /// Bytes that one stream may hold in a piece, by how many are open now: 32 to 256 KiB.
  public var byteCount: Int {
    let share = Self.bytesInAll / max(1, open.withLock { $0 })
    return min(max(share, Self.bytesForOne.lowerBound), Self.bytesForOne.upperBound)
  }

  /// Whether a stream may hold the piece after the one that is being sent.
  var allowsReadingAhead: Bool { open.withLock { $0 } <= Self.streamsReadingAhead }

  /// The same in whole segments of a recording: 1 to 4.
  var segments: Int { max(1, byteCount / EnvelopeLayout.recordingSegmentSize) }

  /// Counts a stream for as long as `body` runs.
  func with<Result, Failure: Error>(
    _ body: () async throws(Failure) -> Result
  ) async throws(Failure) -> Result {
    open.withLock { $0 += 1 }
    defer { open.withLock { $0 -= 1 } }
    return try await body()
  }
}
