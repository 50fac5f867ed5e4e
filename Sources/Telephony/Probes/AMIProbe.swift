import AMI
public import Failover
import TLSClient
public import YAML

/// Asterisk's manager: that it logs in and answers.
public final class AMIProbe: Probe {
  public let target: TargetID
  public let signal = SignalKind.ami
  private let manager: AsteriskConversation
  private let pace: ProbePace

  /// Keys: those of a manager, `interval_ms`, `limit_ms`.
  public init(target: TargetID, settings: YAMLNode) throws(YAMLError) {
    self.target = target
    let fields = try settings.mapping(of: AsteriskConversation.keys + ProbePace.keys)
    manager = try .opened(fields, at: settings)
    pace = try ProbePace(fields, intervalMs: 250, limitMs: 1_500)
  }

  public func run(report: @escaping @Sendable (ProbeObservation) -> Void) async {
    await pace.run(target: target, signal: signal, report: report) { deadline in
      let sent = Moment.now
      do throws(FailoverError) {
        _ = try await self.manager.ask(.ping, before: deadline)
        return .alive(roundTripMs: Moment.now.ms(since: sent))
      } catch {
        return .missed(Self.miss(error))
      }
    }
  }

  static func miss(_ error: FailoverError) -> ProbeMiss {
    switch error.code {
    case .tooLate: return .timeout
    // It answers, and lets nobody in, or says that something is wrong.
    case .refused: return .notServing
    default: break
    }
    switch (error.cause as? TLSClientError)?.code {
    case .timeout: return .timeout
    case .refused: return .tlsFailed
    default: return (error.cause as? AMIError) == nil ? .unreachable : .wrongAnswer
    }
  }
}
