public import Audit
import Cryptography
public import Encoding
import Retention

extension Vault {
  /// Lists calls, newest first: clear facts, and with a purpose also who called whom.
  ///
  /// One entry `search` names the calls of the page; the details are unsealed against its receipt. To search by party or
  /// agent needs a purpose: whether a number called at all is a caller detail.
  ///
  /// - Throws: ``VaultError/Code/invalid`` for a limit outside ``CallSearch/limits``.
  public func findCalls(
    _ search: CallSearch, as caller: Caller, purpose: PurposeOfUse?
  ) async throws(VaultError) -> CallPage {
    var draft = draft(.search, .single, by: caller, purpose: purpose)
    draft.commits[.filter] = search.account
    let (listings, isCut) = try await checked(&draft) {
      draft throws(VaultError) -> ([CallListing], Bool) in
      try self.allow(.listCalls, caller)
      if purpose != nil || search.party != nil || search.agent != nil {
        try self.allow(.readDetails, caller, purpose: purpose)
      }
      guard CallSearch.limits.contains(search.limit) else {
        throw VaultError(
          .invalid, during: "searching calls", detail: "`limit` must be within 1…100")
      }
      guard var query = try self.query(search) else { return ([], false) }
      query.sources = caller.confinement.sources
      query.locations = caller.confinement.locations
      query.callExtensions = caller.confinement.callExtensions
      let found = try await self.catalog.calls(matching: query)
      let listings = Self.page(found)
      draft.objects = listings.map(\.call.id)
      var patients: Set<Identifier> = []
      for call in listings.map(\.call) {
        draft.subjects.append(try self.keys.subjectKey(call.subject))
        // The patient of several calls has one tag.
        if let patient = call.patient, patients.insert(patient.id).inserted {
          draft.subjects.append(try self.keys.subjectKey(patient))
        }
      }
      return (listings, listings.count < found.count)
    }
    draft.outcome = .success
    draft.count = nil
    if purpose != nil { draft.parts = [try name(of: .details)] }
    let receipt = try await record(draft)
    counters.count(.searches)
    var details: [Identifier: CallDetails] = [:]
    if purpose != nil {
      details = try openDetails(
        of: listings.map(\.call), spending: receipt, for: .search, by: caller)
    } else {
      discard(receipt)
    }
    let calls = listings.map { listing in
      CallSummary(listing, details: details[listing.call.id])
    }
    let last = listings.count == search.limit || isCut ? listings.last : nil
    return CallPage(
      calls: calls,
      next: last.map { CallCursor(started: $0.call.started.instant, call: $0.call.id) })
  }

  /// One call with its recordings; with a purpose also who called whom.
  public func call(
    _ id: Identifier, as caller: Caller, purpose: PurposeOfUse?
  ) async throws(VaultError) -> CallFacts {
    var draft = draft(.callOpened, .single, by: caller, purpose: purpose)
    let row = try await checked(&draft) { draft throws(VaultError) -> CallRow in
      try self.allow(.listCalls, caller)
      if purpose != nil { try self.allow(.readDetails, caller, purpose: purpose) }
      return try await self.visibleCall(id, caller, &draft)
    }
    draft.outcome = .success
    if purpose != nil { draft.parts = [try name(of: .details)] }
    let receipt = try await record(draft)
    var details: CallDetails?
    if purpose != nil {
      details = try openDetails(
        of: [row], spending: receipt, for: .callOpened, by: caller)[id]
    } else {
      discard(receipt)
    }
    let recordings = try await catalog.recordings(of: id)
    let transcripts = try await catalog.texts(.transcript, of: id, sealed: false)
    let notes = try await catalog.texts(.note, of: id, sealed: false)
    let durations = recordings.compactMap(\.audio.durationMilliseconds)
    let listing = CallListing(
      call: row, recordings: recordings.count, transcripts: transcripts.last?.version ?? 0,
      notes: notes.last?.version ?? 0,
      durationMilliseconds: durations.isEmpty ? nil : durations.reduce(0, Self.sum))
    let facts = try await retentionFacts(of: row)
    return CallFacts(
      summary: CallSummary(listing, details: details),
      recordings: recordings.map { RecordingFacts($0) },
      retention: retention.explain(facts))
  }

  /// As many calls as one entry can name with their patients.
  private static func page(_ found: [CallListing]) -> [CallListing] {
    var patients: Set<Identifier> = []
    var room = Entry.maximumObjects
    return Array(
      found.prefix { listing in
        room -= 1
        if let patient = listing.call.patient, patients.insert(patient.id).inserted { room -= 1 }
        return room >= 0
      })
  }

  /// The catalog is not trusted with an overflow.
  private static func sum(_ left: Int64, _ right: Int64) -> Int64 {
    let (sum, overflow) = left.addingReportingOverflow(right)
    return overflow ? .max : sum
  }

  /// The catalog's form of a search; nil when nothing can match.
  private func query(_ search: CallSearch) throws(VaultError) -> CatalogQuery? {
    var query = CatalogQuery(limit: search.limit)
    query.from = search.from
    query.to = search.to
    query.callExtension = search.callExtension
    query.location = search.location
    query.direction = search.direction
    query.after = search.cursor
    if let party = search.party {
      let country =
        search.location.flatMap { configuration.locations[$0]?.country }
        ?? configuration.country
      guard let number = PhoneNumber(party, in: country) else { return nil }
      query.party = try keys.lookupTokens(.party, of: Array(number.description.utf8))
    }
    if let agent = search.agent {
      query.agent = try keys.lookupTokens(.agent, of: Self.agentKey(agent))
    }
    return query
  }
}

extension CallSearch {
  /// What was looked for, as the entry commits to it.
  var account: [UInt8] {
    var object = JSONObject()
    func put(_ name: String, _ value: String?) {
      if let value { object[name] = .string(String(value.prefix(256))) }
    }
    put("from", from?.rfc3339)
    put("to", to?.rfc3339)
    put("party", party)
    put("extension", callExtension)
    put("agent", agent)
    put("location", location)
    put("direction", direction?.rawValue)
    put("cursor", cursor?.description)
    return JSONValue.object(object).encoded()
  }
}

extension CallSummary {
  init(_ listing: CallListing, details: CallDetails?) {
    let row = listing.call
    self.init(
      call: row.id, started: row.started, direction: row.direction, source: row.source,
      location: row.location, callExtension: row.callExtension,
      durationMilliseconds: listing.durationMilliseconds, recordings: listing.recordings,
      transcripts: listing.transcripts, notes: listing.notes, details: details)
  }
}
