/// Where the samples of a WAVE file lie, and which bytes of it are silence.
///
/// RIFF/WAVE as Microsoft's *Multimedia Programming Interface* and RFC 2361 have it, and RF64 (EBU
/// Tech 3306). It reads a head and never the samples: whoever changes a file leaves every byte as
/// it was that this does not name.
public struct WaveLayout: Equatable, Sendable {
  /// How a sample is written.
  public enum Coding: Equatable, Sendable {
    /// Whole numbers; those of 8 bits and fewer have no sign.
    case integer
    case floatingPoint
    case aLaw
    case muLaw
  }

  /// No head is longer; what is before the samples beyond it is not looked at.
  public static let headLimit = 1 << 20

  public let coding: Coding
  public let bitsPerSample: Int
  public let channels: Int
  /// Frames a second.
  public let sampleRate: Int
  /// Bytes of one frame: a sample of each channel.
  public let frameSize: Int
  /// Offsets of the samples in the file: whole frames.
  public let samples: Range<Int64>

  /// Reads the head of a file.
  ///
  /// - Parameters:
  ///   - head: its beginning, as much as there is up to ``headLimit`` bytes.
  ///   - length: of the whole file.
  /// - Throws: ``WaveError``.
  public init(head: [UInt8], length: Int64) throws(WaveError) {
    guard head.count >= 12, Self.tag(head, 8) == "WAVE",
      ["RIFF", "RF64"].contains(Self.tag(head, 0))
    else { throw .notWave }
    var format: Format?
    var longLength: Int64?
    var place = 12
    while place + 8 <= head.count {
      let body = place + 8
      let size = Int64(Self.number(head, place + 4, 4))
      switch Self.tag(head, place) {
      case "ds64":
        guard size >= 16, body + 16 <= head.count else { throw .damaged }
        longLength = Int64(clamping: Self.number(head, body + 8, 8))
      case "fmt ":
        guard format == nil else { throw .damaged }
        format = try Format(head, body, size)
      case "data":
        guard let format else { throw .damaged }
        try self.init(format, from: Int64(body), size, longLength, length)
        return
      default: break
      }
      // Chunks begin at even offsets.
      let next = Int64(body) + size + size % 2
      guard next <= Int64(head.count) else { break }
      place = Int(next)
    }
    throw head.count < Self.headLimit ? .damaged : .headTooLong
  }

  private init(
    _ format: Format, from start: Int64, _ size: Int64, _ longLength: Int64?, _ length: Int64
  ) throws(WaveError) {
    // A writer that could not go back leaves the size open: the samples go to the end.
    let isOpen = size == 0xFFFF_FFFF || size == 0
    let bytes = isOpen ? longLength ?? length - start : size
    guard bytes >= 0, start <= length else { throw .damaged }
    let whole = min(bytes, length - start)
    coding = format.coding
    bitsPerSample = format.bits
    channels = format.channels
    sampleRate = format.rate
    frameSize = format.frameSize
    samples = start..<start + whole - whole % Int64(format.frameSize)
  }

  /// The length in milliseconds, rounded up.
  public var milliseconds: Int64 {
    let frames = Int64(samples.count) / Int64(frameSize)
    return (frames * 1000 + Int64(sampleRate) - 1) / Int64(sampleRate)
  }

  /// The bytes of all frames from one time to another: the first is rounded down, the last up.
  ///
  /// Milliseconds, `from` ≤ `to`, both at most a day. Empty where the file ends before.
  public func bytes(from: Int64, to: Int64) -> Range<Int64> {
    let rate = Int64(sampleRate)
    let first = max(0, from) * rate / 1000
    let last = (max(0, to) * rate + 999) / 1000
    let size = Int64(frameSize)
    let start = min(samples.lowerBound + first * size, samples.upperBound)
    return start..<max(start, min(samples.lowerBound + last * size, samples.upperBound))
  }

  /// What each byte of silence is.
  public var silence: UInt8 {
    switch coding {
    case .integer: bitsPerSample <= 8 ? 0x80 : 0
    case .floatingPoint: 0
    case .aLaw: 0xD5
    case .muLaw: 0xFF
    }
  }

  private static func tag(_ bytes: [UInt8], _ offset: Int) -> String {
    String(decoding: bytes[offset..<offset + 4], as: UTF8.self)
  }

  fileprivate static func number(_ bytes: [UInt8], _ offset: Int, _ count: Int) -> UInt64 {
    (0..<count).reduce(UInt64(0)) { $0 | UInt64(bytes[offset + $1]) << (8 * UInt64($1)) }
  }

  /// What a `fmt ` chunk says.
  private struct Format {
    let coding: Coding
    let channels, rate, bits, frameSize: Int

    init(_ head: [UInt8], _ body: Int, _ size: Int64) throws(WaveError) {
      guard size >= 16, size <= 1 << 16, body + Int(size) <= head.count else { throw .damaged }
      var code = WaveLayout.number(head, body, 2)
      channels = Int(WaveLayout.number(head, body + 2, 2))
      rate = Int(WaveLayout.number(head, body + 4, 4))
      frameSize = Int(WaveLayout.number(head, body + 12, 2))
      bits = Int(WaveLayout.number(head, body + 14, 2))
      if code == 0xFFFE {
        // The first two bytes of the identifier are the code.
        guard size >= 40 else { throw .damaged }
        code = WaveLayout.number(head, body + 24, 2)
      }
      switch code {
      case 1: coding = .integer
      case 3: coding = .floatingPoint
      case 6: coding = .aLaw
      case 7: coding = .muLaw
      default: throw .otherCoding
      }
      guard (1...256).contains(channels), (1...1_000_000).contains(rate),
        (1...64).contains(bits), frameSize == channels * ((bits + 7) / 8)
      else { throw .damaged }
    }
  }
}

/// Why a file's samples cannot be told.
public enum WaveError: Error, Sendable {
  /// It is no WAVE file.
  case notWave
  /// Its samples are packed otherwise: GSM, ADPCM, MPEG.
  case otherCoding
  /// Chunks or fields contradict each other or the length.
  case damaged
  /// Too much stands before the samples.
  case headTooLong
}
