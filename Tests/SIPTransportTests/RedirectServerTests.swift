import SIP
import SIPTransport
import Testing
import Threading

@Suite(.timeLimit(.minutes(30)))
struct RedirectServerTests {
  static func plan(_ id: String, _ contacts: String...) throws -> ContactPlan {
    try ContactPlan(
      id: id,
      contacts: contacts.map { try PreferredContact(ContactAddress($0, allowsPrivate: true)) })
  }

  static func endpoint(_ port: UInt16 = 0) throws -> Endpoint {
    Endpoint(address: try #require(IPAddress("127.0.0.1")), port: port)
  }

  static func invite(
    _ transport: String, method: String = "INVITE", number: Int = 1, more: String = ""
  )
    -> String
  {
    """
    \(method) sip:+1312555\(number)@127.0.0.1 SIP/2.0\r
    Via: SIP/2.0/\(transport) 192.0.2.66:9;branch=z9hG4bK\(number);rport\r
    Max-Forwards: 70\r
    From: <sip:a@192.0.2.66>;tag=1\r
    To: <sip:b@127.0.0.1>\r
    Call-ID: c\(number)\r
    CSeq: 1 \(method)\r
    Contact: <sip:a@192.0.2.66>\r
    User-Agent: a name that is long enough for an answer as long as its request\r
    Content-Length: 0\r
    \(more)\r

    """
  }

  /// Runs a server for as long as `body` does.
  static func serving(
    _ body: (RedirectServer, Lock<ContactPlan?>) async throws -> Void
  ) async throws {
    let plan = Lock<ContactPlan?>(
      try plan("people", "sip:people@127.0.0.1:7071", "sip:other@127.0.0.1"))
    let server = try RedirectServer(
      RedirectConfiguration(
        listeners: [.udp(endpoint()), .tcp(endpoint())], sources: [AddressRange("127.0.0.0/30")]),
      safe: Self.plan("safe", "sip:safe@127.0.0.1"), plan: { plan.withLock { $0 } })
    try await withThrowingTaskGroup { group in
      group.addTask { await server.run() }
      defer { group.cancelAll() }
      try await body(server, plan)
    }
  }

  @Test func anInviteIsAnsweredWhereItCameFromAndTheSameAgain() async throws {
    try await Self.serving { server, _ in
      let wire = try Wire()
      try await wire.send(Self.invite("UDP"), to: server.endpoints[0])
      let first = try #require(try await wire.receive())
      #expect(first.hasPrefix("SIP/2.0 302 "))
      #expect(first.contains(";received=127.0.0.1;rport=\(wire.endpoint.port)\r\n"))
      #expect(first.contains("<sip:people@127.0.0.1:7071>;q=1, <sip:other@127.0.0.1>;q=1\r\n"))
      try await wire.send(Self.invite("UDP"), to: server.endpoints[0])
      #expect(try await wire.receive() == first)
      try await wire.send(Self.invite("UDP", method: "ACK"), to: server.endpoints[0])
      try await wire.send(Self.invite("UDP", method: "CANCEL"), to: server.endpoints[0])
      #expect(try await wire.receive()?.hasPrefix("SIP/2.0 200 OK") == true)
    }
  }

  @Test func strangersGetSilence() async throws {
    try await Self.serving { server, _ in
      let stranger = try Wire(on: "127.0.0.9")
      let known = try Wire()
      for method in ["INVITE", "OPTIONS", "CANCEL", "BYE", "x y"] {
        try await stranger.send(Self.invite("UDP", method: method), to: server.endpoints[0])
      }
      // The known one's answer comes after the stranger's would have.
      try await known.send(Self.invite("UDP"), to: server.endpoints[0])
      #expect(try await known.receive() != nil)
      #expect(try await stranger.receive(milliseconds: 0) == nil)
      let connection = try Wire(connectedTo: server.endpoints[1], from: "127.0.0.9")
      try? await connection.send(Self.invite("TCP"))  // The other side may have gone already.
      #expect(try await connection.receive() == "")
    }
  }

  @Test func withoutAPlanTheSafeOneHolds() async throws {
    try await Self.serving { server, plan in
      let wire = try Wire()
      plan.withLock { $0 = nil }
      try await wire.send(Self.invite("UDP"), to: server.endpoints[0])
      #expect(try await wire.receive()?.contains("Contact: <sip:safe@127.0.0.1>;q=1\r\n") == true)
      let next = try Self.plan("next", "sip:next@127.0.0.1")
      plan.withLock { $0 = next }
      try await wire.send(Self.invite("UDP"), to: server.endpoints[0])
      #expect(try await wire.receive()?.contains("Contact: <sip:next@127.0.0.1>;q=1\r\n") == true)
    }
  }

  @Test func aStreamIsAnsweredInOrderAndEndsWhereItCannotBeRead() async throws {
    try await Self.serving { server, _ in
      let wire = try Wire(connectedTo: server.endpoints[1])
      let both = Self.invite("TCP", number: 1) + "\r\n\r\n" + Self.invite("TCP", number: 2)
      try await wire.send(String(both.prefix(100)))
      try await wire.send(String(both.dropFirst(100)))
      var text = ""
      while text.components(of: "\r\n\r\n") < 2 { text += try #require(try await wire.receive()) }
      let first = try #require(text.range(of: "Call-ID: c1"))
      let second = try #require(text.range(of: "Call-ID: c2"))
      #expect(first < second)
      try await wire.send(Self.invite("TCP").replacing("Content-Length: 0", with: "X: y"))
      text = ""
      while let more = try await wire.receive(), !more.isEmpty { text += more }
      #expect(text.hasPrefix("SIP/2.0 400 "))
    }
  }

  // Two that share a port would each get some of the calls.
  @Test func aPortBelongsToOneServer() async throws {
    try await Self.serving { server, _ in
      for listener in [
        RedirectConfiguration.Listener.udp(server.endpoints[0]), .tcp(server.endpoints[1]),
      ] {
        let second = RedirectConfiguration(
          listeners: [listener], sources: [try AddressRange("127.0.0.1")])
        let safe = try Self.plan("safe", "sip:safe@127.0.0.1")
        #expect(throws: SIPTransportError.self) {
          _ = try RedirectServer(second, safe: safe, plan: { nil })
        }
      }
    }
  }

  @Test func settingsThatAnswerEverybodyAreRefused() throws {
    let safe = try Self.plan("safe", "sip:safe@127.0.0.1")
    let all = Endpoint(address: try #require(IPAddress("0.0.0.0")), port: 0)
    for configuration in [
      RedirectConfiguration(listeners: [], sources: [try AddressRange("127.0.0.1")]),
      RedirectConfiguration(listeners: [.udp(try Self.endpoint())], sources: []),
      RedirectConfiguration(listeners: [.udp(all)], sources: [try AddressRange("127.0.0.1")]),
    ] {
      #expect(throws: SIPTransportError.self) {
        _ = try RedirectServer(configuration, safe: safe, plan: { nil })
      }
    }
  }
}

extension String {
  /// How often `part` stands in the text.
  fileprivate func components(of part: String) -> Int { ranges(of: part).count }

  /// Where `part` stands first.
  fileprivate func range(of part: String) -> Index? { ranges(of: part).first?.lowerBound }
}
