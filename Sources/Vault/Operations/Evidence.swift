public import Audit
public import Cryptography
public import Encoding
import Retention
import Threading

/// What an auditor takes away, and what commitments stand for.
extension Vault {
  /// Accounts for a package that a caller is about to make of the log.
  ///
  /// - Parameters:
  ///   - range: what was asked for, which the entry commits to.
  ///   - caller: needs ``Right/readAudit``.
  /// - Returns: the index of the entry.
  /// - Throws: ``VaultError/Code/denied``, or as every operation.
  public func admitPackage(
    of range: String, as caller: Caller
  ) async throws(VaultError) -> Int64 {
    var draft = draft(.auditExported, .single, by: caller)
    draft.commits[.filter] = Array(range.utf8.prefix(1024))
    try await checked(&draft) { _ throws(VaultError) in
      try self.allow(.readAudit, caller)
    }
    draft.outcome = .success
    return try await record(draft).position.index
  }

  /// Takes the logs that recoveries ended, so that questions about the time before are answered.
  public func keep(_ earlier: EarlierLogs) {
    earlierLogs.withLock { $0 = earlier }
  }

  /// How many logs there are: the one that goes on, and those before it.
  public var logCount: Int64 { earlierLogs.withLock(\.count) + 1 }

  /// A log by its number; for a caller that was admitted.
  ///
  /// - Parameter number: from 1, the oldest, to ``logCount``; nil for the log that goes on.
  /// - Returns: the log, to be read.
  /// - Throws: ``VaultError/Code/notFound``; ``VaultError/Code/tampered`` for an earlier log that is not
  ///   what the log after it says it was.
  public func auditableLog(_ number: Int64?) async throws(VaultError) -> any AuditableLog {
    let earlier = earlierLogs.withLock { $0 }
    guard let number, number != earlier.count + 1 else { return log }
    do throws(AuditError) {
      return try await earlier.log(number, before: log, key: log.verifierKey)
    } catch {
      let code = VaultError.Code(error.code)
      throw VaultError(
        code, during: "opening an earlier log",
        detail: code == .tampered
          ? "what is left of log \(number) is not what the log after it names" : nil, cause: error)
    }
  }

  /// Whether the caller may learn which logs there are, and their heads.
  ///
  /// Only a refusal is an entry: no entry of a log is read.
  public func admitLogList(_ caller: Caller) async throws(VaultError) {
    var draft = draft(.auditRead, .single, by: caller)
    try await checked(&draft) { _ throws(VaultError) in
      try self.allow(.readAudit, caller)
    }
  }

  /// Keeps the bytes of the policies in force, so that an auditor can read later what decided now.
  ///
  /// - Throws: ``VaultError/Code/invalid`` for bytes that are not those of a policy in force.
  public func keepPolicies(_ files: [[UInt8]]) async throws(VaultError) {
    for bytes in files {
      let hash = SHA256.hash(bytes)
      guard [policy.hash, retention.hash, consent?.hash].contains(hash) else {
        throw VaultError(.invalid, during: "keeping a policy that is not in force")
      }
      if try await catalog.policy(hash) == nil { try await catalog.keepPolicy(bytes, hash: hash) }
    }
  }

  /// The bytes of a policy file that was in force once; for a caller that was admitted to the log.
  ///
  /// - Throws: ``VaultError/Code/notFound``; ``VaultError/Code/tampered`` if they are others.
  public func policyFile(
    _ hash: SHA256Digest, as caller: Caller
  ) async throws(VaultError) -> [UInt8] {
    try await admitAuditReader(caller, belowCheckpoint: true)
    guard let bytes = try await catalog.policy(hash) else {
      throw VaultError(.notFound, during: "finding a policy")
    }
    guard SHA256.hash(bytes) == hash else {
      throw VaultError(.tampered, during: "reading a policy")
    }
    return bytes
  }

  /// Who the persons and services are that entries name by id: names that the log commits to, never
  /// those of the catalog's tables alone.
  ///
  /// - Parameters:
  ///   - entries: a page of entries; those that introduce somebody count.
  ///   - log: whose entries they are.
  ///   - caller: was admitted to the log.
  /// - Returns: those whose name was not erased, in order of the entries.
  /// - Throws: ``VaultError/Code/tampered`` if the catalog calls somebody otherwise than the log does.
  public func identities(
    introducedBy entries: [LoggedEntry], in log: any AuditableLog, as caller: Caller
  ) async throws(VaultError) -> [IntroducedIdentity] {
    var identities: [IntroducedIdentity] = []
    let introductions = entries.map(\.entry).filter {
      $0.action == .personCreated && $0.outcome == .success
    }
    for (entry, states) in zip(introductions, try await openingStates(of: introductions, in: log)) {
      guard let id = entry.objects.first, case .present(let name)? = states[.name] else { continue }
      let row = try await catalog.identity(id)
      guard let row, Array(row.name.utf8) == name.value else {
        throw VaultError(
          .tampered, during: "comparing a name with the log",
          detail: "the catalog calls \(id) otherwise than entry \(entry.index) of the log does")
      }
      identities.append(
        IntroducedIdentity(
          id: id, index: entry.index, kind: row.kind.rawValue, name: row.name, key: name.key))
    }
    return identities
  }

  /// What the commitments of some entries stand for; accounted for as a reading of its own.
  ///
  /// - Parameters:
  ///   - entries: at most 100.
  ///   - log: whose they are.
  ///   - caller: needs ``Right/readOpenings``.
  ///   - purpose: why.
  ///   - filter: what was asked for, which the entry commits to.
  /// - Returns: for each entry what there is of its commitments.
  /// - Throws: ``VaultError/Code/tampered`` if an opening is not what its entry commits to.
  public func openings(
    of entries: [LoggedEntry], in log: any AuditableLog, as caller: Caller,
    purpose: PurposeOfUse?, filter: String
  ) async throws(VaultError) -> [[CommitField: OpeningState]] {
    var draft = draft(.auditRead, .single, by: caller, purpose: purpose)
    draft.commits[.filter] = Array("openings \(filter)".utf8.prefix(1024))
    try await checked(&draft) { _ throws(VaultError) in
      try self.allow(.readOpenings, caller, purpose: purpose)
    }
    draft.outcome = .success
    discard(try await record(draft))
    return try await openingStates(of: entries.map(\.entry), in: log)
  }

  /// How many commitments of some entries have their opening; for a caller that was admitted.
  ///
  /// - Throws: as ``openings(of:in:as:purpose:filter:)``.
  public func openingCounts(
    of entries: [LoggedEntry], in log: any AuditableLog
  ) async throws(VaultError) -> OpeningCounts {
    var counts = OpeningCounts()
    let entries = entries.map(\.entry)
    for (entry, states) in zip(entries, try await openingStates(of: entries, in: log)) {
      for state in states.values { counts.count(state, of: entry) }
    }
    return counts
  }

  /// - Throws: ``VaultError/Code/tampered``, naming the entry, if an opening is not what it commits to.
  private func openingStates(
    of entries: [Entry], in log: any AuditableLog
  ) async throws(VaultError) -> [[CommitField: OpeningState]] {
    do throws(AuditError) {
      return try await log.openingStates(of: entries)
    } catch {
      guard error.code == .notAuthentic else {
        throw VaultError(.unavailable, during: "reading openings", cause: error)
      }
      let place = (error.cause as? OpeningMismatch).map { "entry \($0.index)" } ?? "an entry"
      throw VaultError(
        .tampered, during: "reading openings",
        detail: "an opening of \(place) is not what the entry commits to", cause: error)
    }
  }
}

/// Somebody whom the log introduced under a name.
public struct IntroducedIdentity: Sendable {
  public let id: Identifier
  /// The entry that commits to the name.
  public let index: Int64
  public let kind: String
  public let name: String
  /// Opens that commitment, 32 bytes.
  public let key: [UInt8]
}

/// Openings by what there is of them.
public struct OpeningCounts: Sendable, Equatable {
  public var present: Int64 = 0
  public var erased: Int64 = 0
  public var missing: Int64 = 0
  /// The first entry that lacks one that was not erased.
  public var firstMissing: Int64?

  public init() {}

  mutating func count(_ state: OpeningState, of entry: Entry) {
    switch state {
    case .present: present += 1
    case .erased: erased += 1
    case .missing:
      missing += 1
      if firstMissing == nil { firstMissing = entry.index }
    }
  }
}
