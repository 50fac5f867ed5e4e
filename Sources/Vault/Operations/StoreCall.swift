import Audit
import Cryptography
import Encoding

extension Vault {
  /// Makes a call known: its key, its subject and its sealed details.
  ///
  /// Recordings follow.
  ///
  /// A crash before the entry leaves a pending row, which the next start drops; after it, the row becomes live then.
  ///
  /// - Throws: ``VaultError/Code/conflict`` if this source gave this name before, with the existing call if
  ///   that lies within the caller's scope, ``VaultError/Code/invalid`` naming a field.
  public func createCall(
    _ new: NewCall, as caller: Caller
  ) async throws(VaultError) -> CallReceipt {
    var draft = draft(.callCreated, .single, by: caller)
    try await checked(&draft) { _ throws(VaultError) in
      try self.allow(.createCall, caller)
      if !new.consent.isEmpty { try self.allow(.storeConsent, caller) }
      try new.validate()
      guard
        caller.confinement.covers(
          source: new.source, location: new.location, callExtension: new.callExtension)
      else {
        throw VaultError(
          .denied, during: "storing a call", because: .outOfScope,
          detail: "this token may not store calls of this source, location or extension")
      }
    }
    // Whoever asks for the same call waits: a conflict must name a call that is there to stay.
    let name = Self.sourceCall(new.source, new.sourceID)
    let start = draft
    let receipt = try await gates.withGate(.sourceCall(name)) {
      () throws(VaultError) -> CallReceipt in
      try await self.store(new, named: name, start, as: caller)
    }
    for record in new.consent {
      _ = try await recordConsent(record, of: receipt.call, as: caller)
    }
    return receipt
  }

  /// Stores a call that was checked: row pending → entry durable → row live.
  private func store(
    _ new: NewCall, named name: [UInt8], _ start: EntryDraft, as caller: Caller
  ) async throws(VaultError) -> CallReceipt {
    var draft = start
    let tokens = try await checked(&draft) { draft throws(VaultError) -> [LookupToken] in
      if let existing = try await self.catalog.call(
        owning: try self.keys.lookupTokens(.sourceCall, of: name))
      {
        draft.objects = [existing]
        throw try await self.duplicate(existing, for: caller)
      }
      return try self.tokens(of: new, named: name)
    }

    let now = now
    let id = Identifier.random()
    let details = CallDetails(
      sourceID: new.sourceID, from: new.from, to: new.to, agent: new.agent, pauses: new.pauses)
    let key = try keys.createCallKey(for: id)
    let sealed = try Envelope.seal(try details.encoded(), with: try key.partKey(.details))
    let subject = try keys.createSubjectKey(for: id)
    let started: OffsetTime
    if let given = new.started { started = given } else { started = try Self.utc(now) }
    let row = CallRow(
      id: id, subject: SubjectRow(id: id, wrappedKey: subject.wrapped.encoded), created: now,
      started: started, direction: new.direction ?? .inbound,
      source: new.source, location: new.location, callExtension: new.callExtension,
      keyID: key.id, wrappedKey: key.wrapped.encoded, keyEpoch: key.epoch, details: sealed,
      detailsGeneration: 1, recordingNumbers: 0)
    let incident = try await checked(&draft) { _ throws(VaultError) -> IncidentRow? in
      try await self.settleLate()
      try await self.catalog.insert(row, tokens: tokens, since: await self.logSize)
      do throws(VaultError) {
        return try await self.quarantineWithoutConsent(row)
      } catch {
        // Else this source's name for the call would be taken until the next start.
        self.settleLater(RowReference(.call, id), nil)
        throw error
      }
    }

    let digest = SHA256.hash(sealed)
    draft.objects = [id]
    draft.parts = [try self.name(of: .details)]
    draft.subjects = [subject.key]
    draft.digest = digest
    draft.length = Int64(sealed.count)
    draft.keyID = key.id
    draft.sourceTime = new.started
    draft.commits[.details] = digest.bytes
    draft.commits[.source] = Array(new.source.utf8)
    draft.commits[.subject] = subject.key.committedValue
    draft.outcome = .success
    let position = try await record(draft, of: RowReference(.call, id)).position
    try await confirm(RowReference(.call, id), at: position)
    counters.count(.callsCreated)
    if let incident { try await announce(incident, of: row) }
    return CallReceipt(call: id, logIndex: position.index)
  }

  /// The answer to a call that is known.
  ///
  /// One whose entry the log could not take is not known yet: the next start decides about it. One that
  /// lies outside the caller's scope is not named, as if it could not be found: the entry names it.
  private func duplicate(
    _ existing: Identifier, for caller: Caller
  ) async throws(VaultError) -> VaultError {
    guard let call = try await catalog.call(existing) else { return Self.undecided }
    return VaultError(
      .conflict, during: "storing a call", because: .duplicate,
      detail: "this source gave this `source_id` to a call before",
      existing: covers(call, caller) ? existing : nil)
  }

  /// A row stands in the way that was left pending when the log failed.
  static let undecided = VaultError(
    .unavailable, during: "storing beside a row that waits for its entry",
    detail: "the log failed before; try again when the service has started anew")

  /// What is unique about a call: its source and the name that source gave it, told apart by the first length.
  static func sourceCall(_ source: String, _ sourceID: String) -> [UInt8] {
    let name = Array(source.utf8)
    return [UInt8(truncatingIfNeeded: name.count)] + name + Array(sourceID.utf8)
  }

  /// How an agent is looked up: without regard to case.
  static func agentKey(_ agent: String) -> [UInt8] { Array(agent.lowercased().utf8) }

  /// The tokens a new call is found by.
  private func tokens(
    of new: NewCall, named name: [UInt8]
  ) throws(VaultError) -> [LookupToken] {
    // Under the newest index key only: those of older keys are looked at, never written.
    var tokens = [try keys.lookupToken(.sourceCall, of: name)]
    let country =
      new.location.flatMap { configuration.locations[$0]?.country }
      ?? configuration.country
    var numbers: Set<PhoneNumber> = []
    for text in [new.from, new.to] {
      if let number = text.flatMap({ PhoneNumber($0, in: country) }) { numbers.insert(number) }
    }
    for number in numbers {
      tokens.append(try keys.lookupToken(.party, of: Array(number.description.utf8)))
    }
    if let text = new.outsideParty, let number = PhoneNumber(text, in: country) {
      tokens.append(try keys.lookupToken(.outside, of: Array(number.description.utf8)))
    }
    if let agent = new.agent {
      tokens.append(try keys.lookupToken(.agent, of: Self.agentKey(agent)))
    }
    return tokens
  }

  static func utc(_ time: Timestamp) throws(VaultError) -> OffsetTime {
    guard let time = OffsetTime(instant: time, offsetMinutes: 0) else {
      throw VaultError(.unavailable, during: "reading the clock")
    }
    return time
  }
}

extension NewCall {
  /// The number that is not the practice's own.
  fileprivate var outsideParty: String? {
    switch direction ?? .inbound {
    case .inbound: from
    case .outbound: to
    case .internal: nil
    }
  }
}
