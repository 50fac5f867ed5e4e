import Cryptography

/// Seals the pieces of one recording in order, and takes both digests, where the object is written.
///
/// Its work costs more than bringing the bytes, so it is not done where connections are served.
actor RecordingSealer {
  /// What has become of a body.
  struct Object: Sendable {
    let plaintextLength: Int64
    let plaintextDigest: SHA256Digest
    let ciphertextLength: Int64
    let ciphertextDigest: SHA256Digest
  }

  nonisolated var executor: any TaskExecutor { writer.executor }
  private let writer: any BlobWriter
  private var sealer: EnvelopeSealer?
  private var plaintext: SHA256Hasher
  private var ciphertext: SHA256Hasher
  private var plaintextLength: Int64 = 0
  private var ciphertextLength: Int64 = 0

  init(
    _ sealer: consuming EnvelopeSealer, into writer: any BlobWriter,
    plaintext: consuming SHA256Hasher, ciphertext: consuming SHA256Hasher
  ) {
    self.sealer = consume sealer
    self.writer = writer
    self.plaintext = plaintext
    self.ciphertext = ciphertext
  }

  /// Takes the next bytes; the call before has returned.
  func seal(_ bytes: [UInt8]) async throws(VaultError) {
    // Of this call alone: hundreds of uploads wait most of the time, and few are being sealed.
    var sealed: [UInt8] = []
    var taken = 0
    while taken < bytes.count {
      // Little at a time: what has just been hashed is still near when it is sealed.
      let end = min(bytes.count, taken + EnvelopeLayout.recordingSegmentSize)
      plaintext.update(bytes.span.extracting(taken..<end))
      try sealer?.seal(bytes.span.extracting(taken..<end), into: &sealed)
      try await append(&sealed)
      taken = end
    }
    plaintextLength += Int64(bytes.count)
  }

  /// Ends the object; committing it is the writer's.
  func finish() async throws(VaultError) -> Object {
    var sealed: [UInt8] = []
    try sealer.take()?.finish(into: &sealed)
    try await append(&sealed)
    return Object(
      plaintextLength: plaintextLength, plaintextDigest: plaintext.finish(),
      ciphertextLength: ciphertextLength, ciphertextDigest: ciphertext.finish())
  }

  private func append(_ sealed: inout [UInt8]) async throws(VaultError) {
    guard !sealed.isEmpty else { return }
    ciphertext.update(sealed)
    ciphertextLength += Int64(sealed.count)
    try await writer.append(sealed)
    sealed.removeAll(keepingCapacity: true)
  }
}
