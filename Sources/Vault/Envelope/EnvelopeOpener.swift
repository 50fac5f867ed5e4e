package import Cryptography

/// How an object's length is known.
public enum EnvelopeLength: Sendable {
  /// From the catalog or the log, which say what was written.
  case recorded(Int64)
  /// From the storage, which is not trusted: the last segment must open before any other.
  case claimed(Int64)
}

/// Decrypts segments of one object in any order.
///
/// `Documentation/formats/envelope.md`. Storage is not trusted: a segment that is not, byte for byte,
/// what was sealed at this place of this object is refused, and nothing of it is left to read.
public struct EnvelopeOpener: ~Copyable, Sendable {
  public let layout: EnvelopeLayout
  /// Whether the total length may be told to anybody: it was recorded, or the last segment opened.
  public private(set) var isLengthProven: Bool
  private var cipher: AES256GCM
  private var nonce: [UInt8]

  /// Reads the header and derives the object's key.
  ///
  /// - Throws: ``VaultError/Code/tampered`` for a header or a length that no object has,
  ///   ``VaultError/Code/invalid`` for a segment size out of bounds,
  ///   ``VaultError/Code/unavailable`` when a library fails.
  public init(
    _ key: borrowing PartKey, header: EnvelopeHeader, length: EnvelopeLength,
    segmentSize: Int = EnvelopeLayout.recordingSegmentSize
  ) throws(VaultError) {
    try self.init(
      key: key.secret, associatedData: key.address.associatedData, header: header, length: length,
      segmentSize: segmentSize)
  }

  /// For test vectors and objects of other programs: any key and associated data.
  package init(
    key: borrowing SecretBytes, associatedData: [UInt8], header: EnvelopeHeader,
    length: EnvelopeLength, segmentSize: Int
  ) throws(VaultError) {
    let (bytes, isProven) =
      switch length {
      case .recorded(let bytes): (bytes, true)
      case .claimed(let bytes): (bytes, false)
      }
    let layout = try EnvelopeLayout(ciphertextLength: bytes, segmentSize: segmentSize)
    do throws(CryptographyError) {
      cipher = try header.cipher(under: key, associatedData: associatedData)
    } catch {
      throw VaultError(.unavailable, during: "opening an object", cause: error)
    }
    self.layout = layout
    isLengthProven = isProven
    nonce = header.firstNonce
  }

  /// Decrypts one segment: `sealed` is its ciphertext and tag, and its plaintext comes to the end of
  /// `output`.
  ///
  /// - Precondition: the segment exists, and the length is proven or the segment is the last.
  /// - Throws: ``VaultError/Code/tampered`` if the bytes are not those that were sealed here; then
  ///   `output` is as it was.
  public mutating func open(
    segment index: Int64, _ sealed: Span<UInt8>, appendingTo output: inout [UInt8]
  ) throws(VaultError) {
    // At least one: where nothing comes, Swift 6.3 writes its count to the storage that all empty arrays share,
    // which is a data race with whoever reads it.
    try output.append(addingCapacity: max(1, sealed.count - EnvelopeLayout.overhead)) {
      (tail: inout OutputSpan<UInt8>) throws(VaultError) in
      try open(segment: index, sealed, appendingTo: &tail)
    }
  }

  /// The same, for a caller who knows where the plaintext is to lie; `output` has room for it.
  ///
  /// - Throws: as ``open(segment:_:appendingTo:)-(_,_,[UInt8])``, also for less room.
  public mutating func open(
    segment index: Int64, _ sealed: Span<UInt8>, appendingTo output: inout OutputSpan<UInt8>
  ) throws(VaultError) {
    let isLast = index == layout.lastSegment
    precondition(isLengthProven || isLast, "the last segment proves the length and comes first")
    let expected = layout.ciphertextRange(ofSegment: index)
    guard sealed.count == expected.count, let number = UInt32(exactly: index) else {
      throw VaultError(.tampered, during: "opening a segment")
    }
    EnvelopeHeader.number(&nonce, index: number, isLast: isLast)
    let nonce = self.nonce
    do throws(CryptographyError) {
      try cipher.open(sealed, nonce: nonce.span, appendingTo: &output)
    } catch {
      throw VaultError(.tampered, during: "opening a segment", cause: error)
    }
    if isLast { isLengthProven = true }
  }
}
