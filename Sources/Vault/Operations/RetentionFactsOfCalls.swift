import Audit
public import Encoding
public import Retention

/// What is told of calls and patients so that their periods can be counted, and why a call is still here.
extension Vault {
  /// Says to which classes a call belongs, where, and which days its periods count from; replaces what was
  /// said before.
  ///
  /// - Parameters:
  ///   - call: within the caller's scope.
  ///   - facts: stored sealed; the entry commits to them.
  ///   - caller: needs ``Right/planRetention``.
  /// - Returns: the entry that says so.
  /// - Throws: ``VaultError/Code/invalid`` for a class that is not in the policy.
  public func setRetentionFacts(
    ofCall call: Identifier, to facts: KnownFacts, as caller: Caller
  ) async throws(VaultError) -> Int64 {
    let start = draft(.callChanged, .single, by: caller)
    return try await gates.withGate(.call(call)) { () throws(VaultError) -> Int64 in
      var draft = start
      draft.commits[.details] = JSONValue.object(facts.json).encoded()
      try await self.checked(&draft) { draft throws(VaultError) in
        try self.allow(.planRetention, caller)
        _ = try await self.visibleCall(call, caller, &draft, toOpen: false)
        try self.check(facts)
      }
      let sealed =
        try facts.isEmpty
        ? [] : self.keys.seal(JSONValue.object(facts.json).encoded(), as: .callFacts, of: call)
      draft.outcome = .success
      // Said first: a class may let a call go sooner.
      let position = try await self.record(draft).position
      try await self.catalog.setFacts(ofCall: call, to: sealed, position: position)
      return position.index
    }
  }

  /// Says how old a patient is; replaces what was said before.
  ///
  /// - Throws: ``VaultError/Code/notFound``.
  public func setRetentionFacts(
    ofPatient patient: Identifier, to facts: KnownFacts, as caller: Caller
  ) async throws(VaultError) -> Int64 {
    let start = draft(.callChanged, .single, by: caller)
    return try await gates.withGate(.patients) { () throws(VaultError) -> Int64 in
      var draft = start
      draft.commits[.details] = JSONValue.object(facts.json).encoded()
      try await self.checked(&draft) { draft throws(VaultError) in
        try self.allow(.planRetention, caller)
        guard let row = try await self.catalog.patient(patient) else {
          draft.commits[.filter] = Array(patient.description.utf8)
          throw VaultError(.notFound, during: "finding a patient")
        }
        draft.subjects = [try self.keys.subjectKey(row.subject)]
        guard facts.classes.isEmpty, facts.state == nil, facts.days.isEmpty else {
          throw VaultError(
            .invalid, during: "reading what is known of a patient",
            detail: "of a patient only `born` or `of_age` is kept")
        }
      }
      let sealed =
        try facts.isEmpty
        ? []
        : self.keys.seal(JSONValue.object(facts.json).encoded(), as: .patientFacts, of: patient)
      draft.outcome = .success
      let position = try await self.record(draft).position
      try await self.catalog.setFacts(ofPatient: patient, to: sealed, position: position)
      return position.index
    }
  }

  private func check(_ facts: KnownFacts) throws(VaultError) {
    for name in facts.classes where retention.classes[name] == nil {
      throw VaultError(
        .invalid, during: "reading what is known of a call",
        detail: "`classes` must be classes of the retention policy: "
          + retention.classes.keys.sorted().joined(separator: ", "))
    }
  }

  /// Why a recording, or a call, is still here, and when it may go.
  ///
  /// - Parameters:
  ///   - id: of a recording or a call.
  ///   - caller: needs ``Right/planRetention``.
  /// - Returns: what every rule says, and holds.
  /// - Throws: ``VaultError/Code/notFound``.
  public func whyKept(_ id: Identifier, as caller: Caller) async throws(VaultError) -> KeptBecause {
    var draft = draft(.callOpened, .single, by: caller)
    let call = try await checked(&draft) { draft throws(VaultError) -> CallRow in
      try self.allow(.planRetention, caller)
      if let (_, call) = try await self.catalog.recording(id) {
        return try await self.visibleCall(call.id, caller, &draft, toOpen: false)
      }
      return try await self.visibleCall(id, caller, &draft, toOpen: false)
    }
    draft.outcome = .success
    discard(try await record(draft))
    let facts = try await retentionFacts(of: call)
    var verdict = HoldVerdict.unreadable
    do throws(VaultError) {
      let register = try await holds.register()
      verdict = try await holds.verdicts(register, on: [call.id])[call.id] ?? .unreadable
    } catch {
      // Holds that cannot be read keep everything, and that is the answer.
      guard error.code != .sealed else { throw error }
    }
    return KeptBecause(
      call: call.id, decision: retention.explain(facts), hold: verdict,
      standing: try await policyStanding())
  }

  func retentionFacts(of call: CallRow) async throws(VaultError) -> RetentionFacts {
    let (known, patient) = try await catalog.facts(ofCall: call.id)
    return RetentionFacts(
      of: RetainedCallRow(call: call.id, started: call.started, patient: call.patient?.id),
      known: try known.map { (sealed) throws(VaultError) in
        try KnownFacts(parsing: self.keys.open(sealed, as: .callFacts, of: call.id))
      },
      patient: try patient.map { (sealed) throws(VaultError) in
        guard let owner = call.patient?.id else {
          throw VaultError(.tampered, during: "reading what is known of a patient")
        }
        return try KnownFacts(parsing: self.keys.open(sealed, as: .patientFacts, of: owner))
      })
  }
}

/// Why something is still here, and when it may go.
public struct KeptBecause: Sendable {
  public let call: Identifier
  public let decision: RetentionDecision
  public let hold: HoldVerdict
  public let standing: PolicyStanding
}
