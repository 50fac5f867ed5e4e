import Failover
import SIP
import SIPTransport
import Testing
import Threading
import YAML

@testable import Adapters

@Suite struct SIPAdapterTests {
  static func node(_ text: String) throws -> YAMLNode {
    try YAMLNode(parsing: Array(text.utf8), file: "routing.yaml")
  }

  static func route(_ contacts: String...) throws -> Route {
    Route(
      id: try #require(RouteID("desk")), provider: .threeCX,
      contacts: try contacts.map { try #require(RouteContact($0)) })
  }

  static func plan(
    version: Int64 = 1, route: Route, endsInMs: Int64 = 60_000
  ) -> RoutePlan {
    RoutePlan(
      version: version, fencing: 1, state: .normal, route: route,
      expires: Moment(milliseconds: MonotonicClock.milliseconds + endsInMs), decidedAtMs: 0,
      usesAI: false)
  }

  @Test(arguments: [
    (ProbeEvent.Result.sent, ProbeObservation.Result.sent),
    (.answered(status: 486, isLate: true), .alive(roundTripMs: 7)),
    (.draining(seconds: 30), .drain(forMs: 30_000)), (.missed(.timeout), .missed(.timeout)),
    (.missed(.refused), .missed(.refused)), (.missed(.unreachable), .missed(.unreachable)),
    (.missed(.tls), .missed(.tlsFailed)),
    (.missed(.serverError(status: 500)), .missed(.serverError)),
  ])
  func whatAProbeFindsIsToldAsItIs(
    found: ProbeEvent.Result, told: ProbeObservation.Result
  ) {
    let event = ProbeEvent(number: 0, result: found, sent: 1_000_000, at: 8_900_000)
    #expect(SIPOptionsProbe.result(of: event) == told)
  }

  @Test(arguments: [
    "address: 192.0.2.1", "{address: \"2001:db8::1\", port: 5080, transport: tcp}",
    "{address: 192.0.2.1, interval_ms: 1000, timeout_ms: 900}",
  ])
  func settingsOfAProbeAreTaken(text: String) throws {
    let target = try #require(TargetID("pbx"))
    #expect(throws: Never.self) { try SIPOptionsProbe(target: target, settings: Self.node(text)) }
  }

  @Test(arguments: [
    "port: 5060", "address: pbx.example.org", "{address: 192.0.2.1, port: 0}",
    "{address: 192.0.2.1, transport: ws}", "{address: 192.0.2.1, interval_ms: 5}",
    "{address: 192.0.2.1, ca_file: a}", "{address: 192.0.2.1, transport: tls}",
    "{address: 192.0.2.1, transport: tls, ca_file: /nowhere/ca.pem, server_name: a.example}",
    "{address: 192.0.2.1, url: x}",
  ])
  func settingsOfAProbeAreRefused(text: String) throws {
    let target = try #require(TargetID("pbx"))
    #expect(throws: YAMLError.self) {
      try SIPOptionsProbe(target: target, settings: Self.node(text))
    }
  }

  static func redirect(_ text: String, routes: [Route] = []) throws -> SIPRedirect {
    try SIPRedirect(
      settings: node(text), routes: routes, allowsPrivate: false, emergencyNumbers: ["144"],
      plan: { nil })
  }

  static let settings = """
    listen: [{address: 127.0.0.1, port: PORT}]
    sources: [127.0.0.1]
    safe: ["sip:safe@pbx.example.com"]
    number_domain: sbc.example.com;transport=tls
    """

  @Test(arguments: [
    ("127.0.0.1]", "127.0.0.1/8]"), ("sip:safe@pbx.example.com", "sip:safe@10.0.0.1"),
    ("sip:safe@pbx.example.com", "sip:911@pbx.example.com"),
    ("[\"sip:safe@pbx.example.com\"]", "[]"),
    ("safe:", "unsafe:"), ("port: 5060", "port: 5060, transport: tls"),
    ("address: 127.0.0.1", "address: localhost"),
  ])
  func settingsOfTheServerAreRefused(part: String, change: String) throws {
    let text = Self.settings.replacing("PORT", with: "5060").replacing(part, with: change)
    #expect(throws: YAMLError.self) { try Self.redirect(text) }
  }

  @Test func thePlansContactsAreServedUntilItEnds() throws {
    let form = ContactForm(numberDomain: "sbc.example.com;transport=tls", allowsPrivate: false)
    let current = Lock<RoutePlan?>(nil)
    let contacts = PlannedContacts(form: form, plan: { current.withLock { $0 } })
    #expect(contacts.current() == nil)
    let first = try Self.plan(route: Self.route("sip:desk@pbx.example.com", "+13125550100"))
    current.withLock { $0 = first }
    #expect(contacts.current()?.id == "desk")
    let ended = try Self.plan(route: Self.route("sip:desk@pbx.example.com"), endsInMs: -1)
    current.withLock { $0 = ended }
    #expect(contacts.current() == nil)
    // Nothing of it can be used: the safe plan is better than an empty answer.
    let unusable = try Self.plan(version: 2, route: Self.route("sip:desk@10.0.0.1"))
    current.withLock { $0 = unusable }
    #expect(contacts.current() == nil)
    let partly = try Self.plan(
      version: 3, route: Self.route("sip:desk@10.0.0.1", "sip:desk@pbx.example.com"))
    current.withLock { $0 = partly }
    #expect(contacts.current() != nil)
  }

  @Test func aNumberIsCalledAtItsDomain() throws {
    let number = try #require(RouteContact("+13125550100", preference: 250))
    let form = ContactForm(numberDomain: "sbc.example.com;transport=tls", allowsPrivate: false)
    #expect(
      try form.contact(number).address.description
        == "sip:+13125550100@sbc.example.com;transport=tls")
    #expect(throws: SIPError.self) {
      try ContactForm(numberDomain: nil, allowsPrivate: false).contact(number)
    }
    let text = Self.settings.replacing("PORT", with: "5060")
    #expect(throws: Never.self) {
      try Self.redirect(text, routes: [Self.route("+13125550100", "sip:desk@pbx.example.com")])
    }
    for contact in ["sip:desk@10.0.0.1", "sip:a@b.example;lr", "sip:desk@pbx"] {
      #expect(throws: YAMLError.self) { try Self.redirect(text, routes: [Self.route(contact)]) }
    }
  }

  // What the domain says must never be routed, the server below never redirects.
  @Test func bothKnowTheSameEmergencyNumbers() throws {
    for number in EmergencyNumbers.numbers.sorted() + ["9911", "1911", "+1911", "sos"] {
      let uri = "sip:\(number)@pbx.example.com"
      #expect(EmergencyNumbers.isTouched(by: uri))
      let text =
        "INVITE \(uri) SIP/2.0\r\nVia: SIP/2.0/UDP a.example;branch=z9hG4bK1\r\nFrom: <sip:a@a.example>;tag=1"
        + "\r\nTo: <sip:b@a.example>\r\nCall-ID: 1\r\nCSeq: 1 INVITE\r\n\r\n"
      let request = try SIPRequest(SIPMessage(datagram: Array(text.utf8)))
      guard case .answer(let answer) = Redirection(request), case .emergency = answer else {
        Issue.record("\(number) is redirected")
        continue
      }
      #expect(throws: SIPError.self) { try ContactAddress(uri) }
    }
  }
}
