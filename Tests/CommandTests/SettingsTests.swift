import Adapters
import Cryptography
import Encoding
import TLSClient
import Testing
import YAML

@testable import callvault

@Suite struct SettingsTests {
  private static let made = Settings(
    tenant: .random(), origin: "vault.example.org/callvault", administrator: 1000,
    hosts: ["localhost", "vault.example.org"], keys: "/mnt/a \"key\" \\ place",
    passphraseFile: nil)

  @Test func whatInitWritesIsWhatServeReads() throws {
    let made = Self.made
    let read = try Settings(
      parsing: Array(made.text.utf8), file: "callvault.yaml", environment: { _ in nil })
    #expect(read.tenant == made.tenant && read.origin == made.origin)
    #expect(read.administrator == 1000 && read.hosts == made.hosts)
    #expect(read.keys == made.keys && read.passphraseFile == nil)
    #expect(read.listen == .standard && read.recordingLimit == 4 << 30)
  }

  @Test(arguments: [
    ("colour: red", "callvault.yaml:"), ("listen: nowhere", "127.0.0.1:8443"),
    ("tls: { certificate: a.pem }", "go together"), ("recording_limit_mib: 0", "1"),
    ("passphrase_file: ${NOT_SET}", "default"),
    ("anchors: { witness: { every: 1h, limit: 10m } }", "not be shorter"),
    ("anchors: { timestamp: { url: \"http://tsa.example\" } }", "'ca'"),
    ("anchors: { copy: { path: /mnt/other, every: 2d } }", "1 to 86400 seconds"),
    ("anchors: { polcy: /etc/policy }", "polcy"),
    ("sinks: { Siem: { json: { folder: /a } } }", "name"),
    ("sinks: { a: { json: { folder: a } } }", "path"),
    ("sinks: { a: { age_limit: 5m } }", "one of `syslog` and `json`"),
    ("sinks: { a: { json: { folder: /a }, syslog: { host: b, ca: /c } } }", "one of"),
    ("sinks: { a: { json: { folder: /a }, age_limit: 1s } }", "10s to 7d"),
    ("sinks: { a: { syslog: { host: b } } }", "'ca'"),
    ("sinks: { a: { syslog: { host: b, ca: /c, key: /d } } }", "go together"),
    ("sinks: { a: { syslog: { host: b, ca: /c, facility: 24 } } }", "23"),
    ("sinks: { a: { syslog: { host: b, ca: /c, enterprise: 32473 } } }", "for examples"),
    ("sinks: { a: { syslog: { host: b, ca: /c, confirm: never } } }", "close-notify"),
  ])
  func aWrongLineIsNamedWithItsPlace(line: String, says: String) {
    let key = line.prefix { $0 != ":" }
    let lines = Self.made.text.split(separator: "\n").filter { !$0.hasPrefix("\(key):") }
    let text = (lines.map(String.init) + [line]).joined(separator: "\n") + "\n"
    let error = #expect(throws: YAMLError.self) {
      _ = try Settings(
        parsing: Array(text.utf8), file: "callvault.yaml", environment: { _ in nil })
    }
    #expect(error.map { "\($0)".contains(says) } == true, "\(error.map { "\($0)" } ?? "")")
    #expect(error.map { "\($0)".hasPrefix("callvault.yaml:") } == true)
  }

  @Test func sinksAreReadInTheirOrder() throws {
    let text =
      Self.made.text + """
        sinks:
          siem: { syslog: { host: siem.example, ca: /etc/ca.pem, confirm: close }, age_limit: 1h }
          lines: { json: { folder: /var/log/callvault/ } }

        """
    let sinks = try Settings(
      parsing: Array(text.utf8), file: "callvault.yaml", environment: { _ in nil }
    ).sinks
    #expect(sinks.map(\.name) == ["siem", "lines"])
    #expect(sinks.map(\.ageLimit) == [.seconds(3600), .seconds(300)])
    #expect(
      sinks.map(\.destination) == [
        "syslog over TLS to siem.example port 6514", "JSON lines to /var/log/callvault",
      ])
    guard case .syslog(let settings, let facility, nil, let confirmation) = sinks[0].receiver else {
      Issue.record("not a syslog sink")
      return
    }
    #expect(settings.port == 6514 && settings.certificate == nil)
    #expect(facility == 13 && confirmation == .close)
  }

  @Test(arguments: [
    ("plain", "plain" as String?), ("${A}", "1"), ("x${A}y${B:-2}z", "x1y2z"), ("${B}", nil),
    ("${B:-}", ""), ("${A", nil), ("$A {A}", "$A {A}"), ("${B:-a:-b}", "a:-b"),
  ])
  func variablesAreFilledIn(text: String, result: String?) {
    #expect(expand(text) { $0 == "A" ? "1" : nil } == result)
  }

  @Test(arguments: [
    ("127.0.0.1:8443", true), ("[::1]:443", true), ("0.0.0.0:0", true), ("::1:443", false),
    (":443", false), ("localhost", false), ("a:70000", false), ("a:+1", false), ("", false),
  ])
  func addressesHaveAPort(text: String, isGood: Bool) {
    let address = ListenAddressText(text)
    #expect((address != nil) == isGood)
    if let address { #expect("\(address)" == text) }
  }
}
