import Encoding
import Threading

/// A recording that is open: its facts, and its bytes in any range while the attempt lasts.
///
/// Every byte it gives is counted as released, because nobody can say afterwards that it did not arrive.
public final class RecordingReader: Sendable {
  public let facts: RecordingFacts
  /// Why and by whom it was opened is in the entry with this index.
  public let logIndex: Int64
  private let source: any RecordingSource
  private let streams: StreamShare
  private let stillAllowed: @Sendable () throws(VaultError) -> Void
  private let count = Lock(Int64(0))

  init(
    _ facts: RecordingFacts, logIndex: Int64, source: any RecordingSource, streams: StreamShare,
    stillAllowed: @escaping @Sendable () throws(VaultError) -> Void
  ) {
    self.facts = facts
    self.logIndex = logIndex
    self.source = source
    self.streams = streams
    self.stillAllowed = stillAllowed
  }

  /// Gives back what the reader holds; nothing is read afterwards.
  func finish() async { await source.close() }

  /// Plaintext bytes given so far.
  public var released: Int64 { count.withLock { $0 } }

  /// Gives the bytes of a range in order, piece by piece; while `take` has one, the next is opened.
  ///
  /// - Parameters:
  ///   - range: within `0..<facts.length`; what lies outside is left out.
  ///   - take: gets bytes whose segments are authentic; the first piece is at most one segment.
  /// - Throws: ``VaultError/Code/tampered`` at the first segment that is not what was stored, when
  ///   those before it have been given; ``VaultError/Code/denied`` as soon as the credential has
  ///   ended; what `take` throws.
  public func read(
    _ range: Range<Int64>, _ take: ([UInt8]) async throws -> Void
  ) async throws {
    var rest = range.clamped(to: 0..<facts.length)
    guard !rest.isEmpty else { return }
    let source = source
    var piece = try await source.piece(of: rest, segments: 1)
    var segments = 1
    try await withThrowingTaskGroup(of: [UInt8].self) { group in
      func start(_ rest: Range<Int64>, _ segments: Int) {
        guard !rest.isEmpty else { return }
        group.addTask(executorPreference: source.executor) {
          try await source.piece(of: rest, segments: segments)
        }
      }
      while true {
        guard !piece.isEmpty, piece.count <= rest.count else {
          throw VaultError(.tampered, during: "reading a recording")
        }
        rest = (rest.lowerBound + Int64(piece.count))..<rest.upperBound
        // A player that looks at the start of a file soon has it; who stays gets large pieces.
        segments = min(segments * 2, streams.segments)
        let isAhead = streams.allowsReadingAhead
        if isAhead { start(rest, segments) }
        try stillAllowed()
        count.withLock { $0 += Int64(piece.count) }
        try await take(piece)
        piece = []
        if !isAhead { start(rest, segments) }
        guard let next = try await group.next() else { return }
        piece = next
      }
    }
  }
}

/// The plaintext of an object, decrypted range by range.
protocol RecordingSource: Sendable {
  /// Bytes of plaintext.
  var length: Int64 { get }

  /// The thread on which pieces are best read and opened.
  var executor: any TaskExecutor { get }

  /// Reads `count` bytes from `offset`, fewer only at the end.
  func read(at offset: Int64, count: Int) async throws(VaultError) -> [UInt8]

  /// The beginning of a range, up to the end of a segment: no segment is opened twice when the next
  /// piece begins where this one ends.
  ///
  /// - Parameters:
  ///   - range: not empty, within the plaintext.
  ///   - limit: the piece ends within this many segments.
  /// - Returns: at least one byte.
  /// - Throws: ``VaultError/Code/tampered`` if the first segment is not what was stored; a later one
  ///   ends the piece.
  func piece(of range: Range<Int64>, segments limit: Int) async throws(VaultError) -> [UInt8]

  func close() async
}
