public import Audit
import Cryptography
public import Encoding
import Threading

extension Vault {
  /// Opens a recording for the time of `body`.
  ///
  /// Intent durable → receipt → key → segments as they are asked for → outcome with the bytes released. The outcome is
  /// recorded however `body` ends: also when the client went away, the task was cancelled, or a segment
  /// was not what was stored.
  ///
  /// - Parameters:
  ///   - recording: one within the caller's scope.
  ///   - caller: needs ``Right/openRecording``.
  ///   - purpose: required; nil is refused with a sentence that says so.
  ///   - body: takes what it sends from the reader. A range that cannot be satisfied is `body`'s to answer.
  /// - Returns: what `body` returns.
  /// - Throws: ``VaultError/Code/tampered`` if the object is not what was stored, or what `body` throws.
  public func openRecording<Result: Sendable>(
    _ recording: Identifier, as caller: Caller, purpose: PurposeOfUse?,
    _ body: (RecordingReader) async throws -> Result
  ) async throws -> Result {
    try await open(recording, with: .openRecording, as: caller, purpose: purpose, body)
  }

  /// Makes an address for a player that sends no headers, for five minutes.
  ///
  /// Each use of it is an attempt of its own, in the name of the caller it was given to.
  public func grantPlayback(
    of recording: Identifier, as caller: Caller, purpose: PurposeOfUse?
  ) async throws(VaultError) -> PlaybackGrant {
    var draft = draft(.recordingPlayback, .single, by: caller, purpose: purpose)
    let (token, purpose) = try await checked(&draft) {
      draft throws(VaultError) -> (Identifier, PurposeOfUse) in
      try self.allow(.playRecording, caller, purpose: purpose)
      _ = try await self.visibleRecording(recording, caller, &draft)
      // No right to content without a token, so this holds; a grant must end with a token.
      guard let token = caller.token, let purpose else {
        throw VaultError(.denied, during: "granting playback", detail: "come with a token")
      }
      return (token, purpose)
    }
    let secret: [UInt8]
    do {
      secret = try Random.bytes(32)
    } catch {
      throw VaultError(.unavailable, during: "granting playback", cause: error)
    }
    let text = Base64.encodeURL(secret)
    let expires = Timestamp(milliseconds: now.milliseconds + Self.playbackMilliseconds)
    draft.outcome = .success
    // What widens access is logged before it takes effect.
    discard(try await record(draft))
    try await catalog.insert(
      PlaybackGrantRow(
        digest: SHA256.hash(Array(text.utf8)), recording: recording, token: token,
        purpose: purpose, expires: expires), now: now)
    return PlaybackGrant(secret: text, expires: expires)
  }

  /// Opens the recording a grant was made for, as its caller.
  ///
  /// - Throws: ``VaultError/Code/notFound`` for a grant that is unknown, over, or whose token ended.
  public func openPlayback<Result: Sendable>(
    _ secret: String, via address: String, request: Identifier,
    _ body: (RecordingReader) async throws -> Result
  ) async throws -> Result {
    guard secret.utf8.count == 43,
      let grant = try await catalog.playbackGrant(
        digest: SHA256.hash(Array(secret.utf8)), now: now)
    else {
      _ = try await refused(.credentialUnknown, via: address, request: request)
      throw VaultError(.notFound, during: "finding a playback grant")
    }
    guard let row = try await catalog.token(grant.token) else {
      throw VaultError(.tampered, during: "finding whom a grant was made for")
    }
    if let reason = invalidity(of: row) {
      _ = try await refused(reason, via: address, request: request, known: row)
      throw VaultError(.notFound, during: "finding a playback grant")
    }
    let caller = try await caller(holding: row, method: .grant, via: address, request: request)
    return try await open(
      grant.recording, with: .playRecording, as: caller, purpose: grant.purpose, body)
  }

  private static var playbackMilliseconds: Int64 { 300_000 }

  private func open<Result: Sendable>(
    _ id: Identifier, with right: Right, as caller: Caller, purpose: PurposeOfUse?,
    _ body: (RecordingReader) async throws -> Result
  ) async throws -> Result {
    var draft = draft(.recordingOpened, .intent, by: caller, purpose: purpose)
    let (recording, call) = try await checked(&draft) {
      draft throws(VaultError) -> (RecordingRow, CallRow) in
      try self.allow(right, caller, purpose: purpose)
      return try await self.visibleRecording(id, caller, &draft)
    }
    let intent = draft
    let reader = try await fulfil(intent) { receipt throws(VaultError) -> RecordingReader in
      let index = receipt.position.index
      let part = try self.recordingPart(
        of: call, number: recording.number, generation: recording.generation)
      let key = try self.keys.partKey(
        at: part, wrapped: call.wrappedKey, spending: receipt, for: .recordingOpened,
        by: caller.actor.id)
      let object = try await self.blobs.open(recording.blob)
      do throws(VaultError) {
        guard object.length == recording.ciphertextLength else {
          throw VaultError(.tampered, during: "opening a recording")
        }
        let source = try self.recordingSource(
          key, from: object, length: recording.ciphertextLength)
        // What a client is told of the length must be what the segments hold.
        guard source.length == recording.plaintextLength else {
          throw VaultError(.tampered, during: "opening a recording")
        }
        let (allowed, keys, keyID) = (self.stillAllowed(caller), self.keys, call.keyID)
        return RecordingReader(
          RecordingFacts(recording), logIndex: index, source: source, streams: self.streams,
          stillAllowed: { () throws(VaultError) in
            try allowed()
            // Purged while it is being read.
            try keys.checkAlive(keyID)
          })
      } catch {
        await object.close()
        throw error
      }
    }
    counters.count(.recordingsOpened)
    do {
      let result = try await streams.with { try await body(reader) }
      try await close(reader, intent, .success, because: nil)
      return result
    } catch let error as VaultError {
      if error.code == .tampered { counters.count(.tampered) }
      if !error.isAccounted {
        let (_, reason) = error.account
        try await close(reader, intent, reader.released > 0 ? .partial : .failed, because: reason)
      }
      throw error
    } catch {
      try await close(
        reader, intent, reader.released > 0 ? .partial : .failed, because: .clientGone)
      throw error
    }
  }

  /// Records what became of an open recording.
  ///
  /// The bytes have left, so nobody waits for the disk: a crash before it has the entry leaves the
  /// intent open, and the next start presumes disclosure.
  private func close(
    _ reader: RecordingReader, _ intent: EntryDraft, _ outcome: OutcomeCode,
    because reason: Reason?
  ) async throws(VaultError) {
    await reader.finish()
    counters.count(.plaintextBytesReleased, by: reader.released)
    try await conclude(intent.closing(outcome, because: reason, released: reader.released))
  }

  /// A check for each segment that the caller's credential has not ended since.
  func stillAllowed(_ caller: Caller) -> @Sendable () throws(VaultError) -> Void {
    { [sessions, clock, keys] () throws(VaultError) in
      // The keys of what is being read go with all others.
      guard !keys.isSealed else { throw VaultError(.sealed, during: "reading a recording") }
      guard let token = caller.token else { return }
      if sessions.withLock({ $0.hasEnded(token) }) {
        throw VaultError(
          .denied, during: "reading a recording", because: .credentialRevoked,
          detail: "the token was revoked")
      }
      if let expires = caller.expires, expires.milliseconds <= clock.read().milliseconds {
        throw VaultError(
          .denied, during: "reading a recording", because: .credentialExpired,
          detail: "the token has expired")
      }
    }
  }
}
