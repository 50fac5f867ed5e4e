import Audit
import Cryptography
import Encoding

extension Vault {
  /// Looks whether the keys that were wrapped again open what they sealed: of each call the last segment
  /// of its details and of each recording.
  ///
  /// What does not open is listed and counted, and is not in the way: its key is right, its object is
  /// damaged.
  ///
  /// - Returns: calls with something that does not open, at most 1000, and how many there are.
  /// - Throws: ``VaultError/Code/unavailable`` when the log or the catalog cannot answer.
  func openSurvivors(
    run: Identifier, by actor: Actor
  ) async throws(VaultError) -> (calls: [Identifier], count: Int) {
    var damaged: [Identifier] = []
    var count = 0
    var cursor: WrappedKeyRow?
    while true {
      let page = try await catalog.wrappedKeys(after: cursor, limit: 256)
      guard let last = page.last else { return (damaged, count) }
      cursor = last
      let rows = page.filter { $0.owner == .call }
      guard !rows.isEmpty else { return (damaged, count) }
      let batch = try await batch(of: rows, run: run, by: actor)
      for row in rows {
        // A call that was purged meanwhile is no survivor, and the key that an excision took away is none.
        guard let call = try await catalog.call(row.id),
          try !isAnotherKey(row.record, than: call.wrappedKey)
        else { continue }
        guard try await !opens(call, row.record, in: batch) else { continue }
        counters.count(.tampered)
        count += 1
        if damaged.count < 1000 { damaged.append(call.id) }
      }
    }
  }

  /// Whether two records wrap keys of two ids.
  ///
  /// A record that is none is no other key's: that it does not open shows later.
  private func isAnotherKey(_ record: [UInt8], than present: [UInt8]) throws(VaultError) -> Bool {
    do throws(VaultError) {
      return try WrapRecord(parsing: record).keyID != WrapRecord(parsing: present).keyID
    } catch {
      guard error.code == .tampered else { throw error }
      return false
    }
  }

  private func batch(
    of rows: [WrappedKeyRow], run: Identifier, by actor: Actor
  ) async throws(VaultError) -> KeyBatch {
    let spent = try await spendBatch(
      draft(
        EntryDraft(.scrubRun, .single, by: actor, on: [configuration.tenant]),
        of: KeyRing.mark(of: rows, in: run)))
    return try keys.batch(rows, under: spent)
  }

  private func opens(
    _ call: CallRow, _ record: [UInt8], in batch: KeyBatch
  ) async throws(VaultError) -> Bool {
    do throws(VaultError) {
      let size = EnvelopeLayout.detailsSegmentSize
      let layout = try EnvelopeLayout(
        ciphertextLength: Int64(call.details.count), segmentSize: size)
      let range = layout.ciphertextRange(ofSegment: layout.lastSegment)
      guard
        try batch.opensLastSegment(
          header: try EnvelopeHeader(parsing: call.details),
          Array(call.details[Int(range.lowerBound)..<Int(range.upperBound)]),
          length: layout.ciphertextLength, segmentSize: size,
          at: try address(call.id, .details, call.detailsGeneration), wrapped: record)
      else { return false }
      for recording in try await catalog.recordings(of: call.id) {
        guard try await opens(recording, of: call, record, in: batch) else { return false }
      }
      return true
    } catch {
      guard error.code == .tampered else { throw error }
      return false
    }
  }

  private func opens(
    _ recording: RecordingRow, of call: CallRow, _ record: [UInt8], in batch: KeyBatch
  ) async throws(VaultError) -> Bool {
    let size = EnvelopeLayout.recordingSegmentSize
    let layout = try EnvelopeLayout(
      ciphertextLength: recording.ciphertextLength, segmentSize: size)
    let range = layout.ciphertextRange(ofSegment: layout.lastSegment)
    let object = try await blobs.open(recording.blob)
    let (beginning, length) = (object.beginning, object.length)
    let sealed: [UInt8]
    do throws(VaultError) {
      sealed = try await object.read(at: range.lowerBound, count: range.count)
    } catch {
      await object.close()
      throw error
    }
    await object.close()
    guard length == layout.ciphertextLength else { return false }
    return try batch.opensLastSegment(
      header: try EnvelopeHeader(parsing: beginning), sealed, length: length, segmentSize: size,
      at: try recordingPart(
        of: call, number: recording.number, generation: recording.generation),
      wrapped: record)
  }
}
