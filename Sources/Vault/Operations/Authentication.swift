public import Audit
import Cryptography
public import Encoding
import Threading

/// Who asks, and how it is known. Here is the seam for people's sign-in: one more function that makes a ``Caller``.
extension Vault {
  /// Proves a token.
  ///
  /// The first request of a token in this run is an entry `auth.sign-in`. A refusal is counted with others from the same
  /// network; one that names a known credential is always an entry of its own.
  ///
  /// - Throws: ``VaultError/Code/unauthenticated``, in the same words whatever was wrong.
  public func authenticate(
    token text: String, via address: String, request: Identifier
  ) async throws(VaultError) -> Caller {
    guard let token = AccessToken(text) else {
      throw try await refused(.credentialUnknown, via: address, request: request)
    }
    guard let row = try await row(of: token) else {
      throw try await refused(.credentialUnknown, via: address, request: request)
    }
    if let reason = invalidity(of: row) {
      throw try await refused(reason, via: address, request: request, known: row)
    }
    return try await caller(holding: row, method: .token, via: address, request: request)
  }

  /// What is stored of a token, revoked or not.
  private func row(of token: AccessToken) async throws(VaultError) -> TokenRow? {
    let digest = token.digest
    let (known, revocations) = knownTokens.withLock { ($0.row(digest), $0.revocations) }
    if let known { return known }
    guard let row = try await catalog.token(digest: digest) else { return nil }
    knownTokens.withLock { $0.learn(row, at: revocations) }
    return row
  }

  /// Proves a local process by the user it runs as: whoever ran `init` is the administrator, others are nobody.
  ///
  /// No local user ever carries a content role: root must not be a way to hear a patient.
  public func authenticate(
    localUser user: UInt32, request: Identifier
  ) async throws(VaultError) -> Caller {
    guard user == configuration.administrator else {
      throw try await refused(.credentialUnknown, via: "local user \(user)", request: request)
    }
    let identity = try await introduce(
      .localUser, named: String(user), by: systemActor, request: request)
    let actor = Actor(
      id: identity, kind: .process, role: .administrator, method: .peer, strength: 1)
    let session = try await enter(
      identity, as: actor, on: [identity], via: "local user \(user)", request: request)
    return Caller(
      actor: actor, role: .administrator, scopes: [], token: nil, expires: nil, session: session,
      request: request, via: "local user \(user)")
  }

  /// Accounts for a caller who showed nothing, or something the service could not read.
  ///
  /// - Returns: the error to answer with.
  public func refuse(
    _ reason: Reason, via address: String, request: Identifier
  ) async throws(VaultError) -> VaultError {
    try await refused(reason, via: address, request: request)
  }

  func refused(
    _ reason: Reason, via address: String, request: Identifier, known row: TokenRow? = nil
  ) async throws(VaultError) -> VaultError {
    counters.refused(reason)
    let actor = Actor(
      id: row?.holder ?? configuration.tenant, kind: .unknown, method: .none, strength: 0)
    var draft = EntryDraft(.authRefused, .single, by: actor)
    draft.outcome = .refused
    draft.reason = reason
    draft.request = request
    draft.policy = policy.hash
    if let row { draft.objects = [row.id] }
    do {
      try await log.recordRefusal(Refusal(draft, from: address, known: row?.id))
    } catch {
      counters.count(.logFailures)
      throw VaultError(
        error.code == .noSpace ? .noSpace : .unavailable, during: "recording a refusal",
        cause: error)
    }
    return VaultError(
      .unauthenticated, during: "proving who asks", because: reason,
      detail: "show a valid token in `Authorization: Bearer`")
  }

  /// Why a token does not hold now; nil if it does.
  func invalidity(of row: TokenRow) -> Reason? {
    if row.revoked != nil { return .credentialRevoked }
    if row.expires <= now { return .credentialExpired }
    return nil
  }

  /// The caller behind a valid token.
  func caller(
    holding row: TokenRow, method: AuthMethod, via address: String, request: Identifier
  ) async throws(VaultError) -> Caller {
    // A scope left out would widen the token.
    let scopes = row.scopes.compactMap(Scope.init)
    guard scopes.count == row.scopes.count else {
      throw VaultError(.tampered, during: "reading the scopes of a token")
    }
    let actor = Actor(
      id: row.holder, kind: row.role == .service ? .service : .person, role: row.role,
      method: method, strength: 1)
    let session = try await enter(
      row.id, as: actor, on: [row.id], via: address, request: request)
    return Caller(
      actor: actor, role: row.role, scopes: scopes, token: row.id,
      expires: row.expires, session: session, request: request, via: address)
  }

  /// The session of a credential, whose first use is an entry.
  func enter(
    _ credential: Identifier, as actor: Actor, on objects: [Identifier], via address: String,
    request: Identifier
  ) async throws(VaultError) -> Identifier {
    let (session, isNew) = sessions.withLock { $0.enter(credential) }
    guard isNew else { return session.id }
    var draft = EntryDraft(.authSignIn, .single, by: actor, on: objects)
    draft.outcome = .success
    draft.session = session.id
    draft.request = request
    draft.policy = policy.hash
    draft.commits[.via] = Array(address.utf8.prefix(256))
    do throws(VaultError) {
      _ = try await record(draft)
    } catch {
      sessions.withLock { $0.abandon(credential) }
      throw error
    }
    return session.id
  }

  /// The identity with this name, introduced by an entry that commits to the name when it is new.
  func introduce(
    _ kind: IdentityRow.Kind, named name: String, by actor: Actor, request: Identifier?
  ) async throws(VaultError) -> Identifier {
    if let row = try await catalog.identity(kind, named: name) { return row.id }
    return try await gates.withGate(.identities) { () async throws(VaultError) -> Identifier in
      if let row = try await self.catalog.identity(kind, named: name) { return row.id }
      let row = IdentityRow(id: .random(), kind: kind, name: name, created: self.now)
      var draft = EntryDraft(.personCreated, .single, by: actor, on: [row.id])
      draft.outcome = .success
      draft.request = request
      draft.policy = self.policy.hash
      draft.commits[.name] = Array(name.utf8)
      draft.commits[.person] = Array(kind.rawValue.utf8)
      try await self.insertAlone { () throws(VaultError) in
        try await self.catalog.insert(row, since: await self.logSize)
      }
      let receipt = try await self.record(draft, of: RowReference(.identity, row.id))
      try await self.confirm(RowReference(.identity, row.id), at: receipt.position)
      return row.id
    }
  }
}
