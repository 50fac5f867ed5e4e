public import Audit
import Encoding

/// What a log that a recovery began says first of what the log before it had introduced.
///
/// `Documentation/formats/recovery.md`, 4. An id means something only after the entry that introduces
/// it, and that entry is in a log that goes no further.
public struct CarryOver: Sendable {
  private let catalog: any Catalog
  private let keys: KeyRing
  private let log: AuditLog
  /// Who held the ceremony.
  private let person: IdentityRow

  /// How many entries are under way at once, for one append to take along.
  private static let width = 64

  public init(catalog: any Catalog, keys: KeyRing, log: AuditLog, person: IdentityRow) {
    self.catalog = catalog
    self.keys = keys
    self.log = log
    self.person = person
  }

  /// What was carried over.
  public struct Result: Sendable, Equatable {
    public var identities = 0
    public var patients = 0
    public var links = 0
    public var endedTokens = 0
    /// Intents of the old log that had no outcome.
    public var openIntents = 0
  }

  /// Makes the entries durable; the catalog is only read.
  ///
  /// - Parameters:
  ///   - openIntents: of the old log.
  ///   - endsTokens: whether every token is to end, because nobody knows which were revoked since.
  /// - Returns: how much there was.
  /// - Throws: ``VaultError/Code/unavailable`` if the log cannot take the entries.
  public func carry(
    openIntents: [OpenIntent], endsTokens: Bool
  ) async throws(VaultError) -> Result {
    var result = Result()
    result.identities = try await record(try await introductions())
    var cursor: Identifier?
    while true {
      let patients = try await catalog.patients(after: cursor, limit: 500)
      guard let last = patients.last else { break }
      cursor = last.id
      result.patients += try await record(
        try patients.map { patient throws(VaultError) in try introduction(of: patient) })
      for patient in patients { result.links += try await record(try await links(of: patient)) }
    }
    if endsTokens { result.endedTokens = try await record(try await ends()) }
    var outcomes: [EntryDraft] = []
    for intent in openIntents { outcomes.append(try await outcome(of: intent)) }
    result.openIntents = try await record(outcomes)
    return result
  }

  /// Makes entries durable, in no order; returns how many.
  private func record(_ drafts: [EntryDraft]) async throws(VaultError) -> Int {
    for start in stride(from: 0, to: drafts.count, by: Self.width) {
      let part = drafts[start..<min(start + Self.width, drafts.count)]
      do {
        try await withThrowingTaskGroup(of: Void.self) { group in
          for draft in part { group.addTask { _ = try await log.record(draft) } }
          try await group.waitForAll()
        }
      } catch {
        throw VaultError(
          (error as? AuditError)?.code == .noSpace ? .noSpace : .unavailable,
          during: "carrying over what an earlier log introduced", cause: error)
      }
    }
    return drafts.count
  }

  private func draft(_ action: Action, on objects: [Identifier]) -> EntryDraft {
    var draft = EntryDraft(action, .single, by: log.system, on: objects)
    draft.behalf = person.id
    draft.outcome = .success
    draft.flags = [.carried]
    return draft
  }

  private func introductions() async throws(VaultError) -> [EntryDraft] {
    var rows = try await catalog.identities(limit: .max)
    let isNew = !rows.contains { $0.id == person.id }
    if isNew { rows.append(person) }
    return rows.map { row in
      var draft = draft(.personCreated, on: [row.id])
      if isNew, row.id == person.id { draft.flags = [] }
      draft.commits[.name] = Array(row.name.utf8)
      draft.commits[.person] = Array(row.kind.rawValue.utf8)
      return draft
    }
  }

  private func introduction(of patient: PatientRow) throws(VaultError) -> EntryDraft {
    var draft = draft(.subjectCreated, on: [])
    let key = try keys.subjectKey(patient.subject)
    draft.subjects = [key]
    draft.commits[.subject] = key.committedValue
    return draft
  }

  /// That calls are the patient's, each with the key of the call's own tags.
  private func links(of patient: PatientRow) async throws(VaultError) -> [EntryDraft] {
    var drafts: [EntryDraft] = []
    for link in try await catalog.links(of: patient.id) {
      guard let call = try await catalog.call(link.call) else {
        throw VaultError(.tampered, during: "reading the call of a link")
      }
      var draft = draft(.subjectLinked, on: [])
      draft.subjects = try keys.subjectKeys(of: call)
      draft.commits[.subject] = draft.subjects[0].committedValue
      drafts.append(draft)
    }
    return drafts
  }

  private func ends() async throws(VaultError) -> [EntryDraft] {
    try await catalog.tokens(limit: .max).filter { $0.revoked == nil }.map { row in
      draft(.authTokenRevoked, on: [row.id, row.holder])
    }
  }

  private func outcome(of intent: OpenIntent) async throws(VaultError) -> EntryDraft {
    var subjects: [SubjectKey] = []
    if !intent.entry.subjects.isEmpty, let id = intent.entry.objects.first,
      let call = try await catalog.call(id)
    {
      subjects = try keys.subjectKeys(of: call)
    }
    var draft = intent.recovery(
      Vault.outcome(interrupting: intent.entry.action), by: log.system, about: subjects)
    draft.flags.insert(.carried)
    return draft
  }
}
