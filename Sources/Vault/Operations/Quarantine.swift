public import Audit
import Cryptography
public import Encoding
import Retention

/// An open incident as whoever reviews it sees it.
public struct IncidentFacts: Sendable, Equatable {
  public let incident: IncidentRow
  public let started: OffsetTime
  public let isOverdue: Bool
}

/// A page of open incidents.
public struct IncidentPage: Sendable, Equatable {
  public let incidents: [IncidentFacts]
  /// After which the next page begins; nil on the last one.
  public let next: Identifier?
}

/// Calls out of reach: `Documentation/formats/card-data.md`, section 2.
///
/// A quarantine takes effect before its entry, because it narrows; it ends after its entry, because
/// that widens.
extension Vault {
  /// Incidents on a page; the calls of all of them are named in one entry.
  public static let incidentPage = 1...30

  /// Where the retention schedule does not say it: 72 hours.
  private static let cardDataMilliseconds: Int64 = 259_200_000

  /// Lists open incidents of calls within the caller's scope.
  ///
  /// - Parameters:
  ///   - cursor: after which the page begins.
  ///   - limit: within ``incidentPage``.
  ///   - caller: needs ``Right/reviewIncidents``.
  ///   - purpose: required.
  /// - Returns: fewer than `limit` also where some are of calls beyond the scope.
  /// - Throws: ``VaultError/Code/invalid`` for a limit outside ``incidentPage``.
  public func incidents(
    after cursor: Identifier?, limit: Int, as caller: Caller, purpose: PurposeOfUse?
  ) async throws(VaultError) -> IncidentPage {
    var draft = draft(.incidentListed, .single, by: caller, purpose: purpose)
    let now = now
    let page = try await checked(&draft) { draft throws(VaultError) -> IncidentPage in
      try self.allow(.reviewIncidents, caller, purpose: purpose)
      guard Self.incidentPage.contains(limit) else {
        throw VaultError(
          .invalid, during: "listing incidents", detail: "`limit` must be within 1…30")
      }
      let found = try await self.catalog.openIncidents(after: cursor, limit: limit)
      let seen = found.filter { self.covers($0.call, caller) }
      var named: Set<Identifier> = []
      for call in seen.map(\.call) where named.insert(call.id).inserted {
        draft.subjects.append(try self.keys.subjectKey(call.subject))
        // The patient of several calls has one tag.
        if let patient = call.patient, named.insert(patient.id).inserted {
          draft.subjects.append(try self.keys.subjectKey(patient))
        }
      }
      draft.objects = seen.map(\.incident.id)
      return IncidentPage(
        incidents: seen.map { incident, call in
          IncidentFacts(
            incident: incident, started: call.started,
            isOverdue: incident.due.map { $0 <= now } ?? false)
        },
        next: found.count == limit ? found.last?.incident.id : nil)
    }
    draft.flags.insert(.quarantined)
    draft.outcome = .success
    discard(try await record(draft))
    return page
  }

  /// Ends an incident that a person has looked at.
  ///
  /// - Parameters:
  ///   - incident: an open one, of a call within the caller's scope.
  ///   - reason: why it may end, 1 to 1024 bytes; the entry commits to it.
  ///   - caller: needs ``Right/reviewIncidents``.
  ///   - purpose: required.
  /// - Returns: the entry that says so.
  /// - Throws: ``VaultError/Code/notFound`` also for one that has ended.
  public func closeIncident(
    _ incident: Identifier, because reason: String, as caller: Caller, purpose: PurposeOfUse?
  ) async throws(VaultError) -> Int64 {
    var draft = draft(.incidentClosed, .single, by: caller, purpose: purpose)
    let row = try await checked(&draft) { draft throws(VaultError) -> IncidentRow in
      try self.allow(.reviewIncidents, caller, purpose: purpose)
      guard (1...1024).contains(reason.utf8.count) else {
        throw VaultError(
          .invalid, during: "closing an incident", detail: "`reason` must be 1…1024 bytes")
      }
      guard let row = try await self.catalog.incident(incident), row.closed == nil else {
        draft.commits[.filter] = Array(incident.description.utf8)
        throw VaultError(.notFound, during: "finding an incident")
      }
      _ = try await self.visibleCall(row.call, caller, &draft)
      return row
    }
    return try await end(row, draft, because: reason)
  }

  /// Puts a call into quarantine because a transcript that is about to be stored holds a card number.
  func reportCardNumbers(
    _ spans: [TimeSpan], in call: CallRow, version: Int
  ) async throws(VaultError) {
    counters.count(.cardNumbersFound, by: Int64(spans.count))
    let now = now
    try await quarantine(
      IncidentRow(
        id: .random(), call: call.id, reason: .cardData, opened: now,
        due: cardDataDue(from: now), version: version, spans: spans),
      call)
  }

  /// Puts a call into quarantine: effect, then entry.
  func quarantine(_ incident: IncidentRow, _ call: CallRow) async throws(VaultError) {
    try await catalog.open(incident, since: await logSize)
    try await announce(incident, of: call)
  }

  /// Records that a call is in quarantine, which it is already.
  func announce(
    _ incident: IncidentRow, of call: CallRow, recovered: Bool = false
  ) async throws(VaultError) {
    var draft = EntryDraft(.incidentOpened, .single, by: systemActor)
    draft.objects = [call.id, incident.id]
    draft.subjects = try keys.subjectKeys(of: call)
    draft.policy = incident.reason == .consent ? consent?.hash : retention.hash
    draft.commits[.reason] = Array(incident.reason.rawValue.utf8)
    if let version = incident.version { draft.parts = [try name(of: .transcript(version))] }
    if recovered { draft.flags.insert(.recovered) }
    draft.outcome = .success
    let position = try await record(draft).position
    counters.count(.incidentsOpened)
    try await catalog.announce(incident.id, at: position)
  }

  /// Puts on record what a crash left without an entry; called at start.
  func announceIncidents() async throws(VaultError) {
    for (incident, since) in try await catalog.unannouncedIncidents() {
      // A call that was dropped took its incidents with it.
      guard let call = try await catalog.call(incident.call) else { continue }
      if let position = try await entry(opening: incident.id, from: since) {
        try await catalog.announce(incident.id, at: position)
      } else {
        try await announce(incident, of: call, recovered: true)
      }
    }
  }

  private func entry(
    opening incident: Identifier, from start: Int64
  ) async throws(VaultError) -> LogPosition? {
    var next: Int64? = start
    while let index = next {
      var filter = EntryFilter(indices: index..<Int64.max)
      filter.actions = [.incidentOpened]
      let page: EntryPage
      do {
        page = try await log.entries(matching: filter, limit: 1000)
      } catch {
        throw VaultError(.unavailable, during: "reading the log", cause: error)
      }
      if let found = page.entries.first(where: { $0.entry.objects.contains(incident) }) {
        return LogPosition(
          index: found.entry.index, leafHash: MerkleTree.leafHash(found.bytes))
      }
      next = page.next
    }
    return nil
  }

  /// Ends the incidents of a call that have one reason, because it holds no more.
  ///
  /// - Returns: those that ended.
  func closeIncidents(
    _ reason: IncidentRow.Reason, of call: CallRow, because why: String
  ) async throws(VaultError) -> [Identifier] {
    var closed: [Identifier] = []
    for incident in try await catalog.openIncidents(of: call.id) where incident.reason == reason {
      var draft = EntryDraft(.incidentClosed, .single, by: systemActor, on: [call.id])
      draft.subjects = try keys.subjectKeys(of: call)
      _ = try await end(incident, draft, because: why)
      closed.append(incident.id)
    }
    return closed
  }

  private func end(
    _ incident: IncidentRow, _ start: EntryDraft, because why: String
  ) async throws(VaultError) -> Int64 {
    var draft = start
    draft.objects.append(incident.id)
    draft.commits[.reason] = Array(why.utf8.prefix(1024))
    draft.outcome = .success
    let position = try await record(draft).position
    do throws(VaultError) {
      try await catalog.close(incident.id, at: now, position: position)
    } catch {
      // The entry stands; the call stays out of reach until it is closed again.
      throw VaultError(
        .unavailable, during: "closing an incident", because: nil, cause: error,
        isAccounted: true)
    }
    counters.count(.incidentsClosed)
    return position.index
  }

  /// Lets nobody open what is in quarantine but who may review it; the entry says that it was.
  func admitReview(by caller: Caller, _ draft: inout EntryDraft) throws(VaultError) {
    let decision = policy.decide(
      .reviewIncidents, role: caller.role, scopes: caller.scopes, purpose: draft.purpose)
    guard case .granted = decision else {
      throw VaultError(
        .notFound, during: "opening what is in quarantine", because: .quarantined)
    }
    draft.flags.insert(.quarantined)
  }

  /// Until when an incident of card data must have been decided on.
  private func cardDataDue(from opened: Timestamp) -> Timestamp {
    retention.quarantines["card-data"]?.window(from: opened).until
      ?? Timestamp(milliseconds: opened.milliseconds + Self.cardDataMilliseconds)
  }
}
