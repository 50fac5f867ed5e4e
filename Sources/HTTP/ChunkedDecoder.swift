/// Takes the chunked coding (RFC 9112, 7.1) off a body that comes in any pieces.
///
/// Extensions and trailers are checked, bounded and dropped. The peer is not trusted: whatever
/// comes, ``decode(_:into:upTo:)`` returns or throws, and never traps.
public struct ChunkedDecoder: Sendable {
  /// Bytes of all chunk extensions together, and of the trailer, that are borne with.
  public static let overheadBytes = 8_192

  private enum State {
    case size(digits: Int)
    case ext
    case sizeLineFeed
    case data
    case dataReturn
    case dataLineFeed
    case trailer
    case trailerLineFeed
    case finished
  }

  private var state = State.size(digits: 0)
  /// Bytes of the current chunk still to come.
  private var remaining: Int64 = 0
  private var overhead = 0
  private var line: [UInt8] = []

  public init() {}

  /// Whether the last chunk and the trailer have been read.
  public var isFinished: Bool {
    if case .finished = state { true } else { false }
  }

  /// Appends decoded bytes until `output` holds `limit` or the input ends.
  ///
  /// - Returns: how many bytes of `input` were taken; fewer than all of them when `output` is full
  ///   or the body has ended.
  /// - Throws: ``HTTPError/Code/malformed``, or ``HTTPError/Code/tooLarge`` for a size beyond
  ///   Int64 or too much besides the data.
  public mutating func decode(
    _ input: Span<UInt8>, into output: inout [UInt8], upTo limit: Int
  ) throws(HTTPError) -> Int {
    var index = 0
    while index < input.count, !isFinished {
      if case .data = state {
        let room = min(limit - output.count, input.count - index)
        let count = Int(min(remaining, Int64(room)))
        guard count > 0 else { return index }
        unsafe input.extracting(index..<(index + count)).withUnsafeBufferPointer {
          unsafe output.append(contentsOf: $0)
        }
        index += count
        remaining -= Int64(count)
        if remaining == 0 { state = .dataReturn }
      } else {
        try take(input[index])
        index += 1
      }
    }
    return index
  }

  private mutating func take(_ byte: UInt8) throws(HTTPError) {
    switch state {
    case .size(let digits):
      try takeSize(byte, digits: digits)
    case .ext:
      try countOverhead()
      if byte == 0x0D {
        state = .sizeLineFeed
      } else if Syntax.isControl(byte) {
        throw HTTPError(.malformed, during: "reading a chunk extension")
      }
    case .sizeLineFeed:
      try expect(0x0A, byte)
      state = remaining == 0 ? .trailer : .data
    case .dataReturn:
      try expect(0x0D, byte)
      state = .dataLineFeed
    case .dataLineFeed:
      try expect(0x0A, byte)
      state = .size(digits: 0)
    case .trailer:
      try countOverhead()
      if byte == 0x0D {
        state = .trailerLineFeed
      } else if Syntax.isControl(byte) {
        throw HTTPError(.malformed, during: "reading a trailer")
      } else {
        line.append(byte)
      }
    case .trailerLineFeed:
      try expect(0x0A, byte)
      if line.isEmpty {
        state = .finished
      } else {
        _ = try RequestHead.field(line[...])
        line.removeAll(keepingCapacity: true)
        state = .trailer
      }
    case .data, .finished:
      throw HTTPError(.internalFault, during: "reading a chunk")
    }
  }

  private mutating func takeSize(_ byte: UInt8, digits: Int) throws(HTTPError) {
    if let value = Syntax.hexValue(byte) {
      // Fifteen digits stay below Int64.max, and below anything a disk holds.
      guard digits < 15 else { throw HTTPError(.tooLarge, during: "reading a chunk size") }
      remaining = remaining << 4 | Int64(value)
      state = .size(digits: digits + 1)
    } else if digits > 0, byte == 0x0D {
      state = .sizeLineFeed
    } else if digits > 0, byte == 0x3B {
      state = .ext
    } else {
      throw HTTPError(.malformed, during: "reading a chunk size")
    }
  }

  private mutating func countOverhead() throws(HTTPError) {
    overhead += 1
    guard overhead <= Self.overheadBytes else {
      throw HTTPError(.tooLarge, during: "reading chunk extensions and trailers")
    }
  }

  private func expect(_ wanted: UInt8, _ byte: UInt8) throws(HTTPError) {
    guard byte == wanted else { throw HTTPError(.malformed, during: "reading the end of a chunk") }
  }
}
