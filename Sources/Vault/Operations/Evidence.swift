public import Audit
public import Cryptography
public import Encoding
import Retention

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
  ///   - caller: was admitted to the log.
  /// - Returns: those whose name was not erased, in order of the entries.
  /// - Throws: ``VaultError/Code/tampered`` if the catalog calls somebody otherwise than the log does.
  public func identities(
    introducedBy entries: [LoggedEntry], as caller: Caller
  ) async throws(VaultError) -> [IntroducedIdentity] {
    var identities: [IntroducedIdentity] = []
    let introductions = entries.map(\.entry).filter {
      $0.action == .personCreated && $0.outcome == .success
    }
    for (entry, states) in zip(introductions, try await openingStates(of: introductions)) {
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
  ///   - caller: needs ``Right/readOpenings``.
  ///   - purpose: why.
  ///   - filter: what was asked for, which the entry commits to.
  /// - Returns: for each entry what there is of its commitments.
  /// - Throws: ``VaultError/Code/tampered`` if an opening is not what its entry commits to.
  public func openings(
    of entries: [LoggedEntry], as caller: Caller, purpose: PurposeOfUse?, filter: String
  ) async throws(VaultError) -> [[CommitField: OpeningState]] {
    var draft = draft(.auditRead, .single, by: caller, purpose: purpose)
    draft.commits[.filter] = Array("openings \(filter)".utf8.prefix(1024))
    try await checked(&draft) { _ throws(VaultError) in
      try self.allow(.readOpenings, caller, purpose: purpose)
    }
    draft.outcome = .success
    discard(try await record(draft))
    return try await openingStates(of: entries.map(\.entry))
  }

  /// How many commitments of some entries have their opening; for a caller that was admitted.
  ///
  /// - Throws: as ``openings(of:as:purpose:filter:)``.
  public func openingCounts(
    of entries: [LoggedEntry]
  ) async throws(VaultError) -> OpeningCounts {
    var counts = OpeningCounts()
    let entries = entries.map(\.entry)
    for (entry, states) in zip(entries, try await openingStates(of: entries)) {
      for state in states.values { counts.count(state, of: entry) }
    }
    return counts
  }

  /// - Throws: ``VaultError/Code/tampered``, naming the entry, if an opening is not what it commits to.
  private func openingStates(
    of entries: [Entry]
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
