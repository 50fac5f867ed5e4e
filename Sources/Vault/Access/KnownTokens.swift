import Cryptography
import Encoding

/// Rows of tokens that were shown lately, so that a request need not ask the catalog who it is from.
///
/// A value; the vault keeps it behind a lock. Nothing but this process changes the catalog, and it
/// forgets a token when it is revoked: a row here never holds longer than the one that is stored.
/// Whether it has expired is asked at each use.
struct KnownTokens: Sendable {
  /// Beyond this many all are forgotten.
  static let limit = 1024

  private var rows: [SHA256Digest: TokenRow] = [:]
  /// Raised by each revocation: what was read from the catalog before it may be older than it.
  private(set) var revocations = 0

  func row(_ digest: SHA256Digest) -> TokenRow? { rows[digest] }

  /// Keeps a row that was read while ``revocations`` stood at `revocations`.
  mutating func learn(_ row: TokenRow, at revocations: Int) {
    guard revocations == self.revocations, row.revoked == nil else { return }
    if rows.count >= Self.limit { rows = [:] }
    rows[row.digest] = row
  }

  /// Forgets a token that the catalog holds revoked.
  mutating func forget(_ token: Identifier) {
    revocations += 1
    rows = rows.filter { $0.value.id != token }
  }
}
