import Cryptography
import SIP
import Threading

/// Whom an ``OptionsProbe`` asks, how and how often.
public struct OptionsTarget: Sendable {
  public enum Transport: Sendable {
    case udp
    case tcp
    case tls(TLSContext)
  }
  public var endpoint: Endpoint
  public var transport: Transport
  /// From one request to the next, whether or not there was an answer: 10 ms at least.
  public var interval: Duration
  /// How long an answer may take.
  public var timeout: Duration

  public init(
    _ endpoint: Endpoint, over transport: Transport, every interval: Duration = .milliseconds(50),
    timeout: Duration = .milliseconds(200)
  ) {
    self.endpoint = endpoint
    self.transport = transport
    self.interval = interval
    self.timeout = timeout
  }
}

/// Asks one peer, again and again without waiting for answers, whether it lives.
///
/// Reports; believes nothing. An answer counts only if it repeats what the request had to tell, 128 random
/// bits each in branch and tag. Specified in `Documentation/formats/sip.md`, 2.
public actor OptionsProbe {
  private let executor: BlockingExecutor
  public nonisolated var unownedExecutor: UnownedSerialExecutor {
    unsafe executor.asUnownedSerialExecutor()
  }
  private nonisolated let poller: Poller
  private let interval: UInt64
  private let report: @Sendable (ProbeEvent) -> Void
  private var ledger: ProbeLedger
  private var channel: any ProbeChannel
  private var number: UInt64 = 0

  /// - Parameters:
  ///   - target: whom to ask.
  ///   - report: gets each event in order, on the probe's thread: it must not wait.
  /// - Throws: ``SIPTransportError/Code/invalidSettings``, ``SIPTransportError/Code/unavailable``.
  public init(
    _ target: OptionsTarget, report: @escaping @Sendable (ProbeEvent) -> Void
  ) throws(SIPTransportError) {
    guard target.interval >= .milliseconds(10), target.timeout >= .milliseconds(10),
      target.interval <= .seconds(3_600), target.timeout <= .seconds(60)
    else { throw SIPTransportError(.invalidSettings, during: "reading the pace of a probe") }
    do {
      executor = try BlockingExecutor(label: "sip-probe")
    } catch {
      throw SIPTransportError(.unavailable, during: "starting a thread", cause: error)
    }
    poller = try Poller()
    interval = Monotonic.nanoseconds(target.interval)
    let timeout = Monotonic.nanoseconds(target.timeout)
    ledger = ProbeLedger(timeout: timeout)
    self.report = report
    switch target.transport {
    case .udp: channel = DatagramChannel(to: target.endpoint)
    case .tcp: channel = StreamChannel(to: target.endpoint, tls: nil, connectTime: 4 * timeout)
    case .tls(let context):
      channel = StreamChannel(to: target.endpoint, tls: context, connectTime: 4 * timeout)
    }
  }

  /// Probes until its task is cancelled.
  public func run() async {
    await withTaskCancellationHandler {
      var next = Monotonic.now
      while !Task.isCancelled {
        let now = Monotonic.now
        // What has come is read before anything is called overdue: this process may have stood still.
        read(now: now)
        for event in ledger.expire(at: now) { report(event) }
        if now >= next {
          send(now: now)
          next = next + interval > now ? next + interval : now + interval
        }
        let wake = min(next, ledger.deadline ?? .max)
        let after = Monotonic.now
        _ = poller.wait(nanoseconds: wake > after ? wake - after : 0)
      }
      channel.close()
    } onCancel: {
      poller.wake()
    }
  }

  private func read(now: UInt64) {
    for outcome in channel.read(poller, now: now) {
      switch outcome {
      case .message(let message):
        // What is no response is nobody's answer, and its sender is told nothing.
        guard let response = try? SIPResponse(message),
          let event = ledger.answered(response, at: now)
        else { continue }
        report(event)
      case .failed(let miss):
        if let event = ledger.failed(miss, at: now) { report(event) }
      case .lost(let miss):
        for event in ledger.failedAll(miss, at: now) { report(event) }
      }
    }
  }

  private func send(now: UInt64) {
    // The other side may have forgotten a connection that this one still believes in.
    if ledger.isConnectionDoubtful() { channel.renew() }
    // Without randomness nothing could be believed.
    guard let random = try? Random.bytes(32),
      let secrets = ProbeSecrets(random: random, sequence: Int(number % 1_000_000) + 1)
    else { return }
    report(ledger.sent(number, secrets, at: now))
    number += 1
    switch channel.send(secrets, poller, now: now) {
    case nil: break
    case .failed(let miss)?:
      if let event = ledger.failed(miss, at: now) { report(event) }
    case .lost(let miss)?:
      for event in ledger.failedAll(miss, at: now) { report(event) }
    case .message?: preconditionFailure("sending does not receive")
    }
  }
}

/// What a channel found.
enum ChannelOutcome {
  case message(SIPMessage)
  /// One request has failed, it is not known which.
  case failed(ProbeMiss)
  /// Every request has, with the connection they went by.
  case lost(ProbeMiss)
}

/// How requests get to a peer; used from the probe's thread only.
protocol ProbeChannel: AnyObject {
  func send(_ secrets: ProbeSecrets, _ poller: Poller, now: UInt64) -> ChannelOutcome?
  func read(_ poller: Poller, now: UInt64) -> [ChannelOutcome]
  /// Begins anew where something is kept open.
  func renew()
  func close()
}
