import Testing

@testable import SIP

@Suite struct RedirectionTests {
  @Test func anInviteIsSentToThePlansContactsBestFirst() throws {
    #expect(
      answer(invite()) == """
        SIP/2.0 302 Moved Temporarily\r
        Via: SIP/2.0/UDP 203.0.113.9:5060;branch=z9hG4bK74bf9;received=203.0.113.9;rport=5080\r
        From: "Anna" <sip:+13125550199@203.0.113.9>;tag=9fxced76sl\r
        To: <sip:+13125550123@198.51.100.1>;tag=a1b2\r
        Call-ID: 3848276298220188511@203.0.113.9\r
        CSeq: 1 INVITE\r
        Contact: <sips:+13125550100@sbc.example.com:5061;transport=tls>;q=1, \
        <sip:desk@pbx.example.com>;q=0.500\r
        Content-Length: 0\r
        \r

        """)
  }

  @Test func aNumberOfItsOwnHasItsOwnList() throws {
    let night = try #require(answer(invite(to: "sip:+1-312-555-0777@198.51.100.1")))
    #expect(night.contains("Contact: <sip:night@pbx.example.com>;q=1\r\n"))
  }

  // Toll fraud: whoever could choose the contact could have the practice pay for any call.
  @Test func noByteOfARequestEntersAContact() throws {
    let wanted = try #require(answer(invite()))
    let contact = try #require(wanted.split(separator: "\r\n").first { $0.hasPrefix("Contact") })
    let attempts = [
      invite(to: "sip:+13125550123@evil.example;maddr=192.0.2.66?Contact=x"),
      invite(to: "sip:%0d%0aContact:%20x@198.51.100.1"),
      invite(toValue: "\"Contact: <sip:evil@evil.example>\" <sip:x@198.51.100.1>"),
      invite(fields: "Contact: <sip:evil@evil.example>;q=1\nRoute: <sip:evil.example;lr>"),
      invite(via: "SIP/2.0/UDP evil.example;branch=z9hG4bK1;x=\"Contact: <sip:evil>\""),
    ]
    for attempt in attempts {
      guard let text = answer(attempt) else { continue }
      let contacts = text.split(separator: "\r\n").filter { $0.hasPrefix("Contact") }
      #expect(contacts == (text.contains(" 302 ") ? [contact] : []), "\(text)")
    }
  }

  @Test(arguments: [
    "sip:911@198.51.100.1", "sips:911@198.51.100.1", "tel:911", "tel:911;phone-context=+1",
    "sip:911;phone-context=+1@198.51.100.1;user=phone", "sip:9-1-1@198.51.100.1",
    "sip:%39%31%31@198.51.100.1", "sip:+1911@198.51.100.1", "sip:9911@198.51.100.1",
    "sip:911:secret@198.51.100.1", "sip:933@198.51.100.1", "sip:988@198.51.100.1",
    "sip:112@198.51.100.1", "urn:service:sos", "URN:Service:SOS.fire", "urn:service:s%6Fs",
    "urn:service:test.sos", "sip:urn%3Aservice%3Asos@198.51.100.1", "sip:sos@198.51.100.1",
    "sip:sos.police@198.51.100.1",
  ])
  func anEmergencyCallIsNeverRedirected(uri: String) throws {
    let text = try #require(answer(invite(to: uri)))
    #expect(text.hasPrefix("SIP/2.0 503 Emergency Calls Are Not Routed Here\r\n"))
    #expect(!text.contains("Contact") && !text.contains("Retry-After"))
    // Also when it has been sent on to a gateway, or asks for what we do not know.
    for other in [
      invite(to: uri, toValue: "<sip:desk@198.51.100.1>"), invite(toValue: "<\(uri)>"),
      invite(to: uri, fields: "Require: geolocation-routing"),
      invite(toValue: "<\(uri)>;tag=1"),
    ] { #expect(status(other) == 503) }
  }

  @Test func numbersOfThePlaceAreEmergenciesToo() throws {
    let request = try SIPRequest(SIPMessage(datagram: invite(to: "sip:1-44@198.51.100.1")))
    guard case .answer(.contacts) = Redirection(request),
      case .answer(.emergency) = Redirection(request, emergencyNumbers: [Array("144".utf8)])
    else {
      Issue.record("144 is an emergency where the place says so, and only there")
      return
    }
  }

  @Test(arguments: [
    "sip:+19115550123@198.51.100.1", "sip:1911555@198.51.100.1", "sip:91155@198.51.100.1",
    "sip:sosnowski@198.51.100.1", "sip:911-desk@198.51.100.1",
    "sip:x@911.example.com",
  ])
  func aNumberThatOnlyLooksLikeOneIsRedirected(uri: String) {
    #expect(status(invite(to: uri)) == 302)
  }

  @Test(arguments: [
    ("ACK", nil), ("CANCEL", 200), ("OPTIONS", 200), ("BYE", 481), ("REGISTER", 405),
    ("MESSAGE", 405), ("invite", 501), ("NEWMETHOD", 501),
  ])
  func otherMethodsGetWhatTheRFCSays(method: String, expected: Int?) {
    #expect(status(invite(method: method)) == expected)
  }

  @Test func aCallThatWasNeverHereIsNotRedirected() {
    #expect(status(invite(toValue: "<sip:a@b.example>;tag=x")) == 481)
  }

  @Test func theSameRequestGetsTheSameTag() throws {
    let request = try SIPRequest(SIPMessage(datagram: invite()))
    let cancel = try SIPRequest(SIPMessage(datagram: invite(method: "CANCEL")))
    let other = try SIPRequest(
      SIPMessage(datagram: invite(via: "SIP/2.0/UDP 203.0.113.9;branch=z9hG4bK74bfa")))
    #expect(request.identity == cancel.identity)
    #expect(request.identity != other.identity)
  }

  @Test func whatAHopClaimsOfItselfIsReplaced() throws {
    let text = try #require(
      answer(
        invite(
          via:
            "SIP/2.0/UDP h.example;received=192.0.2.66 ; maddr=192.0.2.67;rport=9;branch=z9hG4bK1,"
            + " SIP/2.0/UDP far.example;branch=z9hG4bK0")))
    #expect(
      text.contains(
        "Via: SIP/2.0/UDP h.example ; maddr=192.0.2.67;branch=z9hG4bK1;received=203.0.113.9;rport=5080,"
          + " SIP/2.0/UDP far.example;branch=z9hG4bK0\r\n"), "\(text)")
  }

  @Test func aHopThatIsWhatItSaysAndAsksForNothingIsRepeated() throws {
    let via = "SIP/2.0/UDP 203.0.113.9:5060;branch=z9hG4bK1"
    #expect(try #require(answer(invite(via: via))).contains("Via: \(via)\r\n"))
    let six = try #require(IPAddress("2001:db8::9"))
    let text = try #require(
      answer(invite(via: "SIP/2.0/UDP [2001:db8::9];branch=z9hG4bK1;rport"), from: six))
    #expect(text.contains(";received=2001:db8::9;rport=5080\r\n"))
  }

  // Amplification: over UDP a source can be forged.
  @Test func nobodyGetsMoreThanHeSent() throws {
    let request = invite()
    let whole = try #require(answer(request))
    for limit in 0...request.count {
      guard let text = answer(request, limit: limit) else { continue }
      #expect(text.utf8.count <= limit)
      #expect(text.contains("m: <sips:") || text == whole)
    }
    #expect(answer(request, limit: 400) != nil)
    #expect(answer(request, limit: 100) == nil)
    let options = invite(method: "OPTIONS", fields: "X: y")
    #expect(try #require(answer(options, limit: options.count)).utf8.count <= options.count)
  }

  @Test func oneThatAsksForAnExtensionIsToldWhich() throws {
    let text = try #require(answer(invite(fields: "Require: 100rel, newthing\nRequire: other")))
    #expect(text.hasPrefix("SIP/2.0 420 "))
    #expect(text.contains("Unsupported: 100rel, newthing\r\nUnsupported: other\r\n"))
    #expect(status(invite(method: "CANCEL", fields: "Require: x")) == 200)
  }
}
