import Audit
public import Cryptography
public import Encoding

extension Vault {
  /// Seals a recording as it arrives, 64 KiB at a time, and keeps its bytes exactly as they came.
  ///
  /// The order, and what a crash leaves in between: intent durable → segments to an unfinished object (an
  /// orphan, swept after a day) → object durable (an orphan) → row pending (dropped at the next start with its object) → outcome durable (the row
  /// becomes live at the next start) → row live → answer. What was answered is never lost, and nothing
  /// unlogged is ever readable.
  ///
  /// The same bytes again in the same call answer the receipt of the first time.
  ///
  /// - Parameters:
  ///   - call: a call within the caller's scope.
  ///   - expected: SHA-256 of the bytes, as the client promised it in Content-Digest.
  ///   - caller: needs ``Right/storeRecording``.
  ///   - body: gives the next bytes, nil at the end. If it throws, nothing is stored.
  /// - Returns: where it is, and the entry that says so.
  /// - Throws: ``VaultError/Code/invalid`` if the bytes are not those promised,
  ///   ``VaultError/Code/tooLarge`` beyond ``VaultConfiguration/recordingLimit``.
  public func storeRecording(
    in call: Identifier, expecting expected: SHA256Digest? = nil, as caller: Caller,
    body: () async throws -> [UInt8]?
  ) async throws(VaultError) -> RecordingReceipt {
    var draft = draft(.recordingStored, .intent, by: caller)
    let row = try await checked(&draft) { draft throws(VaultError) -> CallRow in
      try self.allow(.storeRecording, caller)
      return try await self.visibleCall(call, caller, &draft, toOpen: false)
    }
    let number = try await checked(&draft) { _ throws(VaultError) -> Int in
      try await self.catalog.reserveRecordingNumber(in: call)
    }
    let id = Identifier.random()
    draft.objects = [call, id]
    draft.parts = [try name(of: .recording(number))]
    let intent = draft
    return try await fulfil(intent) { receipt throws(VaultError) -> RecordingReceipt in
      let part = try self.recordingPart(of: row, number: number, generation: 1)
      let key = try self.keys.partKey(
        at: part, wrapped: row.wrappedKey, spending: receipt, for: .recordingStored,
        by: caller.actor.id)
      let sealed = try await self.seal(body, expecting: expected, under: key)
      return try await self.keep(
        sealed, as: id, number: number, in: row, under: key, intent: intent)
    }
  }

  /// A sealed object that nothing names yet.
  struct SealedRecording: Sendable {
    let blob: BlobName
    let plaintextLength: Int64
    let ciphertextLength: Int64
    let digest: SHA256Digest
    /// The token to store, and all those under which the same bytes may be stored.
    let content: LookupToken
    let candidates: [LookupToken]
  }

  /// Streams a body into an object, which is durable when this returns and gone when it throws.
  private func seal(
    _ body: () async throws -> [UInt8]?, expecting expected: SHA256Digest?,
    under key: borrowing PartKey
  ) async throws(VaultError) -> SealedRecording {
    let name = try BlobName.random()
    let writer = try await blobs.create(name)
    do throws(VaultError) {
      let sealing = RecordingSealer(
        try EnvelopeSealer(key), into: writer, plaintext: try Self.hasher(),
        ciphertext: try Self.hasher())
      try await streams.with { () throws(VaultError) in
        try await feed(sealing, from: body)
      }
      let object = try await sealing.finish()
      if let expected, expected != object.plaintextDigest {
        throw VaultError(
          .invalid, during: "storing a recording",
          detail:
            "the bytes that arrived are not those that `Content-Digest` promises; send them again")
      }
      let value = key.address.call.bytes + object.plaintextDigest.bytes
      let content = try keys.lookupToken(.content, of: value)
      let candidates = try keys.lookupTokens(.content, of: value)
      try await writer.commit()
      return SealedRecording(
        blob: name, plaintextLength: object.plaintextLength,
        ciphertextLength: object.ciphertextLength, digest: object.ciphertextDigest,
        content: content, candidates: candidates)
    } catch {
      await writer.discard()
      throw error
    }
  }

  /// Brings a body to its sealer: while one piece is sealed, the next arrives.
  private func feed(
    _ sealing: RecordingSealer, from body: () async throws -> [UInt8]?
  ) async throws(VaultError) {
    do {
      try await withThrowingTaskGroup(of: Void.self) { group in
        var length: Int64 = 0
        while let bytes = try await Self.next(body) {
          // Its key goes with all others.
          guard !keys.isSealed else { throw VaultError(.sealed, during: "storing a recording") }
          length += Int64(bytes.count)
          guard length <= configuration.recordingLimit else {
            throw VaultError(
              .tooLarge, during: "storing a recording",
              detail: "a recording holds at most \(configuration.recordingLimit) bytes")
          }
          // One piece at a time, and none ahead of it: they must be sealed in their order.
          try await group.next()
          group.addTask(executorPreference: sealing.executor) { try await sealing.seal(bytes) }
        }
        try await group.next()
      }
    } catch let error as VaultError {
      throw error
    } catch {
      throw VaultError(.unavailable, during: "storing a recording", cause: error)
    }
  }

  /// Puts a sealed object into the catalog and the log, unless the call has these bytes already.
  private func keep(
    _ sealed: SealedRecording, as id: Identifier, number: Int, in call: CallRow,
    under key: borrowing PartKey, intent: EntryDraft
  ) async throws(VaultError) -> RecordingReceipt {
    do throws(VaultError) {
      if let receipt = try await repeated(sealed, in: call.id, intent: intent) { return receipt }
      let audio = await inspect(sealed, from: intent.actor.id, under: key)
      let row = RecordingRow(
        id: id, call: call.id, number: number, generation: 1, stored: now, blob: sealed.blob,
        plaintextLength: sealed.plaintextLength, ciphertextLength: sealed.ciphertextLength,
        digest: sealed.digest, content: sealed.content, keyID: call.keyID, audio: audio,
        logIndex: nil)
      var outcome = intent.closing(.success)
      outcome.digest = sealed.digest
      outcome.length = sealed.ciphertextLength
      outcome.keyID = call.keyID
      let entry = outcome
      // Two uploads of the same bytes at once: the second finds the first here.
      return try await gates.withGate(.call(call.id)) { () throws(VaultError) -> RecordingReceipt in
        if let receipt = try await self.repeated(sealed, in: call.id, intent: intent) {
          return receipt
        }
        guard try await self.catalog.call(call.id)?.keyID == call.keyID else {
          throw VaultError(
            .unavailable, during: "storing a recording",
            detail: "this call was sealed anew meanwhile; send the recording again")
        }
        try await self.insertAlone { () throws(VaultError) in
          try await self.catalog.insert(row, since: await self.logSize)
        }
        let receipt = try await self.record(entry, of: RowReference(.recording, id))
        let position = receipt.position
        try await self.confirm(RowReference(.recording, id), at: position)
        self.counters.count(.recordingsStored)
        self.counters.count(.plaintextBytesStored, by: sealed.plaintextLength)
        return RecordingReceipt(
          recording: id, call: call.id, number: number, digest: sealed.digest,
          length: sealed.plaintextLength, logIndex: position.index, isRepeated: false)
      }
    } catch {
      // If the log failed, the entry may be durable all the same: the next start decides by it.
      if !error.isAccounted {
        try await catalog.dropPending(RowReference(.recording, id))
        if try await catalog.referenced(among: [sealed.blob]).isEmpty {
          try await blobs.remove(sealed.blob)
        }
      }
      throw error
    }
  }

  /// The receipt of the recording with the same bytes, if the call has one; then the new object goes.
  private func repeated(
    _ sealed: SealedRecording, in call: Identifier, intent: EntryDraft
  ) async throws(VaultError) -> RecordingReceipt? {
    guard let row = try await catalog.recording(in: call, content: sealed.candidates),
      let index = row.logIndex
    else { return nil }
    // First, because failing after the outcome would account for the attempt twice.
    try await blobs.remove(sealed.blob)
    _ = try await record(intent.closing(.refused, because: .duplicate))
    counters.count(.recordingsRepeated)
    return RecordingReceipt(
      recording: row.id, call: call, number: row.number, digest: row.digest,
      length: row.plaintextLength, logIndex: index, earlierLog: row.earlierLog, isRepeated: true)
  }

  /// What the inspector, which holds no key, finds in ranges decrypted here.
  ///
  /// A client that hangs up, or a service that stops, does not end it: what the sound is would else be
  /// unknown for good, because of something that has nothing to do with it. The inspector has limits of
  /// its own, and until it is done nothing has been answered.
  private func inspect(
    _ sealed: SealedRecording, from uploader: Identifier, under key: borrowing PartKey
  ) async -> AudioFacts {
    do {
      let reader = try await blobs.open(sealed.blob)
      let source = try recordingSource(
        key, from: reader, length: sealed.ciphertextLength)
      // Not a child task, which would be cancelled with the request; it is waited for all the same.
      let examination = Task { [inspector] in
        await inspector.inspect(length: sealed.plaintextLength, from: uploader) {
          try await source.read(at: $0, count: $1)
        }
      }
      let facts = await examination.value
      await reader.close()
      return facts
    } catch {
      // The bytes are kept whatever they are: that nobody could look at them is a fact, too.
      return AudioFacts(condition: .unexamined)
    }
  }

  private static func next(
    _ body: () async throws -> [UInt8]?
  ) async throws(VaultError) -> [UInt8]? {
    do {
      return try await body()
    } catch let error as VaultError {
      throw error
    } catch {
      throw VaultError(
        .invalid, during: "receiving a recording", because: .clientGone,
        detail: "the body ended before its end", cause: error)
    }
  }

  static func hasher() throws(VaultError) -> SHA256Hasher {
    do {
      return try SHA256Hasher()
    } catch {
      throw VaultError(.unavailable, during: "starting a digest", cause: error)
    }
  }
}
