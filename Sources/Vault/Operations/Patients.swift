public import Audit
import Cryptography
public import Encoding

extension Vault {
  /// Bytes of a practice's reference of a patient.
  public static let referenceBytes = 1...128

  /// Makes a patient known by the practice's own reference, which is kept as an index token only.
  ///
  /// - Returns: the patient's id, and the entry that says so.
  /// - Throws: ``VaultError/Code/conflict`` with the existing patient if the reference is known.
  public func createPatient(
    reference: String, as caller: Caller
  ) async throws(VaultError) -> SubjectReceipt {
    var draft = draft(.subjectCreated, .single, by: caller)
    try await checked(&draft) { _ throws(VaultError) in
      try self.allow(.createSubject, caller)
      try Self.check(reference: reference)
    }
    let start = draft
    return try await gates.withGate(.patients) { () throws(VaultError) -> SubjectReceipt in
      var draft = start
      let token = try await self.checked(&draft) { _ throws(VaultError) -> LookupToken in
        if let existing = try await self.catalog.patient(reference: self.tokens(of: reference)) {
          guard try await self.catalog.patient(existing) != nil else { throw Self.undecided }
          throw VaultError(
            .conflict, during: "storing a patient", because: .duplicate,
            detail: "this reference is known; `existing` is its patient", existing: existing)
        }
        return try self.keys.lookupToken(.patient, of: Array(reference.utf8))
      }
      let id = Identifier.random()
      let subject = try self.keys.createSubjectKey(for: id)
      let row = PatientRow(
        subject: SubjectRow(id: id, wrappedKey: subject.wrapped.encoded), created: self.now)
      try await self.checked(&draft) { _ throws(VaultError) in
        try await self.settleLate()
        try await self.catalog.insert(row, reference: token, since: await self.logSize)
      }
      draft.subjects = [subject.key]
      draft.commits[.subject] = subject.key.committedValue
      draft.outcome = .success
      let position = try await self.record(draft, of: RowReference(.patient, id)).position
      try await self.confirm(RowReference(.patient, id), at: position)
      return SubjectReceipt(id: id, logIndex: position.index)
    }
  }

  /// The patient whose reference this is.
  ///
  /// - Throws: ``VaultError/Code/notFound``.
  public func findPatient(
    reference: String, as caller: Caller
  ) async throws(VaultError) -> Identifier {
    var draft = draft(.search, .single, by: caller)
    draft.commits[.filter] = Array("patient=\(reference)".utf8.prefix(1024))
    let row = try await checked(&draft) { draft throws(VaultError) -> PatientRow in
      // Whoever may say whose call it is must find the patient.
      try self.allow(.linkSubject, caller)
      try Self.check(reference: reference)
      guard let id = try await self.catalog.patient(reference: self.tokens(of: reference)),
        let row = try await self.catalog.patient(id)
      else { throw VaultError(.notFound, during: "finding a patient") }
      draft.subjects = [try self.keys.subjectKey(row.subject)]
      return row
    }
    draft.outcome = .success
    discard(try await record(draft))
    return row.id
  }

  /// Says that a call is a patient's: from this entry on, entries about the call carry the patient's
  /// tag beside the call's own.
  ///
  /// - Throws: ``VaultError/Code/conflict`` if the call is a patient's already.
  public func link(
    _ call: Identifier, to patient: Identifier, as caller: Caller
  ) async throws(VaultError) -> SubjectReceipt {
    let start = draft(.subjectLinked, .single, by: caller)
    return try await gates.withGate(.call(call)) { () throws(VaultError) -> SubjectReceipt in
      var draft = start
      let row = try await self.checked(&draft) { draft throws(VaultError) -> PatientRow in
        try self.allow(.linkSubject, caller)
        // A link that was taken back is none, also if the catalog had no room to end it.
        try await self.settleLate()
        let call = try await self.visibleCall(call, caller, &draft, toOpen: false)
        guard let row = try await self.catalog.patient(patient) else {
          draft.commits[.filter] = Array(patient.description.utf8)
          throw VaultError(.notFound, during: "finding a patient")
        }
        if call.patient != nil {
          throw VaultError(
            .conflict, during: "linking a call", because: .duplicate,
            detail: "this call is linked to a patient already", existing: call.id)
        }
        return row
      }
      let link = PatientLinkRow(
        id: .random(), patient: row.id, call: call, created: self.now)
      try await self.checked(&draft) { _ throws(VaultError) in
        try await self.insertAlone { () throws(VaultError) in
          try await self.catalog.insert(link, since: await self.logSize)
        }
      }
      draft.subjects.append(
        try self.keys.subjectKey(
          SubjectRow(id: row.id, alias: link.id, wrappedKey: row.subject.wrappedKey)))
      if LogOrigin.isRestart(self.log.configuration.origin) {
        // The entry that introduced the call may stand in an earlier log.
        draft.commits[.subject] = draft.subjects[0].committedValue
      }
      draft.outcome = .success
      let position = try await self.record(draft, of: RowReference(.link, link.id)).position
      try await self.confirm(RowReference(.link, link.id), at: position)
      return SubjectReceipt(id: link.id, logIndex: position.index)
    }
  }

  /// Takes back that a call is a patient's.
  ///
  /// From this entry on, entries about the call are the call's own again. What was said in between
  /// stays.
  ///
  /// - Returns: the link that ended, and the entry that says so.
  /// - Throws: ``VaultError/Code/notFound`` if the call is not this patient's.
  public func unlink(
    _ call: Identifier, from patient: Identifier, as caller: Caller
  ) async throws(VaultError) -> SubjectReceipt {
    let start = draft(.subjectUnlinked, .single, by: caller)
    return try await gates.withGate(.call(call)) { () throws(VaultError) -> SubjectReceipt in
      var draft = start
      let link = try await self.checked(&draft) { draft throws(VaultError) -> Identifier in
        try self.allow(.linkSubject, caller)
        try await self.settleLate()
        // The entry carries a tag of both, as the one that linked them did.
        guard let held = try await self.visibleCall(call, caller, &draft, toOpen: false).patient,
          held.id == patient, let link = held.alias
        else {
          draft.commits[.filter] = Array(patient.description.utf8)
          throw VaultError(.notFound, during: "finding a link")
        }
        return link
      }
      // Pending before it is said: whatever else is said and applied after it, a start finds it.
      let end = RowReference(.unlinking, link)
      try await self.checked(&draft) { _ throws(VaultError) in
        try await self.insertAlone { () throws(VaultError) in
          try await self.catalog.insertUnlinking(
            of: link, at: self.now, since: await self.logSize)
        }
      }
      draft.outcome = .success
      let position = try await self.record(draft, of: end).position
      try await self.confirm(end, at: position)
      return SubjectReceipt(id: link, logIndex: position.index)
    }
  }

  /// What stands for a patient in entries, besides the patient's own id: links, those that ended
  /// included, and the calls that are linked now, which stand for themselves in what came before.
  ///
  /// - Parameters:
  ///   - patient: an id; one that is no patient's has none.
  ///   - caller: which entries are one patient's is shown to whom ``Right/proveSubject`` shows it.
  ///   - purpose: why.
  /// - Returns: nothing for anybody else.
  /// - Throws: what the catalog throws.
  public func aliases(
    of patient: Identifier, as caller: Caller, purpose: PurposeOfUse?
  ) async throws(VaultError) -> Set<Identifier> {
    guard
      case .granted = policy.decide(
        .proveSubject, role: caller.role, scopes: caller.scopes, purpose: purpose)
    else { return [] }
    var aliases = Set(try await catalog.endedLinks(of: patient))
    for link in try await catalog.links(of: patient) {
      aliases.insert(link.id)
      aliases.insert(link.call)
    }
    return aliases
  }

  private func tokens(of reference: String) throws(VaultError) -> [LookupToken] {
    try keys.lookupTokens(.patient, of: Array(reference.utf8))
  }

  private static func check(reference: String) throws(VaultError) {
    guard referenceBytes.contains(reference.utf8.count),
      reference.unicodeScalars.allSatisfy({ $0.properties.generalCategory != .control })
    else {
      throw VaultError(
        .invalid, during: "reading a patient's reference",
        detail: "`reference` must be text of 1 to 128 bytes without control characters")
    }
  }
}

/// That a patient was made known, a call linked, or a link taken back.
public struct SubjectReceipt: Sendable {
  /// The patient's id, or the link's.
  public let id: Identifier
  public let logIndex: Int64
}
