import Audit
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
        let call = try await self.visibleCall(call, caller, &draft)
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
      draft.outcome = .success
      let position = try await self.record(draft, of: RowReference(.link, link.id)).position
      try await self.confirm(RowReference(.link, link.id), at: position)
      return SubjectReceipt(id: link.id, logIndex: position.index)
    }
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

/// That a patient was made known, or a call linked.
public struct SubjectReceipt: Sendable {
  /// The patient's id, or the link's.
  public let id: Identifier
  public let logIndex: Int64
}
