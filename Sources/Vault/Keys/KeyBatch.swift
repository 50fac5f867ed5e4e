import Audit
import Encoding

/// The keys of a batch, for looking whether what they sealed still opens: it answers yes or no, and
/// nothing that was opened comes out.
struct KeyBatch: Sendable {
  private let ring: KeyRing
  private let records: Set<[UInt8]>

  /// Whether the segment of an object opens under the call's key.
  ///
  /// - Parameters:
  ///   - header: of the object.
  ///   - sealed: the bytes of its last segment.
  ///   - length: of the object, as the catalog has it.
  ///   - segmentSize: of the object.
  ///   - address: which part it is.
  ///   - record: the call's wrapped key, one of the batch.
  /// - Returns: whether it is what was sealed.
  /// - Throws: ``VaultError/Code/denied`` for a key that is not of the batch,
  ///   ``VaultError/Code/sealed``, ``VaultError/Code/unavailable``.
  func opensLastSegment(
    header: EnvelopeHeader, _ sealed: [UInt8], length: Int64, segmentSize: Int,
    at address: PartAddress, wrapped record: [UInt8]
  ) throws(VaultError) -> Bool {
    guard records.contains(record) else {
      throw VaultError(.denied, during: "using a key that is not of the batch")
    }
    do throws(VaultError) {
      let key = try ring.batchKey(at: address, wrapped: record)
      var opener = try EnvelopeOpener(
        key, header: header, length: .recorded(length), segmentSize: segmentSize)
      var plaintext: [UInt8] = []
      try opener.open(
        segment: opener.layout.lastSegment, sealed.span, appendingTo: &plaintext)
      return true
    } catch {
      guard error.code == .tampered || error.code == .notFound else { throw error }
      return false
    }
  }

  fileprivate init(_ ring: KeyRing, _ records: Set<[UInt8]>) {
    self.ring = ring
    self.records = records
  }
}

extension KeyRing {
  /// Lends the keys of a batch to whoever has the receipt of its entry.
  ///
  /// - Throws: ``VaultError/Code/denied`` unless the entry is maintenance and says how many keys there
  ///   are and the digest of their list (``mark(of:in:)``).
  func batch(
    _ rows: [WrappedKeyRow], under spent: borrowing SpentReceipt
  ) throws(VaultError) -> KeyBatch {
    guard [.keyRewrap, .scrubRun].contains(spent.operation), let batch = spent.batch,
      batch == KeyRing.mark(of: rows, in: batch.run)
    else { throw VaultError(.denied, during: "spending a receipt on a batch of keys") }
    return KeyBatch(self, Set(rows.map(\.record)))
  }
}
