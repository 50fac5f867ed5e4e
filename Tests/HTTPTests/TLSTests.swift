import Foundation
import Testing

@testable import HTTP

@Suite(.timeLimit(.minutes(30))) struct TLSTests {
  private func handshake(
    _ site: TestSite, _ arguments: [String]
  ) async throws -> (status: Int32, output: String) {
    try await run(
      "openssl",
      [
        "s_client", "-connect", "127.0.0.1:\(site.securePort)", "-verify_return_error", "-ign_eof",
        "-quiet",
      ] + (arguments.contains("-CAfile") ? [] : ["-CAfile", TestSite.certificate]) + arguments,
      input: "GET /hello HTTP/1.1\r\nHost: vault\r\nConnection: close\r\n\r\n")
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

  /// New keys cost us more than whoever sends them, and a session takes them all before it gives a byte.
  @Test(arguments: [(100, true), (20_000, false)])
  func newKeysInsteadOfARequestEndTheConnection(count: Int, isServed: Bool) async throws {
    try await TestSite.serve { site in
      let client = try KeyUpdateClient()
      let answer = try await client.ask(port: site.securePort, afterNewKeys: count)
      #expect(answer.contains("hello") == isServed)
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

  /// Makes a key and a certificate in PEM for each name, signed by `authority` or by itself.
  private func certify(
    _ names: [String], by authority: String? = nil, days: Int = 2
  ) async throws {
    let folder = TestSite.folder
    let new = [
      "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-addext",
      "subjectAltName=DNS:localhost,IP:127.0.0.1",
    ]
    for name in names {
      let files = ["-subj", "/CN=\(name)", "-keyout", "\(folder)/\(name).key", "-out"]
      var steps = [["req", "-x509", "-days", "\(days)"] + new + files + ["\(folder)/\(name).pem"]]
      if let authority {
        steps = [
          ["req", "-new"] + new + files + ["\(folder)/\(name).csr"],
          [
            "x509", "-req", "-days", "\(days)", "-in", "\(folder)/\(name).csr", "-out",
            "\(folder)/\(name).pem", "-CA", "\(folder)/\(authority).pem", "-CAkey",
            "\(folder)/\(authority).key", "-CAcreateserial",
          ],
        ]
      }
      for step in steps {
        let made = try await run("openssl", step)
        #expect(made.status == 0, "\(made.output)")
      }
    }
  }

  /// A listener that asks for certificates serves nobody without one of its own authority.
  @Test func strangersGetNoFurtherThanTheHandshake() async throws {
    let folder = TestSite.folder
    try await certify(["authority", "other-authority", "self-signed"])
    try await certify(["friend"], by: "authority")
    try await certify(["expired"], by: "authority", days: -1)
    try await certify(["stranger"], by: "other-authority")
    try await TestSite.serve(clientCA: folder + "/authority.pem") { site in
      func answers(_ identity: [String]) async throws -> Bool {
        try await handshake(site, identity).output.contains("\r\n\r\nhello")
      }
      func with(_ name: String, key: String? = nil) -> [String] {
        ["-cert", "\(folder)/\(name).pem", "-key", "\(folder)/\(key ?? name).key"]
      }
      #expect(try await answers(with("friend")) == true)
      for name in ["expired", "stranger", "self-signed", "other-authority"] {
        let isAnswered = try await answers(with(name))
        #expect(!isAnswered, "\(name)")
      }
      #expect(try await answers([]) == false)
      #expect(try await answers(with("friend")) == true)
    }
  }

  /// Puts a certificate and a key where the server reads them.
  private func install(_ name: String, key: String? = nil) throws {
    let folder = TestSite.folder
    for (source, target) in [("\(name).pem", "renewed.pem"), ("\(key ?? name).key", "renewed.key")]
    {
      let data = try #require(FileManager.default.contents(atPath: "\(folder)/\(source)"))
      try data.write(to: URL(fileURLWithPath: "\(folder)/\(target)"))
    }
  }

  @Test func aRenewedCertificateServesWhoeverComesNext() async throws {
    try await certify(["old", "new"])
    let folder = TestSite.folder
    try install("old")
    let context = try TLSContext(
      certificateFile: folder + "/renewed.pem", keyFile: folder + "/renewed.key")
    try await TestSite.serve(tls: context) { site in
      func serves(_ name: String) async throws -> Bool {
        try await handshake(site, ["-CAfile", "\(folder)/\(name).pem"]).output.contains("hello")
      }
      #expect(try await serves("old"))
      try install("new")
      #expect(try await serves("old"))
      try context.reload()
      #expect(try await serves("new"))
      #expect(try await serves("old") == false)
      // Half a renewal, and none: what serves goes on.
      try install("old", key: "new")
      #expect(throws: HTTPError.self) { try context.reload() }
      try FileManager.default.removeItem(atPath: folder + "/renewed.pem")
      #expect(throws: HTTPError.self) { try context.reload() }
      #expect(try await serves("new"))
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
