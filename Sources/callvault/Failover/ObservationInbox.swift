import Failover
import Threading

/// What probes saw since the supervisor last looked.
///
/// Probes never wait for it, and it never grows beyond a bound.
final class ObservationInbox: Sendable {
  /// At fifty targets' fastest pace, two seconds.
  static let limit = 8_192
  private let observations = Lock<[ProbeObservation]>([])

  func add(_ observation: ProbeObservation) {
    observations.withLock { observations in
      guard observations.count < Self.limit else { return }
      observations.append(observation)
    }
  }

  func take() -> [ProbeObservation] {
    observations.withLock { observations in
      defer { observations.removeAll(keepingCapacity: true) }
      return observations
    }
  }
}
