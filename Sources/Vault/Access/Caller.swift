public import Audit
public import Encoding
import Threading

/// Who asks, proved: made by ``Vault/authenticate(token:via:request:)`` and its siblings, and by nothing else.
public struct Caller: Sendable {
  /// How the log names them.
  public let actor: Actor
  public let role: Role
  public let scopes: [Scope]
  /// The token they came with; nil for a local user.
  public let token: Identifier?
  /// When that token ends; nil for a local user.
  let expires: Timestamp?
  /// Requests with one credential, from the first of this run on.
  public let session: Identifier
  /// Ours, one for each request.
  public let request: Identifier
  /// The address the request came over; the log holds a commitment to it.
  public let via: String
  /// Whether this request's attempt has its place in the log yet.
  let account = AttemptAccount()

  init(
    actor: Actor, role: Role, scopes: [Scope], token: Identifier?, expires: Timestamp?,
    session: Identifier, request: Identifier, via: String
  ) {
    self.actor = actor
    self.role = role
    self.scopes = scopes
    self.token = token
    self.expires = expires
    self.session = session
    self.request = request
    self.via = via
  }

  public var confinement: Confinement { Confinement(scopes) }
}

/// Whether the operation that a request asked for has begun its account.
///
/// An operation accounts for its attempt itself. A request that breaks off before it reaches one, in
/// a body that cannot be read, must not thereby stay out of the log, nor be in it twice.
final class AttemptAccount: Sendable {
  private let begun = Lock(false)

  var hasBegun: Bool { begun.withLock { $0 } }

  func begin() { begun.withLock { $0 = true } }
}
