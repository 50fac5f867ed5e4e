import Audit
public import Cryptography
public import Encoding
import Retention

/// Legal holds: placed by one person, released by two, asked whenever something is about to go.
extension Vault {
  /// How long the first of two people who release a hold waits for the second.
  static let releasePatience = Duration.seconds(14 * 86_400)

  var holds: CatalogHolds { CatalogHolds(catalog: catalog, keys: keys) }

  /// Places a hold; from then on nothing that it covers goes, whatever was approved before.
  ///
  /// - Parameters:
  ///   - request: numbers as they were typed; patients by id.
  ///   - caller: needs ``Right/manageHolds``.
  /// - Returns: the hold's id, and the entry that says so.
  /// - Throws: ``VaultError/Code/invalid`` naming a field; ``VaultError/Code/notFound`` for a call or
  ///   patient that is not there.
  public func setHold(
    _ request: HoldRequest, as caller: Caller
  ) async throws(VaultError) -> SubjectReceipt {
    let id = Identifier.random()
    var draft = draft(.holdSet, .single, by: caller, on: [id])
    let scope = try await checked(&draft) { _ throws(VaultError) -> HoldScope in
      try self.allow(.manageHolds, caller)
      return try await self.normalised(request)
    }
    let now = now
    let hold = LegalHold(
      id: id, matter: .random(), kind: request.kind, scope: scope, placed: now,
      placedBy: caller.actor.id)
    let contents = HoldContents(
      matter: Matter(
        id: hold.matter, name: request.matter, reason: request.reason,
        custodian: request.custodian, opened: now, openedBy: caller.actor.id), hold: hold)
    let sealed = try keys.seal(contents.encoded, as: .hold, of: id)
    draft.commits[.matter] = Array(request.matter.utf8)
    draft.commits[.reason] = Array(request.reason.utf8)
    draft.commits[.rule] = hold.digest.bytes
    let start = draft
    return try await gates.withGate(.holds) { () throws(VaultError) -> SubjectReceipt in
      var draft = start
      try await self.checked(&draft) { _ throws(VaultError) in
        try await self.settleLate()
        try await self.catalog.insert(
          HoldRow(id: id, placed: now, placedBy: caller.actor.id, sealed: sealed),
          since: await self.logSize)
      }
      draft.outcome = .success
      let position = try await self.record(draft, of: RowReference(.hold, id)).position
      try await self.confirm(RowReference(.hold, id), at: position)
      return SubjectReceipt(id: id, logIndex: position.index)
    }
  }

  /// Tells all holds, those that were released included; matters and scopes name people.
  ///
  /// - Parameter caller: needs ``Right/manageHolds``.
  /// - Returns: the newest first, at most 1000.
  /// - Throws: as every operation.
  public func listHolds(as caller: Caller) async throws(VaultError) -> [KnownHold] {
    var draft = draft(.search, .single, by: caller)
    draft.commits[.filter] = Array("holds".utf8)
    try await checked(&draft) { _ throws(VaultError) in try self.allow(.manageHolds, caller) }
    draft.outcome = .success
    discard(try await record(draft))
    var known: [KnownHold] = []
    for row in try await catalog.holds(limit: 1000) {
      let contents = try HoldContents(parsing: try keys.open(row.sealed, as: .hold, of: row.id))
      known.append(
        KnownHold(
          matter: contents.matter, hold: contents.hold,
          releaseAsked: try await releaseAsked(of: contents.hold)?.person,
          released: row.released, decided: row.decided))
    }
    return known
  }

  /// Asks for a hold's release, or, as the second of two people, releases it.
  ///
  /// - Parameters:
  ///   - id: a hold that keeps.
  ///   - reason: the entry commits to it.
  ///   - evidence: SHA-256 of what an authenticator signed, where the caller signed in so.
  ///   - caller: a person with a token who has ``Right/manageHolds``.
  /// - Returns: whether it is released now.
  /// - Throws: ``VaultError/Code/conflict`` if it is released already, or the same person asked.
  public func releaseHold(
    _ id: Identifier, reason: String, evidence: SHA256Digest? = nil, as caller: Caller
  ) async throws(VaultError) -> (isReleased: Bool, logIndex: Int64) {
    var start = draft(.holdReleased, .single, by: caller, on: [id])
    start.commits[.reason] = Array(reason.utf8.prefix(1024))
    let first = start
    return try await gates.withGate(.holds) {
      () throws(VaultError) -> (isReleased: Bool, logIndex: Int64) in
      var draft = first
      let (approval, earlier) = try await self.checked(&draft) {
        _ throws(VaultError) -> (Approval, Approval?) in
        try self.allow(.manageHolds, caller)
        // A hold that two released is released, also if the catalog had no room to say so.
        try await self.settleLate()
        guard let row = try await self.catalog.hold(id) else {
          throw VaultError(.notFound, during: "finding a hold")
        }
        guard row.released == nil else {
          throw VaultError(
            .conflict, during: "releasing a hold", detail: "this hold is released already")
        }
        let hold = try HoldContents(
          parsing: try self.keys.open(row.sealed, as: .hold, of: id)
        ).hold
        let approval = try self.approval(
          of: .release(hold.digest), typed: nil, beyondCaps: false, evidence: evidence, by: caller)
        guard let earlier = try await self.releaseAsked(of: hold) else { return (approval, nil) }
        do throws(RetentionError) {
          _ = try HoldRelease(of: hold, approvals: ApprovalPair(earlier, approval))
        } catch {
          throw VaultError(
            .conflict, during: "releasing a hold", because: .approvalMissing,
            detail: "releasing needs two different people: \(error.detail)")
        }
        return (approval, earlier)
      }
      func row(at position: LogPosition) -> ApprovalRow {
        ApprovalRow(
          subject: approval.subject.hash, person: approval.person, bytes: approval.encoded,
          logIndex: position.index)
      }
      guard earlier != nil else {
        draft.evidence = approval.digest
        draft.outcome = .partial
        draft.reason = .approvalMissing
        let position = try await self.record(draft).position
        try await self.catalog.keep(row(at: position), bringing: nil, position: position)
        return (false, position.index)
      }
      let release = RowReference(.release, id)
      try await self.checked(&draft) { _ throws(VaultError) in
        try await self.insertAlone { () throws(VaultError) in
          try await self.catalog.insertRelease(of: id, at: self.now, since: await self.logSize)
        }
      }
      draft.evidence = approval.digest
      draft.outcome = .success
      let position = try await self.record(draft, of: release).position
      try await self.confirm(release, at: position) { () throws(VaultError) in
        try await self.catalog.keep(
          row(at: position), bringing: .release(id), position: position)
      }
      return (true, position.index)
    }
  }

  /// Decides that a hold need not keep the keys of calls that were purged before it.
  ///
  /// - Parameters:
  ///   - id: a hold that was placed after a purge, and so stops the ratchet.
  ///   - reason: the entry commits to it.
  ///   - caller: a person with a token who has ``Right/manageHolds``.
  /// - Returns: the index of the entry.
  /// - Throws: ``VaultError/Code/notFound``.
  public func decideHold(
    _ id: Identifier, reason: String, as caller: Caller
  ) async throws(VaultError) -> Int64 {
    var start = draft(.holdSet, .single, by: caller, on: [id])
    start.commits[.reason] = Array(reason.utf8.prefix(1024))
    start.commits[.rule] = Array("what was purged before this hold may be erased".utf8)
    let first = start
    return try await gates.withGate(.holds) { () throws(VaultError) -> Int64 in
      var draft = first
      try await self.checked(&draft) { _ throws(VaultError) in
        try self.allow(.manageHolds, caller)
        try self.checkPerson(caller)
        guard try await self.catalog.hold(id) != nil else {
          throw VaultError(.notFound, during: "finding a hold")
        }
      }
      draft.outcome = .success
      let position = try await self.record(draft).position
      try await self.catalog.decideHold(id, at: self.now, position: position)
      return position.index
    }
  }

  /// The approval of the first of two people, while it waits.
  private func releaseAsked(of hold: LegalHold) async throws(VaultError) -> Approval? {
    let oldest = now.milliseconds - Int64(Self.releasePatience / .milliseconds(1))
    let rows = try await catalog.approvals(of: hold.digest)
    return try rows.map { (row) throws(VaultError) in try Approval(row: row) }
      .last { $0.time.milliseconds >= oldest }
  }

  private func normalised(_ request: HoldRequest) async throws(VaultError) -> HoldScope {
    for (name, text, limit) in [
      ("matter", request.matter, 128), ("reason", request.reason, 512),
      ("custodian", request.custodian, 128),
    ]
    where !(1...limit).contains(text.utf8.count)
      || text.unicodeScalars.contains(where: { $0.properties.generalCategory == .control })
    {
      throw VaultError(
        .invalid, during: "reading a hold",
        detail: "`\(name)` must be text of 1 to \(limit) bytes without control characters")
    }
    var scope = request.scope
    guard scope.isSound else {
      throw VaultError(
        .invalid, during: "reading a hold", detail: "`from` must not be after `through`")
    }
    var numbers: Set<String> = []
    for text in scope.numbers {
      guard let number = PhoneNumber(text, in: configuration.country) else {
        throw VaultError(
          .invalid, during: "reading a hold", detail: "`numbers` must be telephone numbers")
      }
      numbers.insert(number.description)
    }
    scope.numbers = numbers
    scope.patientNumbers = []
    for patient in scope.patients where try await catalog.patient(patient) == nil {
      throw VaultError(.notFound, during: "finding a patient")
    }
    for call in scope.calls where try await catalog.call(call) == nil {
      throw VaultError(.notFound, during: "finding a call")
    }
    let sizes = [
      scope.calls.count, scope.patients.count, scope.numbers.count, scope.sources.count,
      scope.locations.count, scope.extensions.count,
    ]
    guard sizes.allSatisfy({ $0 <= 1000 }) else {
      throw VaultError(
        .tooLarge, during: "reading a hold", detail: "a scope has at most 1000 of each kind")
    }
    return scope
  }
}

/// People who approve: by their token, until they sign in by themselves.
extension Vault {
  func checkPerson(_ caller: Caller) throws(VaultError) {
    guard caller.actor.kind == .person, caller.token != nil else {
      throw VaultError(
        .denied, during: "deciding who may", because: .approvalMissing,
        detail: "this needs a person with a token of their own")
    }
  }

  /// What a person says about something, with how it was proved that they are who they are.
  func approval(
    of subject: ApprovalSubject, typed: CivilDate?, beyondCaps: Bool, evidence: SHA256Digest?,
    by caller: Caller
  ) throws(VaultError) -> Approval {
    try checkPerson(caller)
    guard let token = caller.token, let role = caller.role.approver else {
      throw VaultError(
        .denied, during: "deciding who may", because: .roleLacksRight,
        detail: "this role approves nothing")
    }
    return Approval(
      subject: subject, person: caller.actor.id, role: role, time: now,
      proof: evidence.map { .assertion($0) } ?? .token(token), typedDay: typed,
      allowsBeyondCaps: beyondCaps)
  }
}

extension Role {
  fileprivate var approver: ApproverRole? { ApproverRole(rawValue: rawValue) }
}

extension ApprovalSubject {
  /// The hash of what is approved.
  var hash: SHA256Digest {
    switch self {
    case .plan(let hash), .policy(let hash), .release(let hash): hash
    }
  }
}

extension Approval {
  /// - Throws: ``VaultError/Code/tampered`` for a row that holds no approval, or another's.
  init(row: ApprovalRow) throws(VaultError) {
    do throws(RetentionError) {
      try self.init(parsing: row.bytes)
    } catch {
      throw VaultError(.tampered, during: "reading an approval", cause: error)
    }
    guard subject.hash == row.subject, person == row.person else {
      throw VaultError(.tampered, during: "reading an approval")
    }
  }
}
