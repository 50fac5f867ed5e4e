import Cryptography
import Durable
import Vault

/// Runs what files, SQLite and the forms of the log may fail, and says what a failure means to the vault.
func failingAsVault<Result>(
  _ operation: StaticString, _ body: () throws -> Result
) throws(VaultError) -> Result {
  do {
    return try body()
  } catch {
    throw VaultError(describing: error, during: operation)
  }
}

extension VaultError {
  /// Says what a failure of files, SQLite, keys or the log's forms means to the vault.
  init(describing error: any Error, during operation: StaticString) {
    switch error {
    case let error as VaultError: self = error
    case let error as DurableError: self.init(error)
    case let error as CryptographyError where error.code == .lockedMemoryUnavailable:
      self.init(
        .unavailable, during: operation,
        detail:
          "no memory may be locked for a key: LimitMEMLOCK=infinity in the unit, or `ulimit -l unlimited`",
        cause: error)
    default: self.init(.unavailable, during: operation, cause: error)
    }
  }
}
