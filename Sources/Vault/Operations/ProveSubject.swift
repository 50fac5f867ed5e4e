public import Audit
import Cryptography
public import Encoding

extension Vault {
  /// Everything a log has about a patient, and about the calls that are linked to the patient, with
  /// proofs; specified in `Documentation/formats/package.md`, 6.
  ///
  /// The making is itself an entry about the patient, and the last one in the file of the log that goes on.
  ///
  /// - Parameters:
  ///   - patient: an id.
  ///   - caller: needs ``Right/proveSubject``.
  ///   - purpose: why.
  ///   - number: which log, as ``auditableLog(_:)`` has it.
  /// - Returns: the entries with their proofs, under the newest head of that log.
  /// - Throws: ``VaultError/Code/tampered`` if the log's tags, the catalog's rows and the openings do
  ///   not agree: a file that proves less than it says is not made.
  public func proveSubject(
    _ patient: Identifier, as caller: Caller, purpose: PurposeOfUse?, in number: Int64? = nil
  ) async throws(VaultError) -> SubjectProof {
    var draft = draft(.auditExported, .single, by: caller, purpose: purpose)
    let row = try await checked(&draft) { draft throws(VaultError) -> PatientRow in
      try self.allow(.proveSubject, caller, purpose: purpose)
      guard let row = try await self.catalog.patient(patient) else {
        draft.commits[.filter] = Array(patient.description.utf8)
        throw VaultError(.notFound, during: "finding a patient")
      }
      draft.subjects = [try self.keys.subjectKey(row.subject)]
      return row
    }
    draft.outcome = .success
    discard(try await record(draft))
    let log = try await auditableLog(number)
    var keys = [(try self.keys.subjectKey(row.subject), SubjectProof.Kind.patient)]
    for link in try await catalog.links(of: patient) {
      guard let call = try await catalog.call(link.call) else { continue }
      keys.append((try self.keys.subjectKey(call.subject), .call(link: link.id)))
    }
    do throws(AuditError) {
      return try await collect(keys, in: log)
    } catch {
      throw VaultError(VaultError.Code(error.code), during: "proving a subject", cause: error)
    }
  }

  /// Walks the log once: of each subject the tag that must come next is known.
  private func collect(
    _ keys: [(key: SubjectKey, kind: SubjectProof.Kind)], in log: any AuditableLog
  ) async throws(AuditError) -> SubjectProof {
    let view = try await log.view()
    let origin = log.origin
    var subjects = keys.map { SubjectProof.Subject(key: $0.key, kind: $0.kind) }
    var expected: [SubjectTag: Int] = [:]
    for place in subjects.indices { expected[try subjects[place].key.tag(1, in: origin)] = place }
    for number in 0..<((view.size + 255) >> 8) {
      for bytes in try await view.bundle(number) {
        guard !expected.isEmpty else { break }
        let entry = try Entry(parsing: bytes)
        for tag in entry.subjects {
          guard let place = expected.removeValue(forKey: tag) else { continue }
          let found = subjects[place].entries.count + 1
          let proof = try await view.proof(of: entry.index)
          subjects[place].entries.append(
            SubjectProof.Found(index: entry.index, leaf: bytes, hashes: proof.hashes))
          if entry.commits[.subject] != nil, subjects[place].introduced == nil {
            try await introduce(&subjects[place], by: entry, in: log)
          }
          if entry.action == .subjectLinked, case .call(let link) = subjects[place].kind,
            entry.objects.contains(link)
          {
            subjects[place].linked = entry.index
          }
          expected[try subjects[place].key.tag(Int64(found) + 1, in: origin)] = place
        }
      }
    }
    if log is EarlierLog {
      // Who came, and which calls were linked, only after that log is in the files of later ones.
      guard subjects[0].introduced != nil else {
        throw AuditError(.notFound, during: "looking for a subject in an earlier log")
      }
      subjects.removeAll { $0.kind != .patient && $0.linked == nil }
    }
    for subject in subjects {
      guard subject.introduced != nil, subject.kind == .patient || subject.linked != nil else {
        throw AuditError(.damaged, during: "looking for the entry that introduces a subject")
      }
    }
    return SubjectProof(checkpoint: view.checkpoint, subjects: subjects)
  }

  private func introduce(
    _ subject: inout SubjectProof.Subject, by entry: Entry, in log: any AuditableLog
  ) async throws(AuditError) {
    guard case .present(let commitment)? = try await log.openingStates(of: [entry])[0][.subject],
      commitment.value == subject.key.committedValue
    else {
      throw AuditError(.notAuthentic, during: "comparing a subject's key with its commitment")
    }
    subject.introduced = entry.index
    subject.opening = commitment.key
  }
}

/// Which entries are about a patient, for whoever is to check it without us.
public struct SubjectProof: Sendable {
  enum Kind: Equatable {
    case patient
    /// A call, by the link that stands for the patient in its entries.
    case call(link: Identifier)
  }
  /// One entry, in the log under the head.
  struct Found {
    let index: Int64
    let leaf: [UInt8]
    /// From the leaf's sibling to the root's child.
    let hashes: [SHA256Digest]
  }
  struct Subject {
    let key: SubjectKey
    let kind: Kind
    /// By tag, from the first.
    var entries: [Found] = []
    /// The entry that commits to the key.
    var introduced: Int64?
    var linked: Int64?
    /// What opens that commitment.
    var opening: [UInt8] = []
  }

  let checkpoint: [UInt8]
  let subjects: [Subject]

  /// The file.
  ///
  /// - Throws: ``VaultError/Code/tampered`` if it has no canonical form.
  public func encoded() throws(VaultError) -> [UInt8] {
    let document: JSONObject = [
      "v": .integer(1), "kind": .string("callvault-subject-proof"),
      "checkpoint": .string(String(decoding: checkpoint, as: UTF8.self)),
      "subjects": .array(subjects.map { .object(Self.json($0)) }),
    ]
    do {
      return try JSONValue.object(document).canonical() + [0x0A]
    } catch {
      throw VaultError(.tampered, during: "writing a subject proof", cause: error)
    }
  }

  private static func json(_ subject: Subject) -> JSONObject {
    var object: JSONObject = [
      "kind": .string(subject.kind == .patient ? "patient" : "call"),
      "key": .string(Base64.encode(subject.key.committedValue)),
      "opening": .string(Base64.encode(subject.opening)),
      "entries": .array(
        subject.entries.enumerated().map { place, found in
          .object([
            "index": .integer(found.index), "n": .integer(Int64(place) + 1),
            "leaf": .string(String(decoding: found.leaf, as: UTF8.self)),
            "proof": .array(found.hashes.map { .string(Base64.encode($0.bytes)) }),
          ])
        }),
    ]
    if let index = subject.introduced { object["introduced"] = .integer(index) }
    if let index = subject.linked { object["linked"] = .integer(index) }
    return object
  }
}

extension VaultError.Code {
  /// What a failure of a log that is read means to whoever asked.
  init(_ code: AuditError.Code) {
    self =
      switch code {
      case .notFound: .notFound
      case .unavailable: .unavailable
      default: .tampered
      }
  }
}
