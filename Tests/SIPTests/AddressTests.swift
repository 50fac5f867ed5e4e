import Testing

@testable import SIP

@Suite struct AddressTests {
  @Test(arguments: [
    ("203.0.113.9", "203.0.113.9"), ("0.0.0.0", "0.0.0.0"), ("::", "::"), ("::1", "::1"),
    ("2001:DB8:0:0:1:0:0:1", "2001:db8::1:0:0:1"), ("2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"),
    ("::ffff:203.0.113.9", "203.0.113.9"), ("fe80::1:2", "fe80::1:2"), ("1::", "1::"),
    ("1:2:3:4:5:6:7::", "1:2:3:4:5:6:7:0"), ("64:ff9b::192.0.2.33", "64:ff9b::c000:221"),
  ])
  func anAddressHasOneSpelling(text: String, canonical: String) throws {
    let address = try #require(IPAddress(text))
    #expect(address.description == canonical)
    #expect(IPAddress(canonical) == address)
    #expect(IPAddress(v6: address.bytes) == address)
  }

  @Test(arguments: [
    "", "1", "127.1", "1.2.3", "1.2.3.4.5", "01.2.3.4", "256.1.1.1", "0x7f.0.0.1", "1.2.3.4 ",
    ":::",
    ":1", "1:", "1:2:3:4:5:6:7:8:9", "1:2:3:4:5:6:7", "1::2::3", "12345::", "fe80::1%eth0", "g::",
    "1.2.3.4::", "::1.2.3", "1:2:3:4:5:6:7:1.2.3.4", "1:2:3:4:5:6:7:8::",
  ])
  func whatIsNoAddressIsRefused(text: String) { #expect(IPAddress(text) == nil) }

  @Test(arguments: [
    ("8.8.8.8", true), ("10.1.2.3", false), ("172.15.0.1", true), ("172.31.0.1", false),
    ("192.168.0.1", false), ("127.0.0.1", false), ("169.254.1.1", false), ("100.64.0.1", false),
    ("100.128.0.1", true), ("192.0.2.1", false), ("203.0.113.1", false), ("224.0.0.1", false),
    ("255.255.255.255", false), ("0.1.2.3", false), ("198.18.0.1", false), ("::1", false),
    ("::", false),
    ("fe80::1", false), ("fc00::1", false), ("fd12::1", false), ("ff02::1", false),
    ("2606:4700::1", true), ("2001:db8::1", false), ("2001::1", false), ("2001:470::1", true),
    ("2002:a00:1::1", false), ("64:ff9b::a00:1", false), ("3fff::1", false),
    ("::ffff:10.0.0.1", false),
  ])
  func privateAddressesAreKnown(text: String, isGlobal: Bool) throws {
    #expect(try #require(IPAddress(text)).isGlobal == isGlobal)
  }

  @Test(arguments: [
    ("203.0.113.0/24", "203.0.113.255", true), ("203.0.113.0/24", "203.0.114.0", false),
    ("203.0.113.9", "203.0.113.9", true), ("203.0.113.9", "203.0.113.8", false),
    ("0.0.0.0/0", "8.8.8.8", true), ("0.0.0.0/0", "2001:db8::1", false), ("::/0", "8.8.8.8", false),
    ("::/0", "2001:db8::1", true), ("2001:db8::/32", "2001:db8:ffff::1", true),
    ("2001:db8::/32", "2001:db9::", false), ("2001:db8::8000/113", "2001:db8::ffff", true),
    ("2001:db8::8000/113", "2001:db8::7fff", false),
  ])
  func aNetworkHoldsItsAddressesAndNoOthers(range: String, address: String, isInside: Bool) throws {
    #expect(try AddressRange(range).contains(#require(IPAddress(address))) == isInside)
  }

  @Test(arguments: [
    "", "/8", "10.0.0.0/", "10.0.0.0/33", "10.0.0.0/08", "10.1.2.3/8", "::/129", "a.example/24",
    "1.2.3.4/-1",
  ])
  func whatIsNoNetworkIsRefused(text: String) {
    #expect(throws: SIPError.self) { try AddressRange(text) }
  }

  @Test(arguments: [
    "sip:pbx.example.com", "sip:+13125550100@sbc.example.com:5061;transport=tls",
    "sips:a.b-c_d~e@8.8.8.8", "sip:x@[2606:4700::1]:5060;transport=tcp", "sip:9115@a.example.com",
  ])
  func aContactIsTakenAsItIsWritten(text: String) throws {
    #expect(try ContactAddress(text).description == text)
  }

  @Test(arguments: [
    "", "sip:", "sip:@a.example", "http:a.example", "sip:a@b@c.example", "SIP:a.example",
    "sip:A.example", "sip:a.example;lr", "sip:a.example?x=y", "sip:a.example:0",
    "sip:a.example:05060",
    "sip:a.example:65536", "sip:a.example:", "sip:a b@c.example", "sip:a%20@c.example", "sip:127.1",
    "sip:0x7f.1", "sip:2130706433", "sip:a..example", "sip:-a.example", "sip:a.example.",
    "sip:x@[::ffff:8.8.8.8]", "sip:x@[2606:4700:0::1]", "sip:x@[2606:4700::1", "sip:x@a.example>",
    "sip:x@a.example\r\nContact: <sip:evil>", "sip:a.example;transport=ws", "tel:+13125550100",
  ])
  func aContactInAnotherSpellingIsRefused(text: String) {
    #expect(throws: SIPError.self) { try ContactAddress(text, allowsPrivate: true) }
  }

  @Test(arguments: [
    "sip:10.0.0.1", "sip:127.0.0.1:5060", "sip:x@[::1]", "sip:x@[fd00::1]", "sip:localhost",
    "sip:pbx.local", "sip:pbx", "sip:pbx.corp.internal", "sip:203.0.113.1",
  ])
  func aPrivateContactIsForTestsOnly(text: String) throws {
    let error = #expect(throws: SIPError.self) { try ContactAddress(text) }
    #expect(error?.code == .privateAddress)
    #expect(try ContactAddress(text, allowsPrivate: true).description == text)
  }

  @Test(arguments: [
    "sip:911@a.example.com", "sip:112@a.example.com", "sip:1-911@a.example.com",
    "sip:sos@a.example.com",
    "sip:SOS.fire@a.example.com",
  ])
  func anEmergencyNumberIsNoContact(text: String) {
    #expect(throws: SIPError.self) { try ContactAddress(text) }
  }

  @Test func aPlanIsClosedAndBounded() throws {
    let contact = try PreferredContact(ContactAddress("sip:a.example.com"))
    let many = try (0..<11).map { try PreferredContact(ContactAddress("sip:a\($0).example.com")) }
    #expect(throws: SIPError.self) { try ContactPlan(id: "x", contacts: []) }
    #expect(throws: SIPError.self) { try ContactPlan(id: "x", contacts: [contact, contact]) }
    #expect(throws: SIPError.self) { try ContactPlan(id: "x", contacts: many) }
    #expect(throws: SIPError.self) {
      try ContactPlan(id: "x", contacts: [contact], numbers: ["911": [contact]])
    }
    #expect(throws: SIPError.self) {
      try ContactPlan(id: "x", contacts: [contact], numbers: ["+1": [contact]])
    }
    #expect(throws: SIPError.self) { try PreferredContact(contact.address, preference: 1001) }
    let list = try ContactList([
      PreferredContact(many[0].address, preference: 1),
      PreferredContact(many[1].address, preference: 250),
      PreferredContact(many[2].address, preference: 250), PreferredContact(many[3].address),
      PreferredContact(many[4].address, preference: 0),
    ])
    #expect(
      String(decoding: list.text, as: UTF8.self)
        == "<sip:a3.example.com>;q=1, <sip:a1.example.com>;q=0.250, <sip:a2.example.com>;q=0.250, "
        + "<sip:a0.example.com>;q=0.001, <sip:a4.example.com>;q=0.000")
  }
}
