import Audit
public import Encoding
import Threading

/// The keys as an operator sees them: how old, what hangs on each, what destroying them would prove.
public struct KeyStatus: Sendable {
  public struct Epoch: Sendable {
    public let facts: KeyRing.Epoch
    /// When the next began, and this one wrapped for the last time; nil: it is the newest.
    public let wrappedUntil: Timestamp?
    /// Wrapped keys of calls and subjects that hang on it.
    public let keys: Int64
    /// The ring's own keys that do.
    public let ringKeys: Int
  }
  public let ring: KeyRing.Facts
  public let epochs: [Epoch]
  public let purges: PurgeCounts
  /// Keys of parts that were excised, which wait for a ratchet, and when it begins by itself; nil: none wait.
  public let excised: Int
  public let ratchetDue: Timestamp?
  /// Why a ratchet now would prove nothing; nil where it would.
  public let unproven: String?
  /// Places of ring and anchor that are not as they should be.
  public let troubles: [KeyPlaceTrouble]
  /// The rotation or ratchet that runs or was last since the start.
  public let run: KeyRun?
  /// What each library sealed of what is stored.
  public let sealed: [SealedParts]
}

extension Vault {
  /// Places of the ring and its anchor that are not as they should be, as last seen.
  public var keyTroubles: [KeyPlaceTrouble] { keys.troubles }

  /// Why a ratchet now would prove no erasure; nil where it would.
  ///
  /// - Throws: ``VaultError/Code/unavailable`` where a place of anchors is out of reach.
  public func unprovenErasure() throws(VaultError) -> String? {
    try keys.unprovenReason()
  }

  /// How the keys are.
  ///
  /// Only a refusal is an entry: nothing here names anybody.
  ///
  /// - Parameter caller: needs ``Right/manageKeys``.
  /// - Returns: epochs, purges, places, and the run that goes on.
  /// - Throws: ``VaultError/Code/denied``, ``VaultError/Code/sealed``.
  public func keyStatus(as caller: Caller) async throws(VaultError) -> KeyStatus {
    var draft = draft(.auditRead, .single, by: caller)
    try await checked(&draft) { _ throws(VaultError) in try self.allow(.manageKeys, caller) }
    let facts = try keys.facts()
    let counts = try await catalog.wrappedKeyCounts()
    var unproven: String?
    do throws(VaultError) {
      unproven = try keys.unprovenReason()
    } catch {
      unproven = error.detail ?? "a place of anchors is out of reach"
    }
    let excised = try await catalog.excisedKeys()
    return KeyStatus(
      ring: facts,
      epochs: facts.epochs.enumerated().map { place, epoch in
        KeyStatus.Epoch(
          facts: epoch, wrappedUntil: facts.epochs.dropFirst(place + 1).first?.created,
          keys: counts[epoch.id.bytes] ?? 0, ringKeys: facts.ringKeys[epoch.id] ?? 0)
      },
      purges: try await catalog.purgeCounts(), excised: excised.count,
      ratchetDue: try await ratchetDue(after: excised), unproven: unproven, troubles: keys.troubles,
      run: keyWork.withLock { $0.last }, sealed: try await catalog.sealedParts())
  }
}
