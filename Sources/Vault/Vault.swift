public import Audit
public import Cryptography
public import Encoding
public import Threading

/// Recordings, transcripts and notes of calls: sealed, accounted for, and opened only against a receipt.
///
/// Every function is one attempt and leaves exactly one account of itself in the log before it
/// answers: an entry, or an intent and its outcome, also when it is refused. What a caller may not
/// know of is ``VaultError/Code/notFound``, the same as what does not exist.
///
/// All functions throw ``VaultError``: ``VaultError/Code/unavailable`` when the log or storage
/// cannot commit (nothing is released then), ``VaultError/Code/sealed`` without a root key in memory,
/// ``VaultError/Code/denied`` and ``VaultError/Code/invalid`` with a detail that may go to the client.
public final class Vault: Sendable {
  public let configuration: VaultConfiguration
  public let policy: AccessPolicy
  public let retention: RetentionSchedule
  let catalog: any Catalog
  let blobs: any BlobStore
  let log: AuditLog
  let inspector: any AudioInspector
  let clock: any WallClock
}

/// What a vault is told at start.
public struct VaultConfiguration: Sendable {
  /// The practice, made at `init`.
  public var tenant: Identifier
  /// Where numbers are dialled when a call names no location that is configured.
  public var country: PhoneNumber.Country?
  public var locations: [String: Location]
  /// The user id of whoever ran `init`: the administrator by peer credentials.
  public var administrator: UInt32?
  /// The largest recording taken, in bytes as sent.
  public var recordingLimit: Int64

  public init(
    tenant: Identifier, country: PhoneNumber.Country? = PhoneNumber.Country(code: "US"),
    locations: [String: Location] = [:], administrator: UInt32? = nil,
    recordingLimit: Int64 = 4 << 30
  ) {
    self.tenant = tenant
    self.country = country
    self.locations = locations
    self.administrator = administrator
    self.recordingLimit = recordingLimit
  }
}
