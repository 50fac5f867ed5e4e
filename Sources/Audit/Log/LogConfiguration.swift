public import Encoding

/// Who the log is, and how it is paced.
public struct LogConfiguration: Sendable {
  /// The log's name for ever: the host name fixed at `init`, and `/callvault`.
  public var origin: String
  /// The practice; also the actor of what the program does by itself.
  public var tenant: Identifier
  public var node: NodeName
  public var software: SoftwareName
  /// How long at most until what is durable is also published.
  public var publishInterval: Duration = .seconds(1)
  /// How long at most without an entry: an older checkpoint means that the log does not run.
  public var heartbeatInterval: Duration = .seconds(600)
  /// How long an outcome, for which nobody waits, may wait for an entry with which it is appended.
  ///
  /// Appended by itself it would make the next intent wait for a sync more.
  public var outcomeDelay: Duration = .milliseconds(10)
  /// How often counted refusals become entries.
  ///
  /// At most a second, or a crash loses more. A flood's further counts wait for the end of its window.
  public var aggregateInterval: Duration = .milliseconds(500)
  /// How long refusals from one network, or with one known credential, and for one reason count as one flood.
  public var refusalWindow: Duration = .seconds(60)
  /// How long partial tiles that newer ones supersede stay for readers of an older checkpoint.
  public var partialGrace: Duration = .seconds(600)
  /// How long an epoch's key signs before the next one follows.
  public var epochLength: Duration = .seconds(86_400)
  /// How long entries stay before they may be pruned: ten years, leap days included.
  public var retention: Duration = .seconds(86_400 * 3653)
  /// Bytes after which a new piece of the journal begins; a start reads one or two pieces.
  public var journalSegmentLength = 4 << 20
  /// Bytes set aside in the journal for what must still be recorded on a full volume: the outcomes
  /// of what has begun, and, of half of it, refusals.
  ///
  /// An outcome is less than a kilobyte, and a server has 4,096 connections.
  public var journalReserve = 4 << 20
  /// Bytes of entries that may wait for publishing before the log refuses more.
  public var unpublishedLimit = 256 << 20

  /// Bytes of one entry, its openings and a head, at most.
  static let largestAppend = 128 << 10

  /// Bytes set aside for a piece of the journal when it is begun.
  var pieceLength: Int { journalSegmentLength + 2 * Self.largestAppend + journalReserve }

  public init(origin: String, tenant: Identifier, node: NodeName, software: SoftwareName) {
    self.origin = origin
    self.tenant = tenant
    self.node = node
    self.software = software
  }
}
