import Foundation
import Testing

@testable import HTTP

@Suite(.timeLimit(.minutes(10))) struct TLSTests {
  private func handshake(
    _ site: TestSite, _ arguments: [String]
  ) async throws -> (status: Int32, output: String) {
    try await run(
      "openssl",
      [
        "s_client", "-connect", "127.0.0.1:\(site.securePort)", "-CAfile", TestSite.certificate,
        "-verify_return_error", "-ign_eof", "-quiet",
      ] + arguments, input: "GET /hello HTTP/1.1\r\nHost: vault\r\nConnection: close\r\n\r\n")
  }

  @Test(arguments: [
    (["-tls1_3"], true), (["-tls1_3", "-alpn", "h2,http/1.1"], true), (["-tls1_2"], false),
    (["-tls1_1", "-cipher", "ALL:@SECLEVEL=0"], false), (["-tls1_3", "-alpn", "h2"], false),
  ])
  func onlyTLS13AndHTTP11AreSpoken(arguments: [String], works: Bool) async throws {
    try await TestSite.serve { site in
      let result = try await handshake(site, arguments)
      #expect(result.output.contains("\r\n\r\nhello") == works)
    }
  }

  @Test func garbageAndClearTextEndTheConnection() async throws {
    try await TestSite.serve { site in
      for text in ["GET /hello HTTP/1.1\r\nHost: vault\r\n\r\n", "\u{16}\u{3}\u{1}\0\u{5}abcdefgh"]
      {
        let client = try WireClient()
        try await client.connect(port: site.securePort)
        try await client.send(text)
        #expect(!(try await client.receiveToEnd()).contains("hello"))
      }
      #expect(try await handshake(site, []).output.contains("hello"))
    }
  }

  @Test func aHandshakeThatStallsIsEnded() async throws {
    var limits = ServerLimits()
    limits.headTime = .milliseconds(100)
    try await TestSite.serve(limits: limits) { site in
      let client = try WireClient()
      try await client.connect(port: site.securePort)
      try await client.send([0x16, 0x03, 0x01])
      let begin = ContinuousClock.now
      #expect(try await client.receiveToEnd().isEmpty)
      // Not the grace of a response that could not be read anyway, which is ten seconds.
      #expect(begin.duration(to: .now) < .seconds(8))
    }
  }

  /// A listener that asks for certificates serves nobody without one of its own authority.
  @Test func strangersGetNoFurtherThanTheHandshake() async throws {
    let folder = TestSite.folder
    for name in ["friend", "stranger"] {
      let made = try await run(
        "openssl",
        [
          "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
          "-subj", "/CN=\(name)", "-keyout", "\(folder)/\(name).key", "-out",
          "\(folder)/\(name).pem", "-days", "2",
        ])
      #expect(made.status == 0, "\(made.output)")
    }
    try await TestSite.serve(clientCA: folder + "/friend.pem") { site in
      func with(_ name: String) -> [String] {
        ["-cert", "\(folder)/\(name).pem", "-key", "\(folder)/\(name).key"]
      }
      let friend = try await handshake(site, with("friend"))
      #expect(friend.output.contains("\r\n\r\nhello"))
      for identity in [with("stranger"), []] {
        let result = try await handshake(site, identity)
        #expect(!result.output.contains("\r\n\r\nhello"))
      }
    }
  }

  @Test func aCertificateAndAnotherKeyAreRefused() throws {
    let other = try SelfSignedCertificate.make(hosts: ["localhost"])
    let path = TestSite.folder + "/other.key"
    try Data(other.key).write(to: URL(fileURLWithPath: path))
    #expect(throws: HTTPError.self) {
      try TLSContext(certificateFile: TestSite.certificate, keyFile: path)
    }
    #expect(throws: HTTPError.self) {
      try TLSContext(certificateFile: "/nowhere", keyFile: path)
    }
  }

  @Test(arguments: [[], [""], ["a,IP:1.2.3.4"], ["a b"], ["a\n"], ["ä"], ["1.2.3.4.5"]])
  func aCertificateIsMadeForNamesAndAddressesOnly(hosts: [String]) {
    #expect(throws: HTTPError.self) { try SelfSignedCertificate.make(hosts: hosts) }
  }
}
