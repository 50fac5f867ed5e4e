import Audit
import Cryptography
import Encoding

/// Opens every segment of an object and forgets what it held: it returns or throws, and has nothing
/// that could give plaintext away.
struct ObjectExaminer: ~Copyable {
  let layout: EnvelopeLayout
  private var opener: EnvelopeOpener
  private var scratch: [UInt8] = []

  fileprivate init(_ opener: consuming EnvelopeOpener) {
    layout = opener.layout
    self.opener = opener
  }

  /// Opens the segments of a piece of the object.
  ///
  /// - Parameters:
  ///   - first: the number of the first.
  ///   - piece: the object's bytes from where that one begins, or the header before it, to the end of a
  ///     segment.
  /// - Throws: ``VaultError/Code/tampered`` at the first that is not what was sealed there.
  mutating func examine(from first: Int64, _ piece: [UInt8]) throws(VaultError) {
    let start = first * Int64(layout.segmentSize)
    var index = first
    do throws(VaultError) {
      while index <= layout.lastSegment {
        let place = layout.ciphertextRange(ofSegment: index)
        guard place.lowerBound - start < piece.count else { break }
        guard place.upperBound - start <= piece.count else {
          throw VaultError(.tampered, during: "examining a segment")
        }
        scratch.removeAll(keepingCapacity: true)
        try opener.open(
          segment: index,
          piece.span.extracting(Int(place.lowerBound - start)..<Int(place.upperBound - start)),
          appendingTo: &scratch)
        index += 1
      }
    } catch {
      wipe()
      throw error
    }
    if index > layout.lastSegment { wipe() }
  }

  /// Writes zeros over what was opened; each segment has written over the one before.
  private mutating func wipe() {
    scratch.removeAll(keepingCapacity: true)
    scratch.append(contentsOf: repeatElement(0, count: layout.segmentSize))
  }
}

/// The recordings, or the calls, that a receipt names by their number and digest, for looking whether what they
/// hold opens.
struct ExaminationBatch: Sendable {
  private let ring: KeyRing
  private let ids: Set<Identifier>

  fileprivate init(_ ring: KeyRing, _ ids: Set<Identifier>) {
    self.ring = ring
    self.ids = ids
  }

  /// - Throws: ``VaultError/Code/denied`` for a recording that is not of the batch,
  ///   ``VaultError/Code/tampered`` for a key or a header that is not what was written,
  ///   ``VaultError/Code/sealed``.
  func examiner(
    of recording: RecordingRow, at address: PartAddress, wrapped: [UInt8], header: [UInt8]
  ) throws(VaultError) -> ObjectExaminer {
    guard ids.contains(recording.id) else {
      throw VaultError(.denied, during: "examining an object that is not of the batch")
    }
    let key = try ring.batchKey(at: address, wrapped: wrapped)
    return ObjectExaminer(
      try EnvelopeOpener(
        key, header: EnvelopeHeader(parsing: header),
        length: .recorded(recording.ciphertextLength)))
  }

  /// Opens every segment of the details or a text of a call, and forgets what they held.
  ///
  /// - Throws: as ``examiner(of:at:wrapped:header:)``; ``VaultError/Code/tampered`` at the first segment that is not
  ///   what was sealed there.
  func examine(
    _ sealed: [UInt8], of call: Identifier, at address: PartAddress, wrapped: [UInt8]
  ) throws(VaultError) {
    guard ids.contains(call), address.call == call else {
      throw VaultError(.denied, during: "examining a text that is not of the batch")
    }
    let key = try ring.batchKey(at: address, wrapped: wrapped)
    var examiner = ObjectExaminer(
      try EnvelopeOpener(
        key, header: EnvelopeHeader(parsing: sealed), length: .recorded(Int64(sealed.count)),
        segmentSize: EnvelopeLayout.detailsSegmentSize))
    try examiner.examine(from: 0, sealed)
  }
}

extension KeyRing {
  /// What an entry says of a batch of recordings or calls: SHA-256 over their ids, 16 bytes each.
  static func mark(of recordings: [Identifier], in run: Identifier) -> BatchMark {
    BatchMark(
      run: run, count: Int64(recordings.count),
      digest: SHA256.hash(Array(recordings.map(\.bytes).joined())))
  }

  /// Lends the keys of recordings for examination to whoever has the receipt of their entry.
  ///
  /// - Throws: ``VaultError/Code/denied`` unless the entry is a scrub or a drill of exactly these.
  func examination(
    of recordings: [Identifier], under spent: borrowing SpentReceipt
  ) throws(VaultError) -> ExaminationBatch {
    guard [.scrubRun, .backupDrilled].contains(spent.operation), let batch = spent.batch,
      batch == KeyRing.mark(of: recordings, in: batch.run)
    else { throw VaultError(.denied, during: "spending a receipt on a batch of recordings") }
    return ExaminationBatch(self, Set(recordings))
  }
}
