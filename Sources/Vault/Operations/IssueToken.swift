public import Audit
import Cryptography
public import Encoding
import Threading

extension Vault {
  /// How long a token lives, in seconds.
  public static let tokenSeconds: ClosedRange<Int64> = 1...31_622_400
  /// How long a token lives when nobody says so: a working day.
  public static let defaultTokenSeconds: Int64 = 28_800

  /// Makes a token.
  ///
  /// Its entry is durable before anybody can use it.
  ///
  /// A token whose rights include content is flagged `bootstrap`: there is nobody yet whose approval it could need.
  ///
  /// - Parameters:
  ///   - name: who or what will use it: a letter or digit, then up to 63 of letters, digits, space, `.`, `_`, `@`, `-`.
  ///   - role: any role; one that is not built yet is denied everything.
  ///   - scopes: narrow the role; groups must be in the policy.
  ///   - seconds: within ``tokenSeconds``.
  ///   - caller: needs ``Right/createToken``.
  /// - Returns: the token, shown this once.
  /// - Throws: ``VaultError/Code/invalid`` naming what is out of bounds.
  public func createToken(
    named name: String, role: Role, scopes: [Scope], seconds: Int64 = defaultTokenSeconds,
    as caller: Caller
  ) async throws(VaultError) -> NewToken {
    var draft = draft(.authTokenCreated, .single, by: caller)
    try await checked(&draft) { _ throws(VaultError) in
      try self.allow(.createToken, caller)
      guard Self.isTokenName(name) else {
        throw Self.invalidToken(
          "`name` must be a letter or digit, then up to 63 letters, digits, spaces or . _ @ -")
      }
      guard Self.tokenSeconds.contains(seconds) else {
        throw Self.invalidToken("a token lives between 60 seconds and 366 days")
      }
      guard scopes.count <= 16, Set(scopes).count == scopes.count else {
        throw Self.invalidToken("`scopes` must be at most 16, each once")
      }
      for scope in scopes {
        if case .rights(let group) = scope.meaning, self.policy.rights(inScope: group) == nil {
          throw Self.invalidToken(
            "unknown scope; known are \(self.policy.scopeNames.joined(separator: ", ")), "
              + "source=…, location=…, extension=…")
        }
      }
    }
    let (holder, token) = try await checked(&draft) { _ throws(VaultError) in
      let holder = try await self.introduce(
        role == .service ? .service : .person, named: name, by: caller.actor,
        request: caller.request)
      return (holder, try AccessToken.random())
    }
    let now = now
    let rights = policy.rights(of: role, with: scopes)
    let row = TokenRow(
      id: .random(), digest: token.digest, holder: holder, name: name, role: role,
      scopes: scopes.map(\.description).sorted(), createdBy: caller.actor.id, created: now,
      expires: Timestamp(milliseconds: now.milliseconds + seconds * 1000), revoked: nil,
      isBootstrap: rights.contains(where: \.isContent))
    draft.objects = [row.id, holder]
    draft.commits[.name] = Array(name.utf8)
    draft.commits[.credential] = token.digest.bytes
    draft.commits[.rule] = Array(
      ([role.rawValue] + row.scopes).joined(separator: " ").utf8.prefix(2048))
    if row.isBootstrap { draft.flags.insert(.bootstrap) }
    draft.outcome = .success
    let entry = draft
    try await checked(&draft) { _ throws(VaultError) in
      try await self.catalog.insert(row, since: await self.logSize)
    }
    let position = try await record(entry, of: RowReference(.token, row.id)).position
    try await confirm(RowReference(.token, row.id), at: position)
    return NewToken(facts: TokenFacts(row), token: token, logIndex: position.index)
  }

  /// Lists all tokens, newest first; never what proves them.
  public func tokens(as caller: Caller) async throws(VaultError) -> [TokenFacts] {
    var draft = draft(.authTokenListed, .single, by: caller)
    let rows = try await checked(&draft) { _ throws(VaultError) -> [TokenRow] in
      try self.allow(.listTokens, caller)
      return try await self.catalog.tokens(limit: 10_000)
    }
    draft.outcome = .success
    discard(try await record(draft))
    return rows.map { TokenFacts($0) }
  }

  /// Ends a token at once, and then says so in the log: what narrows access takes effect first.
  ///
  /// What streams under it stops at its next segment. One revoked before stays so.
  public func revokeToken(
    _ token: Identifier, as caller: Caller
  ) async throws(VaultError) {
    var draft = draft(.authTokenRevoked, .single, by: caller)
    try await checked(&draft) { draft throws(VaultError) in
      try self.allow(.revokeToken, caller)
      guard let row = try await self.catalog.token(token) else {
        draft.commits[.filter] = Array(token.description.utf8)
        throw VaultError(.notFound, during: "finding a token")
      }
      draft.objects = [row.id, row.holder]
      // Also where the catalog fails: then nobody knows whether it holds the token revoked.
      defer { self.knownTokens.withLock { $0.forget(token) } }
      try await self.catalog.revoke(token, at: self.now)
      self.sessions.withLock { $0.end(token) }
    }
    draft.outcome = .success
    let receipt = try await record(draft)
    try await catalog.advance(to: receipt.position)
  }

  private static func invalidToken(_ detail: String) -> VaultError {
    VaultError(.invalid, during: "making a token", detail: detail)
  }

  private static func isTokenName(_ name: String) -> Bool {
    func isLetterOrDigit(_ byte: UInt8) -> Bool {
      (0x30...0x39).contains(byte) || (0x61...0x7A).contains(byte | 0x20) && byte >= 0x41
    }
    guard let first = name.utf8.first, isLetterOrDigit(first), name.utf8.count <= 64 else {
      return false
    }
    return name.utf8.allSatisfy { isLetterOrDigit($0) || " ._@-".utf8.contains($0) }
  }
}

extension TokenFacts {
  init(_ row: TokenRow) {
    self.init(
      id: row.id, name: row.name, role: row.role.rawValue, scopes: row.scopes,
      created: row.created, expires: row.expires, revoked: row.revoked,
      isBootstrap: row.isBootstrap)
  }
}
