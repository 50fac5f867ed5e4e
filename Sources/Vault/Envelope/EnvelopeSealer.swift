package import Cryptography

/// Encrypts one part as it arrives, in constant memory.
///
/// `Documentation/formats/envelope.md`. What is fed comes out as whole segments, the header first;
/// a segment is held back until it is known whether another follows, because its nonce says so.
///
/// ```swift
/// var sealer = try EnvelopeSealer(key)
/// var object: [UInt8] = []
/// while let bytes = try await body.next() {
///   try sealer.seal(bytes.span, into: &object)
///   try await writer.append(object)
///   object.removeAll(keepingCapacity: true)
/// }
/// try sealer.finish(into: &object)
/// try await writer.append(object)
/// ```
public struct EnvelopeSealer: ~Copyable, Sendable {
  private let header: EnvelopeHeader
  private let segmentSize: Int
  private var cipher: AES256GCM
  private var nonce: [UInt8]
  // Plaintext of the segment that is being filled; never more than one segment.
  private var pending: [UInt8] = []
  private var index: UInt32 = 0
  private var isHeaderWritten = false

  /// Plaintext bytes taken so far.
  public private(set) var plaintextLength: Int64 = 0

  /// Starts an object with a fresh salt and nonce prefix.
  ///
  /// - Throws: ``VaultError/Code/invalid`` for a segment size out of bounds,
  ///   ``VaultError/Code/unavailable`` when a library fails.
  public init(
    _ key: borrowing PartKey, segmentSize: Int = EnvelopeLayout.recordingSegmentSize
  ) throws(VaultError) {
    try self.init(
      key: key.secret, associatedData: key.address.associatedData, segmentSize: segmentSize,
      header: try EnvelopeHeader())
  }

  /// For test vectors: any key, associated data, salt and nonce prefix.
  package init(
    key: borrowing SecretBytes, associatedData: [UInt8], segmentSize: Int, header: EnvelopeHeader
  ) throws(VaultError) {
    guard EnvelopeLayout.segmentSizes.contains(segmentSize) else {
      throw VaultError(.invalid, during: "starting an object")
    }
    do throws(CryptographyError) {
      cipher = try header.cipher(under: key, associatedData: associatedData)
    } catch {
      throw VaultError(.unavailable, during: "starting an object", cause: error)
    }
    self.header = header
    self.segmentSize = segmentSize
    nonce = header.firstNonce
    pending.reserveCapacity(segmentSize)
  }

  /// Takes plaintext and appends the segments that are now certain to `output`.
  ///
  /// After a refusal the object is worthless and must be discarded.
  ///
  /// - Throws: ``VaultError/Code/invalid`` beyond 2³² segments, ``VaultError/Code/unavailable`` when
  ///   the library fails.
  public mutating func seal(
    _ plaintext: Span<UInt8>, into output: inout [UInt8]
  ) throws(VaultError) {
    var taken = 0
    while taken < plaintext.count {
      if pending.count == room {
        try emitPending(isLast: false, into: &output)
      }
      let left = plaintext.count - taken
      if pending.isEmpty, left > room {
        // More follows, so this segment is not the last and needs no copy of its own.
        let end = taken + room
        try emit(plaintext.extracting(taken..<end), isLast: false, into: &output)
        taken = end
      } else {
        let end = taken + min(room - pending.count, left)
        unsafe plaintext.extracting(taken..<end).withUnsafeBufferPointer {
          unsafe pending.append(contentsOf: $0)
        }
        taken = end
      }
    }
    plaintextLength += Int64(plaintext.count)
  }

  /// Appends the last segment; what was fed is now a whole object.
  ///
  /// - Throws: as ``seal(_:into:)``.
  public consuming func finish(into output: inout [UInt8]) throws(VaultError) {
    try emitPending(isLast: true, into: &output)
  }

  private var room: Int {
    segmentSize - EnvelopeLayout.overhead - (index == 0 ? EnvelopeHeader.byteCount : 0)
  }

  private mutating func emitPending(
    isLast: Bool, into output: inout [UInt8]
  ) throws(VaultError) {
    // Taken out and put back, so that its room serves every segment.
    var segment: [UInt8] = []
    swap(&segment, &pending)
    try emit(segment.span, isLast: isLast, into: &output)
    segment.removeAll(keepingCapacity: true)
    swap(&segment, &pending)
  }

  private mutating func emit(
    _ plaintext: Span<UInt8>, isLast: Bool, into output: inout [UInt8]
  ) throws(VaultError) {
    if !isHeaderWritten {
      output.append(contentsOf: header.encoded)
      isHeaderWritten = true
    }
    EnvelopeHeader.number(&nonce, index: index, isLast: isLast)
    let nonce = self.nonce
    do throws(CryptographyError) {
      try output.append(addingCapacity: plaintext.count + EnvelopeLayout.overhead) {
        (tail: inout OutputSpan<UInt8>) throws(CryptographyError) in
        try cipher.seal(plaintext, nonce: nonce.span, appendingTo: &tail)
      }
    } catch {
      throw VaultError(.unavailable, during: "sealing a segment", cause: error)
    }
    if isLast { return }
    let (next, overflow) = index.addingReportingOverflow(1)
    guard !overflow else { throw VaultError(.invalid, during: "sealing more than 2^32 segments") }
    index = next
  }
}
