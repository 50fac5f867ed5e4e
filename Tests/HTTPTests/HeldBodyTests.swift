import Testing

@testable import HTTP

/// Bodies that are kept whole have one bound for all connections, and each gives its part back.
@Suite(.timeLimit(.minutes(30))) struct HeldBodyTests {
  private static let bodyBytes = 100_000

  /// Room for three bodies and some, of which large ones get two.
  private static var limits: ServerLimits {
    var limits = ServerLimits()
    limits.heldBytes = 320_000
    return limits
  }

  private static func head(_ path: String = "keep", _ framing: String? = nil) -> String {
    "POST /\(path) HTTP/1.1\r\nHost: vault\r\nConnection: close\r\n"
      + (framing ?? "Content-Length: \(bodyBytes)") + "\r\n\r\n"
  }

  private static func part(_ count: Int) -> [UInt8] { [UInt8](repeating: 0x78, count: count) }

  /// Waits until the server has taken at least so much, or, with zero, nothing any more.
  private func taken(_ count: Int, of site: TestSite) async throws {
    let bodies = site.server.site.bodies
    while count == 0 ? bodies.takenBytes != 0 : bodies.takenBytes < count {
      try await Task.sleep(for: .milliseconds(1))
    }
  }

  /// One body, all of which is there.
  private func keepsOne(_ site: TestSite) async throws -> Bool {
    let client = try await site.connect()
    try await client.send(Array(Self.head().utf8) + Self.part(Self.bodyBytes))
    return try await client.receiveToEnd().hasSuffix("kept \(Self.bodyBytes).")
  }

  @Test func whatFindsNoRoomIsAskedToComeAgain() async throws {
    try await TestSite.serve(limits: Self.limits) { site in
      var slow: [WireClient] = []
      for _ in 1...2 {
        let before = site.server.site.bodies.takenBytes
        let client = try await site.connect()
        try await client.send(Array(Self.head().utf8) + Self.part(90_000))
        try await taken(before + 90_000, of: site)
        slow.append(client)
      }
      // All that the server keeps is counted, and that is little more than what came.
      #expect(site.server.site.bodies.takenBytes <= 2 * Self.bodyBytes)
      let third = try await site.connect()
      try await third.send(Array(Self.head().utf8) + Self.part(Self.bodyBytes))
      let refusal = try await third.receiveToEnd()
      #expect(refusal.hasPrefix("HTTP/1.1 503 "), "\(refusal.prefix(200))")
      #expect(refusal.contains("Retry-After: 5\r\n"))
      // Short requests have the last quarter.
      let short = try await site.exchange(Self.head("keep", "Content-Length: 5") + "short")
      #expect(short.hasSuffix("kept 5."))
      // Those that are under way lose nothing.
      for client in slow {
        try await client.send(Self.part(10_000))
        #expect(try await client.receiveToEnd().hasSuffix("kept \(Self.bodyBytes)."))
      }
      try await taken(0, of: site)
      #expect(try await keepsOne(site))
    }
  }

  @Test func whatIsAnnouncedTakesNothing() async throws {
    try await TestSite.serve(limits: Self.limits) { site in
      var silent: [WireClient] = []
      for _ in 0..<8 {
        let client = try await site.connect()
        try await client.send(Self.head("keep", "Content-Length: 1000000") + "x")
        silent.append(client)
      }
      try await taken(8 * 4096, of: site)
      #expect(site.server.site.bodies.takenBytes == 8 * 4096)
      #expect(try await keepsOne(site))
      for client in silent { await client.vanish() }
      try await taken(0, of: site)
    }
  }

  enum Ending: CaseIterable {
    case gone, tooLarge, malformed, timeout, thrown, cancelled
  }

  @Test(arguments: Ending.allCases)
  func itsRoomIsGivenBack(after ending: Ending) async throws {
    var limits = Self.limits
    // Only what is slow on purpose may be too slow: a machine that is busy must not decide.
    if ending == .timeout {
      (limits.rateGrace, limits.minimumRate) = (.milliseconds(200), 1_000_000)
    }
    if ending == .tooLarge { limits.heldBytes = 4_000_000 }
    try await TestSite.serve(limits: limits) { site in
      let client = try await site.connect()
      let half = Self.part(50_000)
      switch ending {
      case .gone:
        try await client.send(Array(Self.head().utf8) + half)
        try await taken(50_000, of: site)
        await client.vanish()
      case .tooLarge:
        let head = Self.head("keep", "Transfer-Encoding: chunked")
        try await client.send(Array(head.utf8))
        let chunk = Array("C350\r\n".utf8) + half + Array("\r\n".utf8)
        for _ in 0..<21 { try await client.send(chunk) }
        #expect(try await client.receiveToEnd().hasPrefix("HTTP/1.1 413 "))
      case .malformed:
        let head = Self.head("keep", "Transfer-Encoding: chunked")
        try await client.send(Array(head.utf8) + Array("C350\r\n".utf8) + half)
        try await taken(50_000, of: site)
        try await client.send("\r\nnonsense\r\n")
        #expect(try await client.receiveToEnd().hasPrefix("HTTP/1.1 400 "))
      case .timeout:
        try await client.send(Array(Self.head().utf8) + half)
        #expect(try await client.receiveToEnd().hasPrefix("HTTP/1.1 408 "))
      case .thrown:
        try await client.send(
          Array(Self.head("keep/throw").utf8) + Self.part(Self.bodyBytes))
        #expect(try await client.receiveToEnd().hasPrefix("HTTP/1.1 500 "))
      case .cancelled:
        try await client.send(
          Array(Self.head("keep/sleep").utf8) + Self.part(Self.bodyBytes))
        await site.handler.arrived.wait()
        #expect(site.server.site.bodies.takenBytes >= Self.bodyBytes)
        await client.vanish()
      }
      try await taken(0, of: site)
    }
  }
}
