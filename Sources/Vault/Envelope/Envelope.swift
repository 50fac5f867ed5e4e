package import Cryptography

/// Objects small enough to be whole in memory: sealed rows, transcripts, notes.
public enum Envelope {
  /// Seals `plaintext` as one object.
  ///
  /// - Throws: as ``EnvelopeSealer``.
  public static func seal(
    _ plaintext: [UInt8], with key: borrowing PartKey,
    segmentSize: Int = EnvelopeLayout.detailsSegmentSize
  ) throws(VaultError) -> [UInt8] {
    let layout = try EnvelopeLayout(
      plaintextLength: Int64(plaintext.count), segmentSize: segmentSize)
    var object: [UInt8] = []
    object.reserveCapacity(Int(layout.ciphertextLength))
    var sealer = try EnvelopeSealer(key, segmentSize: segmentSize)
    try sealer.seal(plaintext.span, into: &object)
    try sealer.finish(into: &object)
    return object
  }

  /// Opens a whole object, or nothing of it.
  ///
  /// - Throws: ``VaultError/Code/tampered`` unless every segment is what was sealed under this key and
  ///   address, and nothing stands before, between or after.
  public static func open(
    _ object: [UInt8], with key: borrowing PartKey,
    segmentSize: Int = EnvelopeLayout.detailsSegmentSize
  ) throws(VaultError) -> [UInt8] {
    try open(
      object, key: key.secret, associatedData: key.address.associatedData,
      segmentSize: segmentSize)
  }

  /// For test vectors and objects of other programs: any key and associated data.
  package static func open(
    _ object: [UInt8], key: borrowing SecretBytes, associatedData: [UInt8], segmentSize: Int
  ) throws(VaultError) -> [UInt8] {
    var opener = try EnvelopeOpener(
      key: key, associatedData: associatedData, header: try EnvelopeHeader(parsing: object),
      length: .recorded(Int64(object.count)), segmentSize: segmentSize)
    var plaintext: [UInt8] = []
    plaintext.reserveCapacity(Int(opener.layout.plaintextLength))
    for index in 0..<opener.layout.segmentCount {
      let range = opener.layout.ciphertextRange(ofSegment: index)
      try opener.open(
        segment: index,
        object.span.extracting(Int(range.lowerBound)..<Int(range.upperBound)),
        appendingTo: &plaintext)
    }
    return plaintext
  }
}
