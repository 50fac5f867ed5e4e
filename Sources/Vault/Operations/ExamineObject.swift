import Cryptography
import Encoding

/// Reading an object whole, to know that it is what was stored.
extension Vault {
  /// How much is read at once: whole segments.
  private static let piece = 16 * EnvelopeLayout.recordingSegmentSize

  /// Opens every segment of a recording's object.
  ///
  /// - Parameters:
  ///   - recording: its lengths, and which part it is.
  ///   - call: whose it is.
  ///   - wrapped: the call's key.
  ///   - batch: which the recording is of.
  ///   - store: where the object lies.
  ///   - pace: waits, if reading is to be slow.
  /// - Throws: ``VaultError/Code/tampered`` if it is not there or not what was sealed;
  ///   ``VaultError/Code/unavailable`` if it cannot be read.
  func examine(
    _ recording: RecordingRow, of call: CallRow, wrapped: [UInt8], in batch: ExaminationBatch,
    from store: any BlobStore, pace: Pace = .unbounded
  ) async throws(VaultError) {
    let address = try recordingPart(
      of: call, number: recording.number, generation: recording.generation)
    try await read(recording, from: store, pace: pace) { object throws(VaultError) in
      var examiner = try batch.examiner(
        of: recording, at: address, wrapped: wrapped, header: object.beginning)
      guard examiner.layout.plaintextLength == recording.plaintextLength else {
        throw VaultError(.tampered, during: "comparing an object's length")
      }
      var index: Int64 = 0
      try await self.pieces(of: object, pace) { bytes throws(VaultError) in
        try examiner.examine(from: index, bytes)
        index += Int64(bytes.count / EnvelopeLayout.recordingSegmentSize)
      }
    }
  }

  /// Compares the bytes of a recording's object with its digest.
  ///
  /// - Throws: as ``examine(_:of:wrapped:in:from:pace:)``.
  func compareDigest(
    of recording: RecordingRow, in store: any BlobStore, pace: Pace = .unbounded
  ) async throws(VaultError) {
    try await read(recording, from: store, pace: pace) { object throws(VaultError) in
      var hasher = try Self.hasher()
      try await self.pieces(of: object, pace) { bytes throws(VaultError) in
        hasher.update(bytes)
      }
      guard hasher.finish() == recording.digest else {
        throw VaultError(.tampered, during: "comparing an object's digest")
      }
    }
  }

  /// Looks whether an object is there with its length.
  func comparePresence(
    of recording: RecordingRow, in store: any BlobStore
  ) async throws(VaultError) {
    try await read(recording, from: store, pace: .unbounded) { _ throws(VaultError) in }
  }

  private func read(
    _ recording: RecordingRow, from store: any BlobStore, pace: Pace,
    _ body: (any BlobReader) async throws(VaultError) -> Void
  ) async throws(VaultError) {
    let object = try await store.open(recording.blob)
    do throws(VaultError) {
      guard object.length == recording.ciphertextLength else {
        throw VaultError(.tampered, during: "comparing an object's length")
      }
      try await body(object)
    } catch {
      await object.close()
      throw error
    }
    await object.close()
  }

  /// The bytes of an object in order.
  func pieces(
    of object: any BlobReader, _ pace: Pace,
    _ take: ([UInt8]) throws(VaultError) -> Void
  ) async throws(VaultError) {
    var offset: Int64 = 0
    while offset < object.length {
      let count = Int(min(Int64(Self.piece), object.length - offset))
      let bytes = try await object.read(at: offset, count: count)
      try take(bytes)
      offset += Int64(count)
      await pace.wait(after: count)
    }
  }
}

/// How fast work that nobody waits for may read.
struct Pace: Sendable {
  /// Nil: as fast as it goes.
  let bytesPerSecond: Int64?

  static let unbounded = Pace(bytesPerSecond: nil)
  /// A disk that serves players has most of its time for them.
  static let background = Pace(bytesPerSecond: 32 << 20)

  func wait(after count: Int) async {
    guard let bytesPerSecond else { return }
    let nanoseconds = Int64(count) * 1_000_000_000 / bytesPerSecond
    // Cancelled, it goes on to where that is looked at.
    try? await Task.sleep(for: .nanoseconds(nanoseconds))
  }
}
