import Audit
import Encoding
import HTTP
import Vault

/// Access tokens: made, listed and ended by the administrator.
struct TokenRoutes: Sendable {
  let vault: Vault

  var routes: [Route] {
    [
      Route("POST", "/v1/tokens", .known(.authTokenCreated), body: .object(limit: 16_384)) {
        context in
        try await create(context)
      },
      Route("GET", "/v1/tokens", .known(.authTokenListed)) { context in
        let tokens = try await vault.tokens(as: context.caller)
        try await context.reply.send(
          200, json: ["tokens": .array(tokens.map { .object($0.json) })])
      },
      Route("DELETE", "/v1/tokens/{token}", .known(.authTokenRevoked)) { context in
        try await vault.revokeToken(context.identifier("token"), as: context.caller)
        try await context.reply.start(204, length: nil)
        try await context.reply.finish()
      },
    ]
  }

  private func create(_ context: RequestContext) async throws {
    let order = try TokenOrder(try await context.fields(TokenOrder.members))
    let token = try await vault.createToken(
      named: order.name, role: order.role, scopes: order.scopes, seconds: order.seconds,
      as: context.caller)
    var document = token.facts.json
    document["token"] = .string(token.token.text)
    document["log_index"] = .integer(token.logIndex)
    try await context.reply.send(
      201, json: document, headers: ["Location": "/v1/tokens/\(token.facts.id)"])
  }
}

/// The token that an administrator asks for.
struct TokenOrder: Sendable {
  static let members = ["name", "role", "scopes", "ttl_seconds"]

  let name: String
  let role: Role
  let scopes: [Scope]
  /// Until it expires.
  let seconds: Int64

  /// Reads a body of ``members``.
  init(_ fields: ObjectFields) throws(ProblemDetail) {
    name = try fields.requiredText("name", limit: 64)
    guard let role = try fields.choice("role", of: Role.self) else {
      throw ProblemDetail(.unprocessable, "`role` is missing.")
    }
    self.role = role
    scopes = try (fields.array("scopes", limit: 16) ?? []).map { value throws(ProblemDetail) in
      guard case .string(let text) = value, let scope = Scope(text) else {
        throw ProblemDetail(
          .unprocessable,
          "`scopes` must be texts such as `recordings:write`, `source=NAME`, `location=NAME` or "
            + "`extension=NAME`.")
      }
      return scope
    }
    seconds = try fields.integer("ttl_seconds", in: Vault.tokenSeconds) ?? Vault.defaultTokenSeconds
  }
}

extension TokenFacts {
  fileprivate var json: JSONObject {
    var object = JSONObject()
    object["id"] = .string(id.description)
    object["name"] = .string(name)
    object["role"] = .string(role)
    object["scopes"] = .array(scopes.map { .string($0) })
    object["created"] = .string(created.rfc3339)
    object["expires"] = .string(expires.rfc3339)
    object["revoked"] = .bool(revoked != nil)
    object["bootstrap"] = .bool(isBootstrap)
    return object
  }
}
