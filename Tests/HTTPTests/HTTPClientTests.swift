import Foundation
import Glibc
import HTTPClient
import Testing
import Threading

@testable import HTTP

@Suite(.timeLimit(.minutes(30))) struct HTTPClientTests {
  struct Full: Error {}

  private func client(_ site: TestSite) throws -> HTTPClient {
    try HTTPClient(
      .server(
        origin: "https://localhost:\(site.securePort)", trust: .file(TestSite.certificate)))
  }

  @Test func filesAndBytesGoAndComeWhole() async throws {
    let data = Data((0..<2_500_001).map { UInt8(truncatingIfNeeded: $0 &* 37 >> 4) })
    let path = TestSite.folder + "/client-\(UUID().uuidString)"
    try data.write(to: URL(fileURLWithPath: path))
    try await TestSite.serve { site in
      let clients = [try client(site), try HTTPClient(.socket(path: site.socketPath))]
      for client in clients {
        let body = ClientRequest("POST", "/echo", body: .file(path: path))
        let kept = try await client.send(body)
        #expect(kept.status == 200)
        #expect(Data(kept.body) == data)
        let received = Lock([UInt8]())
        let answer = try await client.download(body) { status, piece in
          received.withLock { $0 += piece }
        }
        #expect(answer.body.isEmpty)
        #expect(Data(received.withLock { $0 }) == data)
        let small = try await client.send(
          ClientRequest("PUT", "/count?x=1", body: .bytes(Array("abc".utf8))))
        #expect(small.body == Array("counted 3.".utf8))
        let head = try await client.send(ClientRequest("HEAD", "/hello"))
        #expect(head.body.isEmpty)
        #expect(head["content-LENGTH"] == "5")
        #expect(head["X-Test"] == "1")
      }
    }
  }

  @Test func aRefusalIsAnAnswer() async throws {
    try await TestSite.serve { site in
      let client = try client(site)
      let answer = try await client.download(ClientRequest("GET", "/throw")) { _, _ in
        Issue.record("the body of an error is not the download")
      }
      #expect(answer.status == 500)
      #expect(!answer.isSuccess)
      #expect(answer["content-type"] == "application/problem+json")
      #expect(String(decoding: answer.body, as: UTF8.self).contains("\"status\":500"))
      // The connection that the server closed is no hindrance.
      #expect(try await client.send(ClientRequest("GET", "/hello")).status == 200)
    }
  }

  @Test func aPartIsNotTheWhole() async throws {
    try await TestSite.serve { site in
      let client = try client(site)
      for path in ["/short", "/torn"] {
        let error = await #expect(throws: HTTPClientError.self) {
          try await client.send(ClientRequest("GET", path))
        }
        #expect(error?.code == .interrupted)
      }
      let error = await #expect(throws: HTTPClientError.self) {
        try await client.download(ClientRequest("GET", "/stream")) { _, _ in throw Full() }
      }
      #expect(error?.cause is Full)
    }
  }

  @Test func onlyTheCertificateThatWasNamedIsBelieved() async throws {
    let other = try SelfSignedCertificate.make(hosts: ["localhost"])
    let path = TestSite.folder + "/other.pem"
    try Data(other.certificate).write(to: URL(fileURLWithPath: path))
    try await TestSite.serve { site in
      let origin = "https://localhost:\(site.securePort)"
      for trust in [Endpoint.Trust.file(path), .system, .file("/nowhere")] {
        let client = try HTTPClient(.server(origin: origin, trust: trust))
        let error = await #expect(throws: HTTPClientError.self) {
          try await client.send(ClientRequest("GET", "/hello"))
        }
        #expect(error?.code == .tls)
      }
    }
  }

  /// A socket that has a port of the loopback and does not listen: who connects there is refused.
  private func deafSocket() throws -> (descriptor: Int32, port: UInt16) {
    let descriptor = socket(
      AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    unsafe inet_pton(AF_INET, "127.0.0.1", &address.sin_addr)
    var size = socklen_t(MemoryLayout<sockaddr_in>.size)
    let results = unsafe withUnsafeMutablePointer(to: &address) {
      unsafe $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        unsafe [bind(descriptor, $0, size), getsockname(descriptor, $0, &size)]
      }
    }
    try #require(results == [0, 0])
    return (descriptor, UInt16(bigEndian: address.sin_port))
  }

  @Test func nobodyAtHomeIsUnreachable() async throws {
    // Held to the end: a free port may be another test's by now.
    let (descriptor, port) = try deafSocket()
    defer { close(descriptor) }
    for endpoint in [
      Endpoint.server(origin: "http://127.0.0.1:\(port)", trust: .system),
      .socket(path: "/nowhere/at/all.sock"), .socket(path: TestSite.folder + "/none.sock"),
    ] {
      let client = try HTTPClient(endpoint)
      let error = await #expect(throws: HTTPClientError.self) {
        try await client.send(ClientRequest("GET", "/"))
      }
      #expect(error?.code == .unreachable)
    }
  }

  /// A server that is never idle must not hold whoever waits for its whole answer.
  @Test func aServerThatDripsIsTooSlow() async throws {
    try await TestSite.serve { site in
      let endpoint = Endpoint.server(
        origin: "https://localhost:\(site.securePort)", trust: .file(TestSite.certificate))
      let client = try HTTPClient(endpoint, idleSeconds: 600, totalSeconds: 1)
      let error = await #expect(throws: HTTPClientError.self) {
        try await client.send(ClientRequest("GET", "/drip"))
      }
      #expect(error?.code == .timeout)
      // The limit is of one request, not of the client. A busy machine may need more than a second
      // for an answer, so it has some; the client's own second would be over for each of them.
      var status: Int?
      for _ in 0..<60 where status == nil {
        do throws(HTTPClientError) {
          status = try await client.send(ClientRequest("GET", "/hello")).status
        } catch {
          #expect(error.code == .timeout)
        }
      }
      #expect(status == 200)
    }
  }

  @Test func cancellingEndsARequest() async throws {
    try await TestSite.serve { site in
      let client = try client(site)
      let asking = Task { try await client.send(ClientRequest("GET", "/sleep")) }
      await site.handler.arrived.wait()
      asking.cancel()
      let error = await #expect(throws: HTTPClientError.self) { try await asking.value }
      #expect(error?.code == .interrupted)
      await site.handler.cancelled.wait()
    }
  }

  @Test(arguments: [
    "ftp://localhost", "localhost:8443", "https://", "https://a/b", "https://user@a",
    "https://a b", "http://vault.example", "http://localhost.example:80", "http://127.0.0.10",
  ])
  func whatIsNotAnOriginIsRefused(origin: String) {
    let error = #expect(throws: HTTPClientError.self) {
      try HTTPClient(.server(origin: origin, trust: .system))
    }
    #expect(error?.code == .unusable)
  }

  @Test func noInputCanSplitARequest() async throws {
    try await TestSite.serve { site in
      let client = try client(site)
      for request in [
        ClientRequest("GET", "/a b"), ClientRequest("GET", "/a\r\nX: y"), ClientRequest("GET", "a"),
        ClientRequest("GE T", "/"),
        ClientRequest("GET", "/hello", headers: [.init("X", "a\r\nY: b")]),
        ClientRequest("GET", "/hello", headers: [.init("X: y\r\nZ", "a")]),
        ClientRequest("PUT", "/echo", body: .file(path: "/nowhere")),
        ClientRequest("PUT", "/echo", body: .file(path: "/")),
      ] {
        let error = await #expect(throws: HTTPClientError.self) { try await client.send(request) }
        #expect(error?.code == .unusable)
      }
    }
  }

  @Test func textIsEncodedForATarget() throws {
    let text = "Dr. Müller & +1/2?%"
    let encoded = ClientRequest.encoded(text)
    #expect(encoded == "Dr.%20M%C3%BCller%20%26%20%2B1%2F2%3F%25")
    let target = try RequestTarget(parsing: Array("/?q=\(encoded)".utf8)[...])
    #expect(target.query.first?.value == text)
  }
}
