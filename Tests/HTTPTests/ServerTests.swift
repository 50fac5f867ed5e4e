import Foundation
import Testing

@testable import HTTP

/// How often a text occurs in another.
func occurrences(of text: String, in whole: String) -> Int {
  whole.components(separatedBy: text).count - 1
}

@Suite(.timeLimit(.minutes(30))) struct ServerTests {
  private static let host = "Host: vault\r\n"
  private static let hello = "GET /hello HTTP/1.1\r\nHost: vault\r\n\r\n"
  private static let last = "GET /hello HTTP/1.1\r\nHost: vault\r\nConnection: close\r\n\r\n"

  @Test func aRequestIsAnsweredInClearUnderTLSAndOnASocket() async throws {
    try await TestSite.serve { site in
      let plain = try await site.exchange(Self.last)
      #expect(plain.hasPrefix("HTTP/1.1 200 OK\r\nDate: "))
      #expect(
        plain.contains("\r\nX-Test: 1\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello"))
      let curl = ["-sS", "--max-time", "60"]
      let tls = try await run(
        "curl",
        curl + [
          "--cacert", TestSite.certificate,
          "https://localhost:\(site.securePort)/hello",
        ])
      #expect(tls.output == "hello")
      let local = try await run(
        "curl", curl + ["--unix-socket", site.socketPath, "http://anything/hello"])
      #expect(local.output == "hello")
    }
  }

  @Test func bodiesOfEveryShapeComeBackWholeUnderTLS() async throws {
    let data = Data((0..<3_000_001).map { UInt8(truncatingIfNeeded: $0 &* 31 >> 3) })
    let file = TestSite.folder + "/upload-\(UUID().uuidString)"
    try data.write(to: URL(fileURLWithPath: file))
    try await TestSite.serve { site in
      for extra in [[], ["-H", "Transfer-Encoding: chunked"], ["-H", "Expect: 100-continue"]] {
        let back = file + ".back"
        let result = try await run(
          "curl",
          ["-sS", "--max-time", "60", "--cacert", TestSite.certificate, "-T", file, "-o", back]
            + extra + ["https://127.0.0.1:\(site.securePort)/echo"])
        #expect(result.status == 0, "\(result.output)")
        #expect(try Data(contentsOf: URL(fileURLWithPath: back)) == data)
      }
    }
  }

  @Test(arguments: [
    ("vault", 200), ("VAULT:8443", 200), ("127.0.0.1", 200), ("[::1]:8443", 200),
    ("vault.", 421), ("evil.example", 421), ("[::2]", 421), ("xvault", 421),
  ])
  func onlyConfiguredNamesAreServed(host: String, status: Int) async throws {
    try await TestSite.serve { site in
      let answer = try await site.exchange(
        "GET /hello HTTP/1.1\r\nHost: \(host)\r\nConnection: close\r\n\r\n")
      #expect(answer.hasPrefix("HTTP/1.1 \(status) "))
    }
  }

  @Test func pipelinedRequestsAreAnsweredInOrder() async throws {
    try await TestSite.serve { site in
      let answer = try await site.exchange(
        Self.hello + "POST /count HTTP/1.1\r\n\(Self.host)Content-Length: 4\r\n\r\nabcd"
          + "POST /echo HTTP/1.1\r\n\(Self.host)Transfer-Encoding: chunked\r\n\r\n"
          + "3\r\nxyz\r\n0\r\n\r\n" + "HEAD /hello HTTP/1.1\r\n\(Self.host)\r\n" + Self.last)
      #expect(occurrences(of: "HTTP/1.1 200 OK", in: answer) == 5)
      let places = [
        "hello", "counted 4.", "3\r\nxyz\r\n0\r\n\r\n", "Connection: close\r\n\r\nhello",
      ]
      .map { answer.range(of: $0)?.lowerBound }
      #expect(places.allSatisfy { $0 != nil })
      #expect(places.compactMap { $0 }.sorted() == places.compactMap { $0 })
    }
  }

  /// One response, which closes: what follows the refused bytes is never taken for a request.
  @Test(arguments: [
    ("POST /count HTTP/1.1\r\n\(host)Content-Length: 5\r\nContent-Length: 6\r\n\r\nabcdef", 400),
    (
      "POST /count HTTP/1.1\r\n\(host)Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
      400
    ),
    ("POST /count HTTP/1.1\r\n\(host)Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", 501),
    (
      "POST /count HTTP/1.1\r\n\(host)Transfer-Encoding: chunked\r\n\r\n5 \r\nhello\r\n0\r\n\r\n",
      400
    ),
    (
      "POST /count HTTP/1.1\r\n\(host)Transfer-Encoding: chunked\r\n\r\n2\r\nhello\r\n0\r\n\r\n",
      400
    ),
    ("POST /ignore HTTP/1.1\r\n\(host)Transfer-Encoding: chunked\r\n\r\nzz\r\n", 200),
    ("GET /hello HTTP/1.1\n\(host)\n", 400),
    ("GET /hello HTTP/1.1\r\n\r\n", 400),
    ("GET /hello HTTP/1.1\r\nHost: evil.example\r\n\r\n", 421),
    ("GET /hello HTTP/3.0\r\n\(host)\r\n", 505),
    ("POST /small HTTP/1.1\r\n\(host)Content-Length: 11\r\n\r\nhello world", 413),
    ("POST /count HTTP/1.1\r\n\(host)Content-Length: 9000000000000\r\n\r\n", 413),
    ("GET /<a*10000> HTTP/1.1\r\n\(host)\r\n", 414),
    ("GET / HTTP/1.1\r\nX: <a*40000>\r\n\(host)\r\n", 431),
    ("GET /throw HTTP/1.1\r\n\(host)\r\n", 500),
    ("GET /silent HTTP/1.1\r\n\(host)\r\n", 500),
    ("GET /split HTTP/1.1\r\n\(host)\r\n", 500),
  ])
  func whatIsRefusedIsTheLastOfItsConnection(text: String, status: Int) async throws {
    try await TestSite.serve { site in
      let answer = try await site.exchange(expanded(text) + Self.hello)
      #expect(answer.hasPrefix("HTTP/1.1 \(status) "))
      #expect(occurrences(of: "HTTP/1.1", in: answer) == 1)
      if status >= 400 {
        #expect(answer.contains("Content-Type: application/problem+json\r\n"))
        #expect(answer.contains("\r\nConnection: close\r\n"))
        #expect(answer.contains("\"status\":\(status)"))
      }
    }
  }

  @Test func aBodyThatWasNotReadIsNotTheNextRequest() async throws {
    try await TestSite.serve { site in
      let smuggled = Self.hello
      let answer = try await site.exchange(
        "POST /ignore HTTP/1.1\r\n\(Self.host)Content-Length: \(smuggled.utf8.count)\r\n\r\n"
          + smuggled + Self.last)
      #expect(occurrences(of: "HTTP/1.1 200", in: answer) == 2)
      #expect(occurrences(of: "ignored.", in: answer) == 1)
      let big = String(repeating: Self.hello, count: 10_000)
      let closed = try await site.exchange(
        "POST /ignore HTTP/1.1\r\n\(Self.host)Content-Length: \(big.utf8.count)\r\n\r\n" + big)
      #expect(occurrences(of: "HTTP/1.1 200", in: closed) == 1)
      #expect(closed.contains("Connection: close"))
    }
  }

  @Test func theBodyIsAskedForOnlyWhenTheHandlerWantsIt() async throws {
    let head = "HTTP/1.1\r\n\(Self.host)Expect: 100-continue\r\nContent-Length: 3\r\n\r\n"
    try await TestSite.serve { site in
      let client = try await site.connect()
      try await client.send("POST /count \(head)")
      #expect(try await client.receive(until: "\r\n\r\n") == "HTTP/1.1 100 Continue\r\n\r\n")
      try await client.send("abc")
      try await client.receive(until: "counted 3.")

      let unwanted = try await site.exchange("POST /ignore \(head)")
      #expect(unwanted.hasPrefix("HTTP/1.1 200 OK"))
      #expect(unwanted.contains("Connection: close"))
    }
  }

  @Test func olderClientsAreAnsweredInTheirWay() async throws {
    try await TestSite.serve { site in
      let answer = try await site.exchange(
        "POST /echo HTTP/1.0\r\n\(Self.host)Content-Length: 3\r\n\r\nabc")
      #expect(answer.contains("Connection: close\r\n\r\nabc"))
      #expect(!answer.contains("chunked"))
      let head = try await site.exchange("HEAD /bytes/1000 HTTP/1.0\r\n\(Self.host)\r\n")
      #expect(head.contains("Content-Length: 1000\r\n"))
      #expect(head.hasSuffix("\r\n\r\n"))
    }
  }

  @Test func aClientThatHasFinishedSendingStillGetsItsResponse() async throws {
    try await TestSite.serve { site in
      let client = try await site.connect()
      try await client.send("GET /wait HTTP/1.1\r\n\(Self.host)\r\n")
      await client.finishSending()
      await site.handler.arrived.wait()
      site.handler.release.open()
      #expect(try await client.receiveToEnd().contains("waited."))
      let early = try await site.connect()
      try await early.send("POST /count HTTP/1.1\r\n\(Self.host)Content-Length: 9\r\n\r\nabc")
      await early.finishSending()
      #expect(!(try await early.receiveToEnd()).contains("counted"))
    }
  }

  @Test func aClientThatVanishesEndsItsDownload() async throws {
    try await TestSite.serve { site in
      let client = try await site.connect()
      try await client.send("GET /stream HTTP/1.1\r\n\(Self.host)\r\n")
      try await client.receive(count: 100_000)
      await client.vanish()
      await site.handler.cancelled.wait()
    }
  }

  @Test func aHangUpCancelsTheHandler() async throws {
    try await TestSite.serve { site in
      let client = try await site.connect()
      try await client.send("GET /sleep HTTP/1.1\r\n\(Self.host)\r\n")
      await site.handler.arrived.wait()
      await client.vanish()
      await site.handler.cancelled.wait()
    }
  }

  @Test(arguments: ["", "G", "GET / HT", "GET / HTTP/1.1\r\nHost: vault\r\nX: "])
  func aHeadThatIsNotWholeInTimeEndsTheConnection(start: String) async throws {
    var limits = ServerLimits()
    limits.headTime = .milliseconds(100)
    try await TestSite.serve(limits: limits) { site in
      var answer = ""
      if start.isEmpty {
        answer = try await site.exchange(start)
        #expect(answer.isEmpty)
      } else {
        // The first byte has no more time, and who is too slow with it is told nothing.
        for _ in 0..<60 where answer.isEmpty {
          answer = (try? await site.exchange(start)) ?? ""
        }
        #expect(answer.hasPrefix("HTTP/1.1 408 "))
      }
    }
  }

  @Test func oneHeaderByteAtATimeDoesNotPutTheEndOff() async throws {
    var limits = ServerLimits()
    limits.headTime = .milliseconds(200)
    try await TestSite.serve(limits: limits) { site in
      let client = try await site.connect()
      try await client.send("GET / HTTP/1.1\r\nX: ")
      await #expect(throws: WireClient.Failure.self) {
        while true {
          try await client.send("a")
          try await Task.sleep(for: .milliseconds(20))
        }
      }
    }
  }

  @Test func anIdleConnectionIsClosed() async throws {
    var limits = ServerLimits()
    limits.idleTime = .milliseconds(50)
    try await TestSite.serve(limits: limits) { site in
      let answer = try await site.exchange(Self.hello)
      #expect(occurrences(of: "HTTP/1.1", in: answer) == 1)
    }
  }

  @Test func aBodyThatCreepsIsRefused() async throws {
    var limits = ServerLimits()
    limits.rateGrace = .milliseconds(100)
    try await TestSite.serve(limits: limits) { site in
      let answer = try await site.exchange(
        "POST /count HTTP/1.1\r\n\(Self.host)Content-Length: 1000\r\n\r\nabc")
      #expect(answer.hasPrefix("HTTP/1.1 408 "))
    }
  }

  @Test func aClientThatDoesNotReadIsCut() async throws {
    var limits = ServerLimits()
    limits.rateGrace = .milliseconds(100)
    limits.minimumRate = 1 << 40
    try await TestSite.serve(limits: limits) { site in
      let client = try await site.connect()
      await client.shrinkReceiveBuffer()
      try await client.send("GET /stream HTTP/1.1\r\n\(Self.host)\r\n")
      await site.handler.cancelled.wait()
      #expect(try await client.endsByReset())
    }
  }

  /// A megabyte at the minimum rate takes a quarter of an hour: so long it must not stall at once.
  @Test func aClientThatWasFastMayNotStallForLong() async throws {
    var limits = ServerLimits()
    limits.rateGrace = .milliseconds(50)
    limits.stallTime = .milliseconds(100)
    try await TestSite.serve(limits: limits) { site in
      let sent = String(repeating: "x", count: 1 << 20)
      let answer = try await site.exchange(
        "POST /count HTTP/1.1\r\n\(Self.host)Content-Length: 2000000\r\n\r\n\(sent)")
      #expect(answer.hasPrefix("HTTP/1.1 408 "))
      let client = try await site.connect()
      await client.shrinkReceiveBuffer()
      try await client.send("GET /stream HTTP/1.1\r\n\(Self.host)\r\n")
      await site.handler.cancelled.wait()
      #expect(try await client.endsByReset())
    }
  }

  @Test func aWholeRequestHasItsLimitToo() async throws {
    var limits = ServerLimits()
    limits.requestTime = .milliseconds(100)
    try await TestSite.serve(limits: limits) { site in
      let client = try await site.connect()
      try await client.send("GET /sleep HTTP/1.1\r\n\(Self.host)\r\n")
      await site.handler.cancelled.wait()
      #expect(try await client.receiveToEnd() == "")
    }
  }

  /// A part is never taken for the whole: the client sees a reset, not an end.
  @Test(arguments: ["short", "long", "torn"])
  func aResponseThatBreaksIsCut(path: String) async throws {
    try await TestSite.serve { site in
      let client = try await site.connect()
      try await client.send("GET /\(path) HTTP/1.1\r\n\(Self.host)\r\n")
      #expect(try await client.endsByReset())
    }
  }

  /// When both sides have sent their last byte, most of the response is still in the kernel.
  @Test func aClientThatHasFinishedSpeakingGetsTheWholeResponse() async throws {
    try await TestSite.serve { site in
      for close in ["", "Connection: close\r\n"] {
        let client = try WireClient()
        try await client.connect(port: site.port)
        await client.shrinkReceiveBuffer()
        try await client.send("GET /bytes/1000000 HTTP/1.1\r\n\(Self.host)\(close)\r\n")
        await client.finishSending()
        // Long enough for the server to have sent all that it will.
        try await Task.sleep(for: .milliseconds(200))
        let answer = try await client.receiveToEnd()
        #expect(answer.hasPrefix("HTTP/1.1 200 "))
        #expect(answer.hasSuffix(String(repeating: "x", count: 1_000_000)))
      }
    }
  }

  /// A client that reads only when it has sent everything still finds why it was refused.
  @Test func whoSendsTooMuchIsReadUntilItLooksUp() async throws {
    var limits = ServerLimits()
    limits.bodyBytes = 10
    try await TestSite.serve(limits: limits) { site in
      let client = try await site.connect()
      try await client.send(
        "POST /count HTTP/1.1\r\n\(Self.host)Content-Length: 100000000\r\n\r\n")
      let piece = [UInt8](repeating: 0x78, count: 1_000_000)
      for _ in 0..<100 { try await client.send(piece) }
      #expect(try await client.receiveToEnd().hasPrefix("HTTP/1.1 413 "))
    }
  }

  @Test func tooManyConnectionsAreToldSo() async throws {
    var limits = ServerLimits()
    limits.connectionsPerAddress = 2
    try await TestSite.serve(limits: limits) { site in
      let first = try await site.connect()
      let second = try await site.connect()
      for client in [first, second] {
        try await client.send(Self.hello)
        try await client.receive(until: "hello")
      }
      #expect(try await site.exchange("").hasPrefix("HTTP/1.1 503 "))
      await first.finishSending()
      _ = try await first.receiveToEnd()
      // The place is free once the server has seen the end, which it shows by closing.
      await first.close()
      var answer = ""
      repeat { answer = try await site.exchange(Self.last) } while answer.contains(" 503 ")
      #expect(answer.hasSuffix("hello"))
    }
  }

  @Test func aConnectionServesSoManyRequests() async throws {
    var limits = ServerLimits()
    limits.requestsPerConnection = 2
    try await TestSite.serve(limits: limits) { site in
      let answer = try await site.exchange(Self.hello + Self.hello + Self.hello)
      #expect(occurrences(of: "HTTP/1.1 200", in: answer) == 2)
      #expect(occurrences(of: "Connection: close", in: answer) == 1)
    }
  }

  @Test func theKernelSaysWhoIsAtTheSocket() async throws {
    try await TestSite.serve { site in
      let client = try WireClient()
      try await client.connect(path: site.socketPath)
      try await client.send("GET /peer HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
      let answer = try await client.receiveToEnd()
      let peer = Peer.local(uid: getuid(), gid: getgid(), pid: getpid())
      #expect(answer.hasSuffix("\(peer)"))
      let plain = try await site.exchange(
        "GET /peer HTTP/1.1\r\n\(Self.host)Connection: close\r\n\r\n")
      #expect(plain.hasSuffix("\(Peer.internet(address: "127.0.0.1"))"))
    }
  }

  @Test func aSocketIsReplacedButNoFileIs() throws {
    // Longer than a `sockaddr_un` holds.
    let folder = TestSite.folder + "/" + String(repeating: "long", count: 30)
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    let path = folder + "/vault.sock"
    func make() throws -> Server {
      try Server(
        ServerConfiguration(listeners: [.unix(path: path, mode: 0o600)], hosts: []),
        handler: TestHandler())
    }
    _ = try make()
    _ = try make()
    var status = stat()
    #expect(unsafe stat(path, &status) == 0)
    #expect(status.st_mode & 0o777 == 0o600)
    try FileManager.default.removeItem(atPath: path)
    try Data("precious".utf8).write(to: URL(fileURLWithPath: path))
    let error = #expect(throws: HTTPError.self) { try make() }
    #expect(error?.code == .unavailable)
    #expect(try Data(contentsOf: URL(fileURLWithPath: path)) == Data("precious".utf8))
  }

  @Test func anAddressInUseIsAnError() throws {
    let site = try TestSite()
    let error = #expect(throws: HTTPError.self) {
      try Server(
        ServerConfiguration(
          listeners: [.tcp(address: "127.0.0.1", port: site.port, tls: nil)], hosts: []),
        handler: TestHandler())
    }
    #expect(error?.code == .unavailable)
  }
}
