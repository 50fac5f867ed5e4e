import Audit
import Cryptography
import Encoding

/// How operations seal and open parts, and look values up: the only place that touches the key ring.
extension Vault {
  static var recordingSegmentSize: Int { EnvelopeLayout.recordingSegmentSize }

  func recordingPart(
    of call: CallRow, number: Int, generation: Int
  ) throws(VaultError) -> PartAddress {
    try address(call.id, .recording(number), generation)
  }

  /// A transcript's version is its number; notes are one part that is rewritten.
  func textPart(
    _ kind: TextRow.Kind, of call: CallRow, version: Int
  ) throws(VaultError) -> PartAddress {
    switch kind {
    case .transcript: try address(call.id, .transcript(version), 1)
    case .note: try address(call.id, .notes, version)
    }
  }

  func address(
    _ call: Identifier, _ part: CallPart, _ generation: Int
  ) throws(VaultError) -> PartAddress {
    guard
      let address = PartAddress(
        tenant: configuration.tenant, call: call, part: part, generation: generation)
    else { throw VaultError(.tampered, during: "naming a part") }
    return address
  }

  /// A part as the log names it.
  func name(of part: CallPart) throws(VaultError) -> PartName {
    guard let name = PartName(part.description) else {
      throw VaultError(.tampered, during: "naming a part")
    }
    return name
  }

  /// Spends a receipt on everything it names.
  func spend(
    _ receipt: consuming Receipt, for operation: Action, by caller: Caller
  ) throws(VaultError) -> SpentReceipt {
    do throws(AuditError) {
      return try receipt.spend(for: operation, by: caller.actor.id)
    } catch {
      throw VaultError(.denied, during: "spending a receipt", cause: error)
    }
  }

  /// The caller details of the calls that a receipt names.
  func openDetails(
    of calls: [CallRow], spending receipt: consuming Receipt, for operation: Action,
    by caller: Caller
  ) throws(VaultError) -> [Identifier: CallDetails] {
    let spent = try spend(receipt, for: operation, by: caller)
    var details: [Identifier: CallDetails] = [:]
    for call in calls {
      let key = try keys.partKey(
        at: try address(call.id, .details, call.detailsGeneration), wrapped: call.wrappedKey,
        under: spent)
      details[call.id] = try CallDetails(parsing: try Envelope.open(call.details, with: key))
    }
    return details
  }

  // MARK: Recordings

  /// A source over an object whose length the catalog says.
  func recordingSource(
    _ part: borrowing PartKey, from object: any BlobReader, length: Int64
  ) async throws(VaultError) -> any RecordingSource {
    let header = try EnvelopeHeader(
      parsing: try await object.read(at: 0, count: EnvelopeHeader.byteCount))
    return SealedSource(
      opener: try EnvelopeOpener(part, header: header, length: .recorded(length)),
      object: object)
  }
}

/// The plaintext of a sealed object, opened segment by segment as it is asked for.
///
/// An actor, because a segment is read and opened in one step; the one opened last is kept, for readers that ask
/// for less than a segment at a time.
actor SealedSource: RecordingSource {
  nonisolated let layout: EnvelopeLayout
  nonisolated var length: Int64 { layout.plaintextLength }
  private var opener: EnvelopeOpener
  private let object: any BlobReader
  private var last: (index: Int64, plaintext: [UInt8])?

  init(opener: consuming EnvelopeOpener, object: any BlobReader) {
    layout = opener.layout
    self.opener = opener
    self.object = object
  }

  func read(at offset: Int64, count: Int) async throws(VaultError) -> [UInt8] {
    guard offset >= 0, count > 0, offset < layout.plaintextLength else { return [] }
    let range = offset..<min(layout.plaintextLength, offset + Int64(min(count, 1 << 20)))
    var bytes: [UInt8] = []
    for index in layout.segments(holding: range) {
      let plaintext = try await segment(index)
      bytes.append(contentsOf: plaintext[layout.slice(range, ofSegment: index)])
    }
    return bytes
  }

  nonisolated func preferredCount(at offset: Int64, atMost limit: Int64) -> Int {
    guard let index = layout.segments(holding: offset..<offset + 1).first else { return 1 }
    return Int(min(limit, layout.plaintextRange(ofSegment: index).upperBound - offset))
  }

  func close() async {
    last = nil
    await object.close()
  }

  private func segment(_ index: Int64) async throws(VaultError) -> [UInt8] {
    if let last, last.index == index { return last.plaintext }
    let range = layout.ciphertextRange(ofSegment: index)
    var bytes = try await object.read(at: range.lowerBound, count: range.count)
    try opener.open(segment: index, &bytes)
    last = (index, bytes)
    return bytes
  }
}
