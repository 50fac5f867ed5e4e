/// What parent and child say to each other over the socket; integers are big-endian.
///
/// ```
/// parent → child   order    u64 length of the recording ‖ u32 milliseconds for decoding
/// child → parent   read     'R' ‖ u64 offset ‖ u32 count
/// parent → child   bytes    u32 n ‖ n bytes             n = 0 at the end of the recording
/// child → parent   answer   'A' ‖ u8 verdict ‖ u8 container ‖ u8 codec ‖ u8 decoded to end
///                               ‖ u16 channels ‖ u32 sample rate ‖ u64 frames
/// ```
///
/// Nothing of it is stored, and both ends are the same program. The parent treats the child's words
/// as hostile nevertheless: they come from a process that a recording may have taken over.
enum ProbeMessage {
  static let orderLength = 12
  static let readKind: UInt8 = 0x52
  static let readLength = 12
  static let answerKind: UInt8 = 0x41
  static let answerLength = 18
  /// What one read may ask for.
  static let maximumCount = 256 * 1024

  static func order(length: Int64, decodeMilliseconds: Int) -> [UInt8] {
    bigEndian(UInt64(clamping: length)) + bigEndian(UInt32(clamping: decodeMilliseconds))
  }

  static func read(offset: Int64, count: Int) -> [UInt8] {
    [readKind] + bigEndian(UInt64(clamping: offset)) + bigEndian(UInt32(clamping: count))
  }

  static func bigEndian<Number: FixedWidthInteger>(_ number: Number) -> [UInt8] {
    stride(from: Number.bitWidth - 8, through: 0, by: -8).map {
      UInt8(truncatingIfNeeded: number >> Number($0))
    }
  }

  /// The number in `bytes`, of which as many are read as `Number` has.
  static func number<Number: FixedWidthInteger>(_ bytes: ArraySlice<UInt8>) -> Number {
    bytes.prefix(Number.bitWidth / 8).reduce(0) { ($0 << 8) | Number(truncatingIfNeeded: $1) }
  }

  static func answer(_ finding: AudioFinding) -> [UInt8] {
    let verdict: UInt8
    let format: AudioFormat?
    switch finding {
    case .intact(let known): (verdict, format) = (0, known)
    case .damaged(let known): (verdict, format) = (known == nil ? 2 : 1, known)
    case .unknown: (verdict, format) = (3, nil)
    }
    guard let format else { return [answerKind, verdict] + [UInt8](repeating: 0, count: 17) }
    return [
      answerKind, verdict, position(of: format.container), position(of: format.codec),
      format.isDecodedToEnd ? 1 : 0,
    ] + bigEndian(UInt16(clamping: format.channels))
      + bigEndian(UInt32(clamping: format.sampleRate))
      + bigEndian(UInt64(clamping: format.frames))
  }

  /// Reads an answer without its kind byte; nil if any field is outside its bounds.
  static func finding(parsing body: [UInt8]) -> AudioFinding? {
    guard body.count == answerLength else { return nil }
    switch body[0] {
    case 2: return .damaged(nil)
    case 3: return .unknown
    case 0, 1:
      let containers = AudioFormat.Container.allCases
      let codecs = AudioFormat.Codec.allCases
      guard Int(body[1]) < containers.count, Int(body[2]) < codecs.count, body[3] <= 1,
        let frames = Int64(exactly: number(body[10...]) as UInt64),
        let format = AudioFormat(
          container: containers[Int(body[1])], codec: codecs[Int(body[2])],
          channels: Int(number(body[4...]) as UInt16),
          sampleRate: Int(number(body[6...]) as UInt32), frames: frames,
          isDecodedToEnd: body[3] == 1)
      else { return nil }
      return body[0] == 0 ? .intact(format) : .damaged(format)
    default: return nil
    }
  }

  private static func position<Case: CaseIterable & Equatable>(of element: Case) -> UInt8 {
    UInt8(Case.allCases.prefix { $0 != element }.count)
  }
}
