public import Encoding
public import HTTP
public import Vault

/// One way in which a request proves who is asking.
///
/// Tokens and peer credentials are here; sessions of people who sign in, and client certificates,
/// are further conformances. The first that finds its credential decides: a bad credential is never
/// tried as another kind.
public protocol Authenticator: Sendable {
  /// Who is asking.
  ///
  /// - Parameters:
  ///   - request: nothing of it is trusted but what the credential proves.
  ///   - requestID: ours, for the log's entries.
  /// - Returns: nil when the request carries no credential of this kind.
  /// - Throws: `VaultError` with `unauthenticated` when it carries one that is not good, which is in
  ///   the log when this throws.
  func authenticate(_ request: Request, requestID: Identifier) async throws -> Caller?
}

/// `Authorization: Bearer cv1_…`: programs, and people before there is a sign-in.
public struct BearerAuthenticator: Authenticator {
  private let vault: Vault

  public init(vault: Vault) {
    self.vault = vault
  }

  public func authenticate(_ request: Request, requestID: Identifier) async throws -> Caller? {
    let fields = request.headers.all("Authorization")
    guard let field = fields.first else { return nil }
    // Whatever is wrong with the field, the vault sees it and records it: an attempt is an attempt.
    let token = fields.count == 1 ? Self.bearer(field) : nil
    return try await vault.authenticate(
      token: token ?? "", via: address(of: request.peer), request: requestID)
  }

  /// The credential after the scheme, whose case does not matter.
  private static func bearer(_ field: String) -> String? {
    let parts = field.split(separator: " ", maxSplits: 1, omittingEmptySubsequences: false)
    guard parts.count == 2, parts[0].lowercased() == "bearer", parts[1].utf8.count <= 256 else {
      return nil
    }
    return String(parts[1])
  }
}

/// The operating system's word on the other end of the socket: the administrator's way in.
///
/// It never carries a role that hears content, whatever the user id: `sudo` is not a way to a
/// patient.
public struct PeerAuthenticator: Authenticator {
  private let vault: Vault

  public init(vault: Vault) {
    self.vault = vault
  }

  public func authenticate(_ request: Request, requestID: Identifier) async throws -> Caller? {
    guard case .local(let uid, _, _) = request.peer else { return nil }
    return try await vault.authenticate(
      localUser: uid, request: requestID)
  }
}

/// How the log is told of an address; it keeps a commitment only.
func address(of peer: Peer) -> String {
  switch peer {
  case .internet(let address): address
  case .local(let uid, _, _): "local:\(uid)"
  }
}
