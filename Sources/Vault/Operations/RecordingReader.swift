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
  private let stillAllowed: @Sendable () throws(VaultError) -> Void
  private let count = Lock(Int64(0))

  init(
    _ facts: RecordingFacts, logIndex: Int64, source: any RecordingSource,
    stillAllowed: @escaping @Sendable () throws(VaultError) -> Void
  ) {
    self.facts = facts
    self.logIndex = logIndex
    self.source = source
    self.stillAllowed = stillAllowed
  }

  /// Gives back what the reader holds; nothing is read afterwards.
  func finish() async { await source.close() }

  /// Plaintext bytes given so far.
  public var released: Int64 { count.withLock { $0 } }

  /// The bytes of a range, one segment or less at a time.
  ///
  /// - Parameter range: within `0..<facts.length`; what lies outside is left out.
  /// - Returns: a sequence that decrypts a segment when it is asked for one, and throws
  ///   ``VaultError/Code/tampered`` at the first that is not what was stored.
  public func bytes(in range: Range<Int64>) -> Bytes {
    Bytes(reader: self, range: range.clamped(to: 0..<facts.length))
  }

  /// The decrypted bytes of a range.
  public struct Bytes: AsyncSequence, Sendable {
    let reader: RecordingReader
    let range: Range<Int64>

    public struct Iterator: AsyncIteratorProtocol {
      let reader: RecordingReader
      var rest: Range<Int64>

      public mutating func next() async throws(VaultError) -> [UInt8]? {
        guard !rest.isEmpty else { return nil }
        let bytes = try await reader.read(
          at: rest.lowerBound, atMost: rest.upperBound - rest.lowerBound)
        rest = (rest.lowerBound + Int64(bytes.count))..<rest.upperBound
        return bytes
      }
    }

    public func makeAsyncIterator() -> Iterator { Iterator(reader: reader, rest: range) }
  }

  /// At least one byte and at most the rest of a segment.
  private func read(at offset: Int64, atMost limit: Int64) async throws(VaultError) -> [UInt8] {
    try stillAllowed()
    let bytes = try await source.read(
      at: offset, count: source.preferredCount(at: offset, atMost: limit))
    guard !bytes.isEmpty, bytes.count <= limit else {
      throw VaultError(.tampered, during: "reading a recording")
    }
    count.withLock { $0 += Int64(bytes.count) }
    return bytes
  }
}

/// The plaintext of an object, decrypted range by range.
protocol RecordingSource: Sendable {
  /// Bytes of plaintext.
  var length: Int64 { get }

  /// Reads `count` bytes from `offset`, fewer only at the end.
  func read(at offset: Int64, count: Int) async throws(VaultError) -> [UInt8]

  /// How much to read at `offset` so that no segment is decrypted twice, 1…`limit`.
  func preferredCount(at offset: Int64, atMost limit: Int64) -> Int

  func close() async
}
