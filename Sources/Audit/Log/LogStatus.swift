/// How a log is doing, for health checks and metrics.
public struct LogStatus: Sendable {
  /// Entries that are durable.
  public let size: Int64
  /// Entries that the published checkpoint covers.
  public let publishedSize: Int64
  /// Bytes of entries that wait for publishing.
  public let unpublishedLength: Int
  public let openIntents: Int
  /// Why the log takes no entries any more; nil while it does.
  public let failure: AuditError?
  /// Whether publishing is so far behind that no more entries are taken until it goes on.
  public let isFull: Bool
  /// Why work that nobody waits for failed the last time it was tried; what succeeded is not here.
  public let upkeepFailures: [LogUpkeep: any Error]
  /// The epoch that signs beside the log's key; nil for a log without a root key.
  public let epoch: Int64?
  /// Whether the root vouches for it; nil likewise.
  public let isEpochCertified: Bool?
}

extension AuditLog {
  /// How the log is doing.
  public var status: LogStatus {
    LogStatus(
      size: head.size, publishedSize: publishing.edge.size, unpublishedLength: publishing.length,
      openIntents: openIntents.count, failure: failure,
      isFull: publishing.length >= configuration.unpublishedLimit, upkeepFailures: upkeepFailures,
      epoch: epochs.live?.number, isEpochCertified: epochs.isCertified)
  }
}
