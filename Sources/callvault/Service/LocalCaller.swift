import Cryptography
import Encoding
import Host
import Vault

/// Who typed a command that opens the vault itself, proved as a request to the service would be.
enum LocalCaller {
  /// The holder of a token that was given, or the local user who ran `init`.
  ///
  /// - Throws: `VaultError` with `unauthenticated`, which is in the log when this throws;
  ///   ``CommandFailure`` when the token cannot be read.
  static func prove(_ arguments: Arguments, to vault: Vault) async throws -> Caller {
    // As for other commands of an administrator, a token in the environment is for another purpose.
    if let token = try ServiceClient.token(arguments, isAdministrator: true) {
      return try await vault.authenticate(token: token, via: "local", request: .random())
    }
    return try await vault.authenticate(localUser: MachineFacts.user, request: .random())
  }
}
