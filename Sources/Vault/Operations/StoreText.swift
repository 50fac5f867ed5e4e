public import Audit
import Cryptography
public import Encoding
import Retention

extension Vault {
  /// Whether the caller may store a transcript of a call: asked before its megabytes are read.
  ///
  /// A refusal accounts for the attempt. Else that is left to ``storeTranscript(_:of:as:)``, or to
  /// ``accountUnread(_:by:asking:because:)`` where the body never comes to its end.
  public func admitTranscript(of call: Identifier, as caller: Caller) async throws(VaultError) {
    // Not yet a draft of ours, which would begin the account.
    var found = EntryDraft(.transcriptStored, .single, by: caller.actor)
    do throws(VaultError) {
      try allow(.storeTranscript, caller)
      _ = try await visibleCall(call, caller, &found, toOpen: false)
    } catch {
      var refusal = draft(.transcriptStored, .single, by: caller)
      (refusal.objects, refusal.subjects) = (found.objects, found.subjects)
      refusal.commits.merge(found.commits) { _, found in found }
      try await checked(&refusal) { _ throws(VaultError) in throw error }
    }
  }

  /// Reads a transcript that was sent, where no connection waits for it.
  ///
  /// - Throws: as ``Transcript/init(parsing:)``.
  public func transcript(parsing bytes: [UInt8]) async throws(VaultError) -> Transcript {
    try await transcripts.parse(bytes)
  }

  /// Stores the next version of a call's transcript.
  ///
  /// - Parameters:
  ///   - transcript: checked when it was made.
  ///   - call: a call within the caller's scope.
  ///   - caller: needs ``Right/storeTranscript``.
  /// - Returns: its version, and the entry that says so.
  /// - Throws: as every operation.
  ///
  /// One that holds a card number puts the call into quarantine first.
  public func storeTranscript(
    _ transcript: Transcript, of call: Identifier, as caller: Caller
  ) async throws(VaultError) -> TextReceipt {
    // First: nobody has work done on what they may not store.
    try await admitTranscript(of: call, as: caller)
    let reading = await transcripts.read(transcript)
    let receipt = try await store(
      reading.plaintext, .transcript, of: call, as: caller, with: .storeTranscript, purpose: nil
    ) { row, version, _ throws(VaultError) in
      guard !reading.cardNumbers.isEmpty else { return }
      // The call is out of reach before there is anything in it that must not be read.
      try await self.reportCardNumbers(reading.cardNumbers, in: row, version: version)
    }
    counters.count(.transcriptsStored)
    return receipt
  }

  /// Opens one version of a call's transcript; nil: the newest.
  public func transcript(
    of call: Identifier, version: Int?, as caller: Caller, purpose: PurposeOfUse?
  ) async throws(VaultError) -> StoredTranscript {
    let opened = try await openTexts(
      .transcript, of: call, as: caller, with: .readTranscript, purpose: purpose
    ) { rows throws(VaultError) in
      guard
        let row = version == nil ? rows.last : rows.first(where: { $0.version == version })
      else { throw VaultError(.notFound, during: "finding a transcript") }
      return [row]
    }
    guard let (row, bytes) = opened.texts.first else {
      throw VaultError(.notFound, during: "finding a transcript")
    }
    counters.count(.transcriptsOpened)
    do throws(VaultError) {
      return StoredTranscript(
        call: call, version: row.version, versions: opened.versions,
        transcript: try await transcripts.parse(bytes))
    } catch {
      throw VaultError(.tampered, during: "reading a transcript", cause: error)
    }
  }

  /// Stores the next version of a call's notes.
  public func storeNote(
    _ text: String, of call: Identifier, as caller: Caller, purpose: PurposeOfUse?
  ) async throws(VaultError) -> TextReceipt {
    var draft = draft(.noteStored, .single, by: caller, purpose: purpose)
    try await checked(&draft) { _ throws(VaultError) in
      try self.allow(.storeNote, caller, purpose: purpose)
      try Note.validate(text)
    }
    let receipt = try await store(
      Note.encode(text), .note, of: call, as: caller, with: .storeNote, purpose: purpose
    ) { _, _, _ throws(VaultError) in }
    counters.count(.notesStored)
    return receipt
  }

  /// Opens all notes of a call, oldest first.
  public func notes(
    of call: Identifier, as caller: Caller, purpose: PurposeOfUse?
  ) async throws(VaultError) -> [Note] {
    let opened = try await openTexts(
      .note, of: call, as: caller, with: .readNote, purpose: purpose
    ) { rows throws(VaultError) in Array(rows.suffix(Self.notesAtOnce)) }
    counters.count(.notesOpened)
    var notes: [Note] = []
    for (row, bytes) in opened.texts {
      notes.append(
        Note(
          version: row.version, author: row.author, written: row.stored,
          text: try Note.text(parsing: bytes)))
    }
    return notes
  }

  /// Notes of one call that are opened at once, the newest: an entry names no more.
  private static var notesAtOnce: Int { 98 }

  /// Seals and stores a text: intent → sealed row pending → outcome → row live.
  ///
  /// - Parameters:
  ///   - plaintext: what is sealed.
  ///   - kind: of text.
  ///   - call: a call within the caller's scope.
  ///   - caller: who stores it.
  ///   - right: what the caller needs.
  ///   - purpose: required where the right needs one.
  ///   - action: what the entries say; nil: that such a text is stored.
  ///   - prepare: does what must be durable before the text is; gets the call, the version and the
  ///     spent receipt.
  /// - Returns: its version, and the entry that says so.
  /// - Throws: what `prepare` throws, and as every operation.
  func store(
    _ plaintext: [UInt8], _ kind: TextRow.Kind, of call: Identifier, as caller: Caller,
    with right: Right, purpose: PurposeOfUse?, action: Action? = nil,
    prepare: (CallRow, Int, borrowing SpentReceipt) async throws(VaultError) -> Void
  ) async throws(VaultError) -> TextReceipt {
    let action = action ?? kind.stored
    // One at a time for each call: the version is part of what the bytes are sealed for.
    return try await gates.withGate(.call(call)) { () throws(VaultError) -> TextReceipt in
      var draft = self.draft(action, .intent, by: caller, purpose: purpose)
      let (row, version) = try await self.checked(&draft) {
        draft throws(VaultError) -> (CallRow, Int) in
        try self.allow(right, caller, purpose: purpose)
        let row = try await self.visibleCall(call, caller, &draft, toOpen: false)
        let last = try await self.catalog.texts(kind, of: call, sealed: false).last?.version ?? 0
        guard last < kind.versionLimit else {
          throw VaultError(
            .invalid, during: "storing a text",
            detail: "a call holds at most \(kind.versionLimit) versions")
        }
        return (row, last + 1)
      }
      let id = Identifier.random()
      let part = try self.textPart(kind, of: row, version: version, generation: 1)
      draft.objects = [call, id]
      draft.parts = [try self.name(of: part.part)]
      let intent = draft
      return try await self.fulfil(intent) { receipt throws(VaultError) -> TextReceipt in
        let spent = try self.spend(receipt, for: action, by: caller)
        let key = try self.keys.partKey(at: part, wrapped: row.wrappedKey, under: spent)
        try await prepare(row, version, spent)
        let sealed = try Envelope.seal(plaintext, with: key)
        let digest = SHA256.hash(sealed)
        let text = TextRow(
          id: id, call: call, kind: kind, version: version, stored: self.now,
          author: caller.actor.id, keyID: row.keyID, sealed: sealed,
          length: Int64(sealed.count), digest: digest)
        let reference = RowReference(kind.row, id)
        do throws(VaultError) {
          try await self.insertAlone { () throws(VaultError) in
            try await self.catalog.insert(text, since: await self.logSize)
          }
          var outcome = intent.closing(.success)
          outcome.digest = digest
          outcome.length = Int64(sealed.count)
          outcome.keyID = row.keyID
          let position = try await self.record(outcome, of: reference).position
          try await self.confirm(reference, at: position)
          return TextReceipt(
            id: id, call: call, version: version, digest: digest, logIndex: position.index)
        } catch {
          // If the log failed, the entry may be durable all the same: the next start decides by it.
          if !error.isAccounted { try await self.catalog.dropPending(reference) }
          throw error
        }
      }
    }
  }

  /// Opens the texts that `choose` picks: intent → receipt → key → outcome with the bytes released.
  func openTexts(
    _ kind: TextRow.Kind, of call: Identifier, as caller: Caller, with right: Right,
    purpose: PurposeOfUse?, choose: ([TextRow]) throws(VaultError) -> [TextRow]
  ) async throws(VaultError) -> (texts: [(TextRow, [UInt8])], versions: Int) {
    var draft = draft(kind.opened, .intent, by: caller, purpose: purpose)
    let (row, texts, versions) = try await checked(&draft) {
      draft throws(VaultError) -> (CallRow, [TextRow], Int) in
      try self.allow(right, caller, purpose: purpose)
      let row = try await self.visibleCall(call, caller, &draft)
      // A call may have thousands of versions of megabytes: the bytes of those chosen only.
      let all = try await self.catalog.texts(kind, of: call, sealed: false)
      let chosen = try choose(all)
      draft.objects = [call] + chosen.map(\.id)
      return (row, chosen, all.last?.version ?? 0)
    }
    var parts: [PartAddress] = []
    for text in texts {
      parts.append(
        try textPart(kind, of: row, version: text.version, generation: text.generation))
    }
    for part in parts {
      let name = try name(of: part.part)
      if !draft.parts.contains(name) { draft.parts.append(name) }
    }
    let intent = draft
    return try await fulfil(intent) {
      receipt throws(VaultError) -> (texts: [(TextRow, [UInt8])], versions: Int) in
      guard !texts.isEmpty else {
        self.discard(receipt)
        self.discard(try await self.record(intent.closing(.success, released: 0)))
        return ([], versions)
      }
      let spent = try self.spend(receipt, for: kind.opened, by: caller)
      var opened: [(TextRow, [UInt8])] = []
      var released: Int64 = 0
      for (listed, part) in zip(texts, parts) {
        guard let text = try await self.catalog.text(listed.id) else {
          throw VaultError(.tampered, during: "reading a text that was listed")
        }
        let bytes = try Envelope.open(
          text.sealed,
          with: try self.keys.partKey(at: part, wrapped: row.wrappedKey, under: spent))
        released += Int64(bytes.count)
        opened.append((text, bytes))
      }
      self.counters.count(.plaintextBytesReleased, by: released)
      // Nothing has left yet, so an outcome that cannot be recorded keeps it here.
      self.discard(try await self.record(intent.closing(.success, released: released)))
      return (opened, versions)
    }
  }
}

extension TextRow.Kind {
  fileprivate var stored: Action {
    switch self {
    case .transcript: .transcriptStored
    case .note: .noteStored
    case .consent: .consentRecorded
    }
  }
  fileprivate var opened: Action {
    switch self {
    case .transcript: .transcriptOpened
    case .note: .noteOpened
    case .consent: .consentOpened
    }
  }
  fileprivate var row: RowKind {
    switch self {
    case .transcript: .transcript
    case .note: .note
    case .consent: .consent
    }
  }
  /// Versions in one call.
  fileprivate var versionLimit: Int { self == .consent ? ConsentRecord.callLimit : 10_000 }
}
