import Cryptography
import Encoding

/// One frame of the journal, the openings and the snapshot, as
/// `Documentation/formats/journal.md` says.
public struct JournalFrame: Hashable, Sendable {
  public enum Kind: UInt8, Sendable {
    case entry = 1
    case opening = 2
    case head = 3
    case position = 4
    case epoch = 5
  }

  /// No frame's body is longer than this.
  public static let maximumBodyLength = 65536
  /// Bytes around a body: length, type and sum.
  static let overhead = 4 + 1 + 16

  public let kind: Kind
  public let body: [UInt8]

  /// Appends a frame to `bytes`; the body has at most ``maximumBodyLength`` bytes.
  static func append(_ kind: Kind, _ body: [UInt8], to bytes: inout [UInt8]) {
    precondition(body.count <= maximumBodyLength, "a frame's body is bounded")
    bytes.append(bigEndian: UInt32(body.count))
    let start = bytes.count
    bytes.append(kind.rawValue)
    bytes.append(contentsOf: body)
    let sum = SHA256.hash(bytes.span.extracting(start...))
    bytes.append(contentsOf: sum.bytes[..<16])
  }

  /// Reads the frame at `offset` and moves it behind; nil, with `offset` as it was, if the bytes
  /// there are not one whole frame with the right sum.
  init?(in bytes: [UInt8], at offset: inout Int) {
    guard offset >= 0, bytes.count - offset >= Self.overhead else { return nil }
    let length =
      Int(bytes[offset]) << 24 | Int(bytes[offset + 1]) << 16 | Int(bytes[offset + 2]) << 8
      | Int(bytes[offset + 3])
    guard length <= Self.maximumBodyLength, bytes.count - offset - Self.overhead >= length,
      let kind = Kind(rawValue: bytes[offset + 4])
    else { return nil }
    let sum = offset + 5 + length
    let expected = SHA256.hash(bytes.span.extracting((offset + 4)..<sum)).bytes
    guard bytes[sum..<(sum + 16)] == expected[..<16] else { return nil }
    self.kind = kind
    body = Array(bytes[(offset + 5)..<sum])
    offset = sum + 16
  }

  /// The frames that `bytes` begin with, each as it is encoded: what follows them is a torn end.
  ///
  /// - Parameters:
  ///   - bytes: frames, one behind the other.
  ///   - passingDamage: true to go on with every opening that can be found behind a bad frame, by its sum.
  /// - Returns: the frames, in order.
  public static func wholeFrames(
    of bytes: [UInt8], passingDamage: Bool = false
  ) -> [ArraySlice<UInt8>] {
    var frames: [ArraySlice<UInt8>] = []
    var (start, end) = (0, 0)
    while start < bytes.count {
      if JournalFrame(in: bytes, at: &end) != nil {
        frames.append(bytes[start..<end])
        start = end
      } else if passingDamage {
        start = nextOpening(in: bytes, after: start)
        end = start
      } else {
        break
      }
    }
    return frames
  }

  /// The next place where the type of an opening stands behind a length that one can have, below 8 KiB: only
  /// there a sum is worth its time, or hostile bytes would cost one of 64 KiB at each place.
  private static func nextOpening(in bytes: [UInt8], after place: Int) -> Int {
    var start = place + 1
    while start + overhead <= bytes.count {
      let isOpening = bytes[start + 4] == Kind.opening.rawValue
      if isOpening, bytes[start] == 0, bytes[start + 1] == 0, bytes[start + 2] < 32 { return start }
      start += 1
    }
    return bytes.count
  }

  /// Whether the bytes from `offset` on, which are no whole frame, can be what a crash left of the
  /// last append: rule 2.7 of `Documentation/formats/journal.md`.
  ///
  /// Nothing is appended before the append before it is synced. So a head with something behind it
  /// ends an append that lasted, and a bad frame before that head is damage. The last append may
  /// have reached the disk in any order, its head before its entries; a sector that did not reach it
  /// is zeros, and bytes that are wrong in another way are damage.
  static func isTornAppend(_ bytes: [UInt8], from offset: Int) -> Bool {
    guard bytes.count - offset >= overhead else { return true }
    // A damaged length hides where the next frame begins, so every offset is tried.
    for start in offset...(bytes.count - overhead) where bytes[start + 4] == Kind.head.rawValue {
      var position = start
      if JournalFrame(in: bytes, at: &position)?.kind == .head {
        return position == bytes.count && lacksSector(bytes, offset..<start)
      }
    }
    return true
  }

  /// What disks write whole.
  private static let sectorLength = 512
  /// A frame's length begins with two zeros in any case.
  private static let telltaleZeros = 3

  /// Whether a sector of the file, as far as it lies in `range`, is zeros to its end.
  private static func lacksSector(_ bytes: [UInt8], _ range: Range<Int>) -> Bool {
    var start = range.lowerBound
    while start < range.upperBound {
      let end = (start / sectorLength + 1) * sectorLength
      guard end <= range.upperBound else { return false }
      if end - start >= telltaleZeros, bytes[start..<end].allSatisfy({ $0 == 0 }) { return true }
      start = end
    }
    return false
  }
}

extension [UInt8] {
  mutating func append(bigEndian value: UInt32) {
    for shift in stride(from: 24, through: 0, by: -8) {
      append(UInt8(truncatingIfNeeded: value >> UInt32(shift)))
    }
  }

  mutating func append(bigEndian value: UInt64) {
    for shift in stride(from: 56, through: 0, by: -8) {
      append(UInt8(truncatingIfNeeded: value >> UInt64(shift)))
    }
  }
}

/// The opening of one field of one entry, still sealed: the body of an opening's frame.
struct SealedOpening: Hashable, Sendable {
  let entry: Identifier
  let field: CommitField
  let sealed: [UInt8]

  init(entry: Identifier, field: CommitField, sealed: [UInt8]) {
    self.entry = entry
    self.field = field
    self.sealed = sealed
  }

  /// Reads a frame's body; nil if it has another form.
  init?(parsing body: [UInt8]) {
    guard body.count >= 17, let entry = Identifier(bytes: Array(body[..<16])) else { return nil }
    let length = Int(body[16])
    guard body.count - 17 >= length,
      let field = CommitField(
        rawValue: String(decoding: body[17..<(17 + length)], as: UTF8.self))
    else { return nil }
    self.entry = entry
    self.field = field
    sealed = Array(body[(17 + length)...])
  }

  var encoded: [UInt8] {
    let name = Array(field.rawValue.utf8)
    return entry.bytes + [UInt8(name.count)] + name + sealed
  }
}
