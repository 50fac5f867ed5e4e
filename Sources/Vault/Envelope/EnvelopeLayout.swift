/// Where each segment of an object lies, by arithmetic alone.
///
/// Specified in `Documentation/formats/envelope.md`, section 5. Two lengths belong together and
/// each says the other; a length that no object can have is refused.
public struct EnvelopeLayout: Equatable, Sendable {
  /// Segment sizes in bytes of ciphertext that are accepted.
  public static let segmentSizes = 256...1_048_576
  /// What recordings are written with.
  public static let recordingSegmentSize = 65_536
  /// What sealed rows of the catalog are written with.
  public static let detailsSegmentSize = 4096

  static let overhead = 16
  private static let header = Int64(EnvelopeHeader.byteCount)
  // No object has more plaintext than a double counts exactly; it keeps the sums below from overflow.
  private static let longest: Int64 = 1 << 53

  public let segmentSize: Int
  public let plaintextLength: Int64
  public let ciphertextLength: Int64
  /// 1…2³².
  public let segmentCount: Int64

  /// The layout of an object that holds this much plaintext.
  ///
  /// - Throws: ``VaultError/Code/invalid`` for a negative length, a segment size out of bounds, or
  ///   more than 2³² segments.
  public init(plaintextLength: Int64, segmentSize: Int) throws(VaultError) {
    guard
      EnvelopeLayout.segmentSizes.contains(segmentSize),
      (0...EnvelopeLayout.longest).contains(plaintextLength)
    else { throw VaultError(.invalid, during: "laying out an object") }
    let first = Int64(segmentSize) - EnvelopeLayout.header - Int64(EnvelopeLayout.overhead)
    let others = Int64(segmentSize - EnvelopeLayout.overhead)
    let count =
      plaintextLength <= first ? 1 : 1 + (plaintextLength - first + others - 1) / others
    guard count <= 1 << 32 else {
      throw VaultError(.invalid, during: "laying out an object")
    }
    self.segmentSize = segmentSize
    self.plaintextLength = plaintextLength
    segmentCount = count
    ciphertextLength =
      plaintextLength + EnvelopeLayout.header + Int64(EnvelopeLayout.overhead) * count
  }

  /// The layout of an object of this many stored bytes.
  ///
  /// - Throws: ``VaultError/Code/tampered`` for a length that a writer never makes: shorter than a
  ///   header and a tag, a last segment that is empty though others stand before it, or shorter than
  ///   a tag; ``VaultError/Code/invalid`` for a segment size out of bounds.
  public init(ciphertextLength: Int64, segmentSize: Int) throws(VaultError) {
    guard EnvelopeLayout.segmentSizes.contains(segmentSize) else {
      throw VaultError(.invalid, during: "laying out an object")
    }
    let size = Int64(segmentSize)
    let overhead = Int64(EnvelopeLayout.overhead)
    guard
      ciphertextLength >= EnvelopeLayout.header + overhead,
      ciphertextLength <= EnvelopeLayout.longest
    else { throw VaultError(.tampered, during: "laying out an object") }
    let count = (ciphertextLength - 1) / size + 1
    let last = ciphertextLength - (count - 1) * size
    guard count == 1 || last > overhead, count <= 1 << 32 else {
      throw VaultError(.tampered, during: "laying out an object")
    }
    self.segmentSize = segmentSize
    self.ciphertextLength = ciphertextLength
    segmentCount = count
    plaintextLength = ciphertextLength - EnvelopeLayout.header - overhead * count
  }

  public var lastSegment: Int64 { segmentCount - 1 }

  /// Where the ciphertext and tag of a segment lie in the object; segment 0 starts after the header.
  ///
  /// - Precondition: `0 ≤ index < segmentCount`.
  public func ciphertextRange(ofSegment index: Int64) -> Range<Int64> {
    precondition((0..<segmentCount).contains(index), "no such segment")
    let size = Int64(segmentSize)
    let start = index == 0 ? EnvelopeLayout.header : index * size
    return start..<min((index + 1) * size, ciphertextLength)
  }

  /// Which plaintext a segment holds.
  ///
  /// - Precondition: `0 ≤ index < segmentCount`.
  public func plaintextRange(ofSegment index: Int64) -> Range<Int64> {
    precondition((0..<segmentCount).contains(index), "no such segment")
    let room = Int64(segmentSize - EnvelopeLayout.overhead)
    let start = index == 0 ? 0 : index * room - EnvelopeLayout.header
    return start..<min((index + 1) * room - EnvelopeLayout.header, plaintextLength)
  }

  /// The segments that hold a range of plaintext, clamped to what there is; none for an empty range.
  public func segments(holding range: Range<Int64>) -> Range<Int64> {
    let wanted = range.clamped(to: 0..<plaintextLength)
    guard !wanted.isEmpty else { return 0..<0 }
    let room = Int64(segmentSize - EnvelopeLayout.overhead)
    let first = (wanted.lowerBound + EnvelopeLayout.header) / room
    let last = (wanted.upperBound - 1 + EnvelopeLayout.header) / room
    return first..<last + 1
  }

  /// Which bytes of a segment's plaintext belong to a range of the whole.
  ///
  /// - Precondition: `0 ≤ index < segmentCount`.
  public func slice(_ range: Range<Int64>, ofSegment index: Int64) -> Range<Int> {
    let held = plaintextRange(ofSegment: index)
    let wanted = range.clamped(to: held)
    return Int(wanted.lowerBound - held.lowerBound)..<Int(wanted.upperBound - held.lowerBound)
  }
}
