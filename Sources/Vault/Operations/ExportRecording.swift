public import Audit
import Cryptography
public import Encoding

extension Vault {
  /// Gives the key of one recording, so that an outsider can open it with other software.
  ///
  /// Never the key of the call. The entry is flagged: key material left the program.
  public func exportKey(
    of recording: Identifier, as caller: Caller, purpose: PurposeOfUse?
  ) async throws(VaultError) -> ExportedKey {
    var draft = draft(.recordingExported, .intent, by: caller, purpose: purpose)
    let (row, call) = try await checked(&draft) {
      draft throws(VaultError) -> (RecordingRow, CallRow) in
      try self.allow(.exportKey, caller, purpose: purpose)
      return try await self.visibleRecording(recording, caller, &draft)
    }
    draft.flags.insert(.keyMaterial)
    draft.digest = row.digest
    draft.length = row.ciphertextLength
    draft.keyID = row.keyID
    let intent = draft
    return try await fulfil(intent) { receipt throws(VaultError) -> ExportedKey in
      let part = try self.recordingPart(of: call, number: row.number, generation: row.generation)
      let key = try self.keys.partKey(
        at: part, wrapped: call.wrappedKey, spending: receipt, for: .recordingExported,
        by: caller.actor.id)
      let hex = Hex.encode(try key.exported())
      // Nothing has left yet, so an outcome that cannot be recorded keeps it here. Who has the key has the whole recording.
      let position = try await self.record(
        intent.closing(.success, released: row.plaintextLength)
      ).position
      self.counters.count(.keysExported)
      return ExportedKey(
        recording: RecordingFacts(row), keyHex: hex, associatedData: part.description,
        segmentSize: Self.recordingSegmentSize, logIndex: position.index)
    }
  }

  /// Gives the stored object as it lies, for the time of `body`: what an exported key opens, or a backup of it.
  public func readCiphertext<Result: Sendable>(
    of recording: Identifier, as caller: Caller,
    _ body: (RecordingFacts, Ciphertext) async throws -> Result
  ) async throws -> Result {
    var draft = draft(.recordingExported, .intent, by: caller)
    let row = try await checked(&draft) { draft throws(VaultError) -> RecordingRow in
      try self.allow(.readCiphertext, caller)
      return try await self.visibleRecording(recording, caller, &draft).recording
    }
    draft.digest = row.digest
    draft.length = row.ciphertextLength
    let intent = draft
    let object = try await fulfil(intent) { receipt throws(VaultError) -> any BlobReader in
      self.discard(receipt)
      let object = try await self.blobs.open(row.blob)
      guard object.length == row.ciphertextLength else {
        await object.close()
        throw VaultError(.tampered, during: "reading an object")
      }
      return object
    }
    do {
      let result = try await body(
        RecordingFacts(row), Ciphertext(object: object, stillAllowed: stillAllowed(caller)))
      await object.close()
      discard(try await record(intent.closing(.success, released: 0)))
      return result
    } catch {
      await object.close()
      if (error as? VaultError)?.isAccounted != true {
        let reason = (error as? VaultError)?.account.1 ?? .clientGone
        discard(try await record(intent.closing(.partial, because: reason, released: 0)))
      }
      throw error
    }
  }

  /// The bytes of an object in order, as they lie.
  public struct Ciphertext: AsyncSequence, Sendable {
    let object: any BlobReader
    let stillAllowed: @Sendable () throws(VaultError) -> Void

    public struct Iterator: AsyncIteratorProtocol {
      let object: any BlobReader
      let stillAllowed: @Sendable () throws(VaultError) -> Void
      var offset: Int64 = 0

      public mutating func next() async throws(VaultError) -> [UInt8]? {
        let count = Swift.min(object.length - offset, 1 << 16)
        guard count > 0 else { return nil }
        try stillAllowed()
        let bytes = try await object.read(at: offset, count: Int(count))
        offset += count
        return bytes
      }
    }

    public func makeAsyncIterator() -> Iterator {
      Iterator(object: object, stillAllowed: stillAllowed)
    }
  }
}
