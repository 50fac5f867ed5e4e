import Audit
import Cryptography
import Encoding
import Threading

/// What the vault does by itself so that nothing decays unseen.
public struct MaintenanceSettings: Sendable {
  /// Where damaged objects are fetched from: the objects of a backup.
  public var secondCopy: (any BlobStore)?
  /// A backup that is older is an alarm.
  public var backupLimit: Duration
  /// From the beginning of one pass over all objects to that of the next; nil: none by itself.
  public var scrubInterval: Duration?
  /// Objects that one entry of the log stands for, and a crash makes a pass look at again.
  public var scrubBatch: Int

  public init(
    secondCopy: (any BlobStore)? = nil, backupLimit: Duration = .seconds(48 * 3600),
    scrubInterval: Duration? = .seconds(30 * 86_400), scrubBatch: Int = 256
  ) {
    self.secondCopy = secondCopy
    self.backupLimit = backupLimit
    self.scrubInterval = scrubInterval
    self.scrubBatch = scrubBatch
  }
}

extension Vault {
  /// Takes settings that hold from now on.
  public func keep(_ settings: MaintenanceSettings) {
    maintenanceSettings.withLock { $0 = settings }
  }

  /// Looks at every object once, as fast as it goes.
  ///
  /// - Parameters:
  ///   - level: how closely; in a sealed vault no closer than ``ScrubLevel/digest``.
  ///   - caller: needs ``Right/runMaintenance``; nil: the program itself.
  /// - Returns: the pass that ended.
  /// - Throws: ``VaultError/Code/conflict`` while another pass runs; ``VaultError`` when log or catalog
  ///   fail. A damaged object is no failure: it is in what is returned.
  public func scrub(
    _ level: ScrubLevel, as caller: Caller?
  ) async throws(VaultError) -> ScrubState {
    try allowMaintenance(caller)
    return try await scrubbing { () throws(VaultError) -> ScrubState in
      var state = try await self.scrubState() ?? ScrubState(began: self.now)
      state.begin(at: self.now)
      let run = Identifier.random()
      while !state.isFinished, !Task.isCancelled {
        try await self.scrubBatch(&state, level, run: run, pace: .unbounded, as: caller)
      }
      return state
    }
  }

  /// Looks at the next batch, if it is due.
  func scrubIfDue() async throws(VaultError) {
    guard let interval = maintenanceSettings.withLock({ $0.scrubInterval }) else { return }
    let counts = try await catalog.counts()
    let total = counts.recordings + counts.calls
    guard total > 0 else { return }
    guard var state = try await scrubState() else {
      // The first pass begins with the first recordings, and takes its time as every other.
      return try await catalog.setFact(.scrub, to: ScrubState(began: now).encoded, at: nil)
    }
    guard ScrubPlan(interval: interval).isDue(state, of: total, at: now) else { return }
    // Somebody asked for a whole pass, which does more than this.
    guard !isScrubbing.withLock({ $0 }) else { return }
    if state.isFinished { state.begin(at: now) }
    let begun = state
    _ = try await scrubbing { () throws(VaultError) -> ScrubState in
      var state = begun
      try await self.scrubBatch(
        &state, .tags, run: .random(), pace: .background, as: nil)
      return state
    }
  }

  /// How far the pass over all objects has come; nil before the first.
  public func scrubState() async throws(VaultError) -> ScrubState? {
    guard let bytes = try await catalog.fact(.scrub) else { return nil }
    return try ScrubState(parsing: bytes)
  }

  private func scrubbing(
    _ body: () async throws(VaultError) -> ScrubState
  ) async throws(VaultError) -> ScrubState {
    let isFree = isScrubbing.withLock { isScrubbing in
      defer { isScrubbing = true }
      return !isScrubbing
    }
    guard isFree else {
      throw VaultError(.conflict, during: "beginning a scrub", detail: "a scrub is running")
    }
    defer { isScrubbing.withLock { $0 = false } }
    return try await body()
  }

  private func scrubBatch(
    _ state: inout ScrubState, _ level: ScrubLevel, run: Identifier, pace: Pace,
    as caller: Caller?
  ) async throws(VaultError) {
    let limit = maintenanceSettings.withLock { $0.scrubBatch }
    guard !state.hasSeenObjects else {
      return try await scrubTexts(&state, level, limit: limit, run: run, as: caller)
    }
    let rows = try await catalog.recordings(after: state.cursor, limit: limit)
    guard let last = rows.last else {
      state.hasSeenObjects = true
      return try await catalog.setFact(.scrub, to: state.encoded, at: nil)
    }
    let (intent, batch) = try await beginExamination(
      .scrubRun, of: rows.map(\.recording.id), run: run, by: caller)
    let level = keys.isSealed && level == .tags ? .digest : level
    try await concluding(intent) { () throws(VaultError) -> [Identifier] in
      var damaged: [Identifier] = []
      for (recording, call) in rows {
        var isWhole = true
        do throws(VaultError) {
          switch level {
          case .presence: try await comparePresence(of: recording, in: blobs)
          case .digest: try await compareDigest(of: recording, in: blobs, pace: pace)
          case .tags:
            try await examine(
              recording, of: call, wrapped: call.wrappedKey, in: batch, from: blobs, pace: pace)
          }
        } catch {
          // A disk that suffers is something found, not a reason to stop looking.
          guard error.code == .tampered || error.code == .unavailable else { throw error }
          // Purged or excised since the page was read: nothing is missing, and the old object must not
          // come back.
          if try await catalog.recording(recording.id)?.recording.blob != recording.blob {
            continue
          }
          counters.count(.tampered)
          isWhole = try await repair(recording, of: call)
          if isWhole { state.repaired += 1 } else { damaged.append(recording.id) }
        }
        state.note(recording.id, isWhole: isWhole)
        state.examined += 1
        state.bytes += recording.ciphertextLength
      }
      return damaged
    }
    counters.count(.objectsExamined, by: Int64(rows.count))
    state.cursor = last.recording.blob
    try await catalog.setFact(.scrub, to: state.encoded, at: nil)
  }

  /// Puts the second copy in a damaged object's place: entry → object → read again → entry.
  ///
  /// - Returns: whether the object is whole now. Without a whole second copy nothing is changed.
  private func repair(
    _ recording: RecordingRow, of call: CallRow
  ) async throws(VaultError) -> Bool {
    guard !keys.isSealed, let copy = maintenanceSettings.withLock({ $0.secondCopy }) else {
      return false
    }
    do throws(VaultError) {
      try await compareDigest(of: recording, in: copy)
    } catch {
      guard error.code == .tampered || error.code == .unavailable else { throw error }
      return false
    }
    var draft = EntryDraft(
      .recordingRepaired, .intent, by: systemActor, on: [call.id, recording.id],
      parts: [try name(of: .recording(recording.number))])
    draft.policy = policy.hash
    draft.subjects = try keys.subjectKeys(of: call)
    draft.digest = recording.digest
    draft.length = recording.ciphertextLength
    draft.keyID = recording.keyID
    let intent = draft
    discard(try await record(intent))
    do throws(VaultError) {
      try await replace(recording, from: copy)
      try await compareDigest(of: recording, in: blobs)
    } catch {
      let (outcome, reason) = error.account
      discard(try await record(intent.closing(outcome, because: reason)))
      guard error.code == .tampered || error.code == .unavailable else { throw error }
      return false
    }
    discard(try await record(intent.closing(.success)))
    counters.count(.objectsRepaired)
    return true
  }

  private func replace(
    _ recording: RecordingRow, from copy: any BlobStore
  ) async throws(VaultError) {
    let source = try await copy.open(recording.blob)
    let writer = try await blobs.replace(recording.blob)
    do throws(VaultError) {
      var hasher = try Self.hasher()
      var offset: Int64 = 0
      while offset < source.length {
        let bytes = try await source.read(
          at: offset, count: Int(min(1 << 20, source.length - offset)))
        hasher.update(bytes)
        try await writer.append(bytes)
        offset += Int64(bytes.count)
      }
      // Once more, because it is this reading that is written.
      guard hasher.finish() == recording.digest else {
        throw VaultError(.tampered, during: "reading a second copy")
      }
      try await writer.commit()
    } catch {
      await writer.discard()
      await source.close()
      throw error
    }
    await source.close()
  }
}
