public import Audit
import Encoding

/// How the vault is doing, without anything about anybody.
public struct VaultHealth: Sendable {
  /// Whether no root key is in memory: content cannot be opened or stored.
  public let isSealed: Bool
  public let catalog: CatalogCounts?
  /// Bytes that may still be written; nil if storage does not answer.
  public let availableBytes: Int64?
  public let log: LogStatus
  /// What a start found.
  public let reconciliation: Vault.Reconciliation

  /// Why the vault cannot take or give content now, in words for an operator; empty when it can.
  public var reasons: [String] {
    var reasons: [String] = []
    if isSealed { reasons.append("sealed: no root key is in memory") }
    if catalog == nil { reasons.append("the catalog does not answer") }
    switch availableBytes {
    case nil: reasons.append("storage does not answer")
    case .some(let bytes) where bytes < 64 << 20: reasons.append("the volume is nearly full")
    default: break
    }
    if log.failure != nil { reasons.append("the log cannot commit") }
    return reasons
  }
}

extension Vault {
  /// How the vault is doing now.
  ///
  /// It never throws: not to know is an answer.
  public func health() async -> VaultHealth {
    VaultHealth(
      isSealed: keys.isSealed, catalog: try? await catalog.counts(),
      availableBytes: try? await blobs.availableBytes(), log: await log.status,
      reconciliation: reconciliation)
  }
}
