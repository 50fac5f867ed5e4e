public import Cryptography
public import SecretSharing
import Threading
public import Vault

/// Keeps the root key in the hands of several persons, as shares on paper: `Documentation/formats/shares.md`.
///
/// Nothing of it lies on this machine: to open the ring, as many persons as the ceremony asked for come
/// and give their shares. A sheet of paper forgets nothing, so destruction is
/// ``CustodianRecord/Destruction/file``.
public final class ShareCustodian: KeyCustodian {
  /// Takes the shares of a new root to the persons, before anything is sealed with it.
  public typealias Handing = @Sendable ([Share]) throws(VaultError) -> Void

  private enum Source: Sendable {
    case given([Share])
    case ceremony(threshold: Int, count: Int, handing: Handing)
  }

  private let source: Source
  // The shares of a ceremony, for as long as this object lives: `init` opens the ring once with them.
  private let made = Lock<[Share]?>(nil)

  /// Opens a ring with shares that were given.
  public init(shares: [Share]) {
    source = .given(shares)
  }

  /// Makes a new root for ``enrol()`` and hands its shares out.
  ///
  /// - Parameters:
  ///   - threshold: how many shares bring the root back.
  ///   - count: how many are made; with `threshold` as `Share.split` takes them.
  ///   - handing: gets all shares, once for each ``enrol()``.
  public init(threshold: Int, of count: Int, handing: @escaping Handing) {
    source = .ceremony(threshold: threshold, count: count, handing: handing)
  }

  public func enrol() throws(VaultError) -> CustodianRecord {
    switch source {
    case .given(let shares):
      guard let share = shares.first else { throw Self.notGiven }
      return Self.record(ShareCeremony(of: share, count: shares.count))
    case .ceremony(let threshold, let count, let handing):
      let shares: [Share]
      do throws(ShareError) {
        shares = try Share.split(try freshRoot(), threshold: threshold, count: count)
      } catch {
        throw VaultError(
          error.code == .outOfBounds ? .invalid : .unavailable, during: "sharing out a root key",
          detail: error.description, cause: error)
      }
      try handing(shares)
      made.withLock { $0 = shares }
      return Self.record(ShareCeremony(of: shares[0], count: count))
    }
  }

  public func root(for record: CustodianRecord) throws(VaultError) -> SecretBytes {
    guard record.kind == .shares else {
      throw VaultError(
        .sealed, during: "looking for the root key",
        detail: "this key ring is kept by another kind of custodian, not by shares")
    }
    let shares: [Share]
    switch source {
    case .given(let given): shares = given
    case .ceremony:
      guard let made = made.withLock({ $0 }) else { throw Self.notGiven }
      shares = made
    }
    guard !shares.isEmpty else { throw Self.notGiven }
    if let ceremony = ShareCeremony(record.reference),
      let strange = shares.first(where: { $0.ceremony.identifier != ceremony.identifier })
    {
      throw VaultError(
        .sealed, during: "putting shares together",
        detail:
          "a share of ceremony \(strange.ceremony.identifier) was given; this vault's shares are "
          + "of ceremony \(ceremony.identifier)")
    }
    let root: SecretBytes
    do throws(ShareError) {
      root = try Share.combine(shares)
    } catch {
      throw VaultError(
        .sealed, during: "putting shares together", detail: error.description, cause: error)
    }
    guard root.count == KeyFileCustodian.rootKeyByteCount else {
      throw VaultError(
        .sealed, during: "putting shares together", detail: "the shares are of something else")
    }
    return root
  }

  private static func record(_ ceremony: ShareCeremony) -> CustodianRecord {
    CustodianRecord(
      kind: .shares, destruction: .file, derivation: .none, reference: ceremony.reference)
  }

  private static var notGiven: VaultError {
    VaultError(
      .sealed, during: "looking for the root key",
      detail: "its shares are with their keepers; they give them with: callvault unseal")
  }

  private func freshRoot() throws(ShareError) -> SecretBytes {
    try Share.freshSecret(of: KeyFileCustodian.rootKeyByteCount)
  }
}
