import SIP
import Testing
import Threading

@testable import SIPTransport

@Suite(.timeLimit(.minutes(30)))
struct OptionsProbeTests {
  /// Runs a probe until `wanted` has seen enough of its events.
  static func events(
    of target: OptionsTarget, until wanted: @escaping @Sendable ([ProbeEvent]) -> Bool
  ) async throws -> [ProbeEvent] {
    let (stream, continuation) = AsyncStream.makeStream(of: ProbeEvent.self)
    let probe = try OptionsProbe(target) { continuation.yield($0) }
    let task = Task { await probe.run() }
    var events: [ProbeEvent] = []
    for await event in stream {
      events.append(event)
      if wanted(events) { break }
    }
    task.cancel()
    await task.value
    return events
  }

  static func target(_ endpoint: Endpoint, over transport: OptionsTarget.Transport = .udp)
    -> OptionsTarget
  {
    OptionsTarget(endpoint, over: transport, every: .milliseconds(20), timeout: .milliseconds(500))
  }

  @Test func aBusyPeerLives() async throws {
    let peer = try Wire()
    let answering = Task { while try await peer.answer("486 Busy Here") {} }
    let events = try await Self.events(of: Self.target(peer.endpoint)) { events in
      events.contains { $0.result == .answered(status: 486, isLate: false) }
    }
    answering.cancel()
    #expect(events.first?.result == .sent)
    #expect(events.allSatisfy { $0.at >= $0.sent })
  }

  @Test func aDrainingPeerIsTold() async throws {
    let peer = try Wire()
    let answering = Task { while try await peer.answer("503 No", fields: "Retry-After: 7") {} }
    _ = try await Self.events(of: Self.target(peer.endpoint)) { events in
      events.contains { $0.result == .draining(seconds: 7) }
    }
    answering.cancel()
  }

  // Requests go on leaving while nobody answers, and each is missed once.
  @Test func silenceIsMissedWithoutWaitingForIt() async throws {
    let peer = try Wire()
    // Two are out at once only if none is waited for. At the fifth miss there may be none: a machine that
    // stood still misses all at once.
    let events = try await Self.events(of: Self.target(peer.endpoint)) { events in
      let missed = events.count { $0.result == .missed(.timeout) }
      return missed >= 5 && events.count { $0.result == .sent } > missed + 1
    }
    let missed = events.filter { $0.result == .missed(.timeout) }.map(\.number)
    #expect(Array(missed.prefix(5)) == Array(0..<5))
  }

  @Test(arguments: [false, true])
  func aPortThatNobodyListensOnIsRefusedAtOnce(isStream: Bool) async throws {
    let gone = try Wire().endpoint
    let events = try await Self.events(of: Self.target(gone, over: isStream ? .tcp : .udp)) {
      events in
      events.count { $0.result == .missed(.refused) } == 3
    }
    #expect(!events.contains { if case .answered = $0.result { true } else { false } })
  }

  // Forged answers: whoever has not seen a request cannot answer it, wherever his packet comes from.
  @Test func aForgedAnswerIsNoLife() async throws {
    let peer = try Wire()
    let forging = Task {
      while let request = try await peer.receive(), let sender = await peer.lastSender {
        let forged = request.replacing(
          "OPTIONS sip:\(peer.endpoint) SIP/2.0", with: "SIP/2.0 200 OK")
        for changed in [
          forged.replacing("branch=z9hG4bK", with: "branch=z9hG4bK0"),
          forged.replacing(">;tag=", with: ">;tag=0"),
          forged.replacing("Call-ID: ", with: "Call-ID: 0"),
        ] { try await peer.send(changed, to: sender) }
        let stranger = try Wire()
        try await stranger.send(forged, to: sender)
      }
    }
    let events = try await Self.events(of: Self.target(peer.endpoint)) { events in
      events.count { $0.result == .missed(.timeout) } == 5
    }
    forging.cancel()
    #expect(!events.contains { if case .answered = $0.result { true } else { false } })
  }

  @Test func oneOfOurOwnServersLivesOverTCP() async throws {
    try await RedirectServerTests.serving { server, _ in
      _ = try await Self.events(of: Self.target(server.endpoints[1], over: .tcp)) { events in
        events.count { $0.result == .answered(status: 200, isLate: false) } == 3
      }
      _ = try await Self.events(of: Self.target(server.endpoints[0])) { events in
        events.count { $0.result == .answered(status: 200, isLate: false) } == 3
      }
    }
  }

  // Half-open: the other side has lost the connection, or takes new ones and answers none.
  @Test func aConnectionThatAnswersNothingIsMadeAnew() async throws {
    let listener = try StreamListener(RedirectServerTests.endpoint(), tls: nil, token: 0)
    let target = OptionsTarget(
      try Endpoint(of: listener.descriptor), over: .tcp, every: .milliseconds(10),
      timeout: .milliseconds(10))
    let accepted = Lock<[Socket]>([])
    _ = try await Self.events(of: target) { _ in
      if let (socket, _) = listener.accept() { accepted.withLock { $0.append(socket) } }
      return accepted.withLock { $0.count } == 3
    }
  }

  @Test func aPaceThatNoPeerCouldBearIsRefused() throws {
    let endpoint = try RedirectServerTests.endpoint(9)
    for (interval, timeout) in [(1, 200), (50, 1), (50, 100_000), (10_000_000, 200)] {
      #expect(throws: SIPTransportError.self) {
        _ = try OptionsProbe(
          OptionsTarget(
            endpoint, over: .udp, every: .milliseconds(interval), timeout: .milliseconds(timeout)),
          report: { _ in })
      }
    }
  }
}
