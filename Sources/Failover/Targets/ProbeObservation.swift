/// How a target is looked at.
///
/// Each kind is one voice when a target is judged; what others report by API is one voice together, however
/// many report and whatever they say.
public enum SignalKind: String, CaseIterable, Sendable, Comparable {
  /// SIP OPTIONS over UDP, TCP or TLS.
  case sipOptions = "sip-options"
  /// Whether a registration that calls depend on stands.
  case registration
  /// The phone system's own API: 3CX `SystemStatus`, `Trunks`, `Services`.
  case pbxAPI = "pbx-api"
  /// Asterisk's manager interface.
  case ami
  /// An HTTP health check.
  case http
  /// An utterance of the AI engine that must come back right.
  case canary
  /// Whether the internet can be reached from here: TCP, TLS or DNS elsewhere.
  case uplink
  /// Whether a name that calls depend on has an address, told by several resolvers.
  case dns
  /// A TLS handshake with a certificate that is believed.
  case tls
  /// What others tell the supervisor: failed INVITEs, status callbacks, reasons in call records.
  case passive

  public static func < (left: Self, right: Self) -> Bool { left.rawValue < right.rawValue }
}

/// Why a probe found no life.
public enum ProbeMiss: String, CaseIterable, Sendable {
  /// Nothing came in the probe's own time.
  case timeout
  /// Refused by the network: ECONNREFUSED, ICMP. Anyone can send one, so it counts as a miss and no more.
  case refused
  /// No way there, or the other end closed.
  case unreachable
  /// The name has no address any more.
  case nameUnresolved = "name-unresolved"
  /// The handshake failed or the certificate is not the expected one.
  case tlsFailed = "tls-failed"
  /// SIP 408 or 5xx, HTTP 5xx.
  case serverError = "server-error"
  /// An answer that is not a right one: the AI engine talks nonsense, an API answers something else.
  case wrongAnswer = "wrong-answer"
  /// It answers, and says itself that it cannot serve: trunk unregistered, services stopped.
  case notServing = "not-serving"
}

/// One thing that a probe did or saw.
///
/// A probe reports `sent` when a probe leaves, and at most one more observation for it. Silence needs no
/// report: the machine counts what was sent against the last life. Probes are pipelined; what is late still
/// counts as life.
public struct ProbeObservation: Hashable, Sendable {
  public enum Result: Hashable, Sendable {
    case sent
    /// A valid answer: it matched what only the other side can know. 404, 405, 486 and 6xx are life.
    case alive(roundTripMs: Int64)
    case missed(ProbeMiss)
    /// 503 with Retry-After: it lives and wants no new calls for that long.
    case drain(forMs: Int64)
  }
  public let target: TargetID
  public let signal: SignalKind
  public let result: Result
  public let at: Moment

  public init(target: TargetID, signal: SignalKind, result: Result, at: Moment) {
    self.target = target
    self.signal = signal
    self.result = result
    self.at = at
  }
}

/// Something that looks at one target in one way, for as long as it runs.
public protocol Probe: Sendable {
  var target: TargetID { get }
  var signal: SignalKind { get }

  /// Probes at its own pace until the task is cancelled, and then returns.
  ///
  /// Never throws: what goes wrong is a miss. `report` does not block; it is called in the order of events.
  func run(report: @escaping @Sendable (ProbeObservation) -> Void) async
}
