import Audit
import Cryptography
import Encoding
import Retention
import Wave

/// All parts of a call but its details.
struct CallParts: Sendable {
  let recordings: [RecordingRow]
  /// Transcripts, notes and consent, without their bytes.
  let texts: [TextRow]

  /// The parts as they are named, each once.
  var names: [CallPart] {
    var names: [CallPart] = [.details]
    names += recordings.map { .recording($0.number) }
    names += texts.filter { $0.kind == .transcript }.map { .transcript($0.version) }
    if texts.contains(where: { $0.kind == .note }) { names.append(.notes) }
    if texts.contains(where: { $0.kind == .consent }) { names.append(.consent) }
    return names
  }
}

/// A call on its way under another key.
struct Resealing: ~Copyable, Sendable {
  let call: CallRow
  let key: CallKey
  var details: [UInt8]?
  var parts: [ResealedPart] = []
  /// Objects made so far.
  var blobs: [BlobName] = []
  /// Whether a transcript still holds a card number.
  var holdsCardNumber = false
  /// `part SP generation SP digest LF` of each part.
  private var lines: [String] = []

  init(_ call: CallRow, new key: consuming CallKey) {
    self.call = call
    self.key = key
  }

  mutating func note(_ address: PartAddress, _ digest: SHA256Digest) {
    lines.append("\(address.part) \(address.generation) \(digest.hex)\n")
  }

  /// What the entry commits to.
  var manifest: SHA256Digest { SHA256.hash(Array(lines.sorted().joined().utf8)) }
}

/// Sealing every part of a call anew, under a key that is not yet in use.
extension Vault {
  func parts(of call: CallRow) async throws(VaultError) -> CallParts {
    var texts: [TextRow] = []
    for kind in TextRow.Kind.allCases {
      texts += try await catalog.texts(kind, of: call.id, sealed: false)
    }
    return CallParts(recordings: try await catalog.recordings(of: call.id), texts: texts)
  }

  /// Opens each part under the old key and seals it under the new one, without a span of one recording.
  ///
  /// - Throws: ``VaultError/Code/invalid`` if the span cannot be silenced. Objects made before are in
  ///   ``Resealing/blobs``.
  func reseal(
    _ parts: CallParts, of call: CallRow, under spent: borrowing SpentReceipt,
    without span: TimeSpan, from recording: Identifier, _ resealing: inout Resealing
  ) async throws(VaultError) {
    // The one that may be refused first.
    for row in parts.recordings.sorted(by: {
      ($0.id == recording ? 0 : 1) < ($1.id == recording ? 0 : 1)
    }) {
      try await reseal(row, under: spent, without: row.id == recording ? span : nil, &resealing)
    }
    for listed in parts.texts {
      guard let text = try await catalog.text(listed.id) else {
        throw VaultError(.tampered, during: "reading a text that was listed")
      }
      try await reseal(text, under: spent, without: span, &resealing)
    }
    let old = try address(call.id, .details, call.detailsGeneration)
    let new = try address(call.id, .details, call.detailsGeneration + 1)
    let details = try Envelope.open(
      call.details, with: try keys.partKey(at: old, wrapped: call.wrappedKey, under: spent))
    let sealed = try Envelope.seal(
      details, with: try resealing.key.partKey(.details, generation: new.generation))
    resealing.details = sealed
    resealing.note(new, SHA256.hash(sealed))
  }

  private func reseal(
    _ text: TextRow, under spent: borrowing SpentReceipt, without span: TimeSpan,
    _ resealing: inout Resealing
  ) async throws(VaultError) {
    let call = resealing.call
    let old = try textPart(
      text.kind, of: call, version: text.version, generation: text.generation)
    let new = try textPart(
      text.kind, of: call, version: text.version, generation: text.generation + 1)
    var plaintext = try Envelope.open(
      text.sealed, with: try keys.partKey(at: old, wrapped: call.wrappedKey, under: spent))
    if text.kind == .transcript {
      let reading: TranscriptReader.Reading
      do throws(VaultError) {
        reading = try await transcripts.read(plaintext, excising: span)
      } catch {
        throw VaultError(.tampered, during: "reading a transcript", cause: error)
      }
      if !reading.cardNumbers.isEmpty { resealing.holdsCardNumber = true }
      plaintext = reading.plaintext
    }
    let sealed = try Envelope.seal(
      plaintext, with: try resealing.key.partKey(new.part, generation: new.generation))
    let digest = SHA256.hash(sealed)
    resealing.note(new, digest)
    resealing.parts.append(
      ResealedPart(
        id: text.id, generation: text.kind == .transcript ? new.generation : text.generation,
        content: .text(sealed), plaintextLength: Int64(plaintext.count),
        ciphertextLength: Int64(sealed.count), digest: digest))
  }

  private func reseal(
    _ recording: RecordingRow, under spent: borrowing SpentReceipt, without span: TimeSpan?,
    _ resealing: inout Resealing
  ) async throws(VaultError) {
    let call = resealing.call
    let old = try recordingPart(
      of: call, number: recording.number, generation: recording.generation)
    let new = try recordingPart(
      of: call, number: recording.number, generation: recording.generation + 1)
    let object = try await blobs.open(recording.blob)
    do throws(VaultError) {
      guard object.length == recording.ciphertextLength else {
        throw VaultError(.tampered, during: "opening a recording")
      }
      let source = try recordingSource(
        try keys.partKey(at: old, wrapped: call.wrappedKey, under: spent), from: object,
        length: object.length)
      var silence: Silence?
      if let span { silence = try await Silence(span, in: source) }
      let name = try BlobName.random()
      let writer = try await blobs.create(name)
      do throws(VaultError) {
        let sealing = RecordingSealer(
          try EnvelopeSealer(
            try resealing.key.partKey(new.part, generation: new.generation)),
          into: writer, plaintext: try Self.hasher(), ciphertext: try Self.hasher())
        try await copy(source, into: sealing, silencing: silence)
        let sealed = try await sealing.finish()
        guard sealed.plaintextLength == recording.plaintextLength else {
          throw VaultError(.tampered, during: "sealing a recording anew")
        }
        try await writer.commit()
        resealing.blobs.append(name)
        resealing.note(new, sealed.ciphertextDigest)
        resealing.parts.append(
          ResealedPart(
            id: recording.id, generation: new.generation, content: .object(name),
            plaintextLength: sealed.plaintextLength, ciphertextLength: sealed.ciphertextLength,
            digest: sealed.ciphertextDigest))
      } catch {
        await writer.discard()
        throw error
      }
      await object.close()
    } catch {
      await object.close()
      throw error
    }
  }

  private func copy(
    _ source: any RecordingSource, into sealing: RecordingSealer, silencing silence: Silence?
  ) async throws(VaultError) {
    var offset: Int64 = 0
    while offset < source.length {
      guard !keys.isSealed else { throw VaultError(.sealed, during: "sealing a recording anew") }
      var bytes = try await source.read(at: offset, count: 1 << 18)
      guard !bytes.isEmpty else { throw VaultError(.tampered, during: "reading a recording") }
      silence?.apply(to: &bytes, at: offset)
      try await sealing.seal(bytes)
      offset += Int64(bytes.count)
    }
  }
}

/// Bytes of a recording that become silence.
private struct Silence: Sendable {
  private let range: Range<Int64>
  private let byte: UInt8

  /// - Throws: ``VaultError/Code/invalid`` where the span is none of the recording, or its sound is packed
  ///   so that a span cannot be silenced without writing all of it anew.
  init(_ span: TimeSpan, in source: any RecordingSource) async throws(VaultError) {
    let head = try await source.read(at: 0, count: WaveLayout.headLimit)
    let layout: WaveLayout
    do throws(WaveError) {
      layout = try WaveLayout(head: head, length: source.length)
    } catch {
      throw VaultError(
        .invalid, during: "excising a span", because: .unsupported,
        detail: "only WAVE with PCM, floating point, A-law or \u{B5}-law can be silenced. This "
          + "recording stays as it is: leave its incident open, so that only reviewers reach it, and "
          + "have the phone system record WAVE", cause: error)
    }
    range = layout.bytes(from: span.from, to: span.to)
    byte = layout.silence
    guard !range.isEmpty else {
      throw VaultError(
        .invalid, during: "excising a span",
        detail: "the span lies behind the recording's end, at \(layout.milliseconds) ms")
    }
  }

  func apply(to bytes: inout [UInt8], at offset: Int64) {
    let end = offset + Int64(bytes.count)
    guard range.lowerBound < end, range.upperBound > offset else { return }
    let from = Int(max(range.lowerBound, offset) - offset)
    let to = Int(min(range.upperBound, end) - offset)
    for place in from..<to { bytes[place] = byte }
  }
}
