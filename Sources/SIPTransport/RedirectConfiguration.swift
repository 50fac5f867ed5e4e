public import SIP

/// Where a ``RedirectServer`` listens and whom it answers.
public struct RedirectConfiguration: Sendable {
  /// One place where carriers reach it.
  ///
  /// The address is the one that they use, not a wildcard: an answer
  /// must leave from where its request came in.
  public enum Listener: Sendable {
    case udp(Endpoint)
    case tcp(Endpoint)
    /// Whoever proves itself by a certificate of the context's authorities is no stranger.
    case tls(Endpoint, TLSContext)
  }
  public var listeners: [Listener]
  /// Who is answered over UDP and TCP; everybody else gets silence.
  public var sources: [AddressRange]
  /// Digits that are dialled for emergencies at this place, besides 911 and its like.
  public var emergencyNumbers: Set<String> = []
  /// Connections at once, and of one address.
  public var connections = 256
  public var connectionsPerAddress = 64
  /// How long a handshake, or a message that has begun, may take.
  public var messageTime = Duration.seconds(10)
  /// How long a connection may be silent.
  public var idleTime = Duration.seconds(600)

  public init(listeners: [Listener], sources: [AddressRange]) {
    self.listeners = listeners
    self.sources = sources
  }
}

/// What a ``RedirectServer`` has done since it was made.
public struct RedirectCounters: Sendable, Equatable {
  /// Messages of known sources.
  public var received: Int64 = 0
  /// 302 with the plan's contacts, and those of them with the safe plan's.
  public var redirected: Int64 = 0
  public var redirectedSafely: Int64 = 0
  /// INVITEs to 911 and its like, answered so that the carrier goes on by itself.
  public var emergencies: Int64 = 0
  /// Other answers.
  public var answered: Int64 = 0
  /// ACKs.
  public var absorbed: Int64 = 0
  /// Datagrams and connections of others, dropped unread.
  public var strangers: Int64 = 0
  /// What could not be answered.
  public var malformed: Int64 = 0
  /// Answers that would have been longer than what asked for them.
  public var tooLong: Int64 = 0
  /// Answers that the kernel would not take.
  public var unsent: Int64 = 0

  public init() {}
}
