@testable import SIP

/// Lines with CR LF and an empty one at the end.
func message(_ text: String) -> [UInt8] {
  Array(
    (text.split(separator: "\n", omittingEmptySubsequences: false).joined(separator: "\r\n")
      + "\r\n\r\n").utf8)
}

/// An INVITE as a carrier sends it, with more or other fields before the body's length.
func invite(
  to uri: String = "sip:+13125550123@198.51.100.1", method: String = "INVITE",
  fields: String =
    "Contact: <sip:carrier@203.0.113.9>\nUser-Agent: trunk-and-a-long-name-of-a-product/1.2.3",
  via: String = "SIP/2.0/UDP 203.0.113.9:5060;branch=z9hG4bK74bf9;rport",
  toValue: String? = nil
) -> [UInt8] {
  message(
    """
    \(method) \(uri) SIP/2.0
    Via: \(via)
    Max-Forwards: 70
    From: "Anna" <sip:+13125550199@203.0.113.9>;tag=9fxced76sl
    To: \(toValue ?? "<\(uri)>")
    Call-ID: 3848276298220188511@203.0.113.9
    CSeq: 1 \(method)
    \(fields)
    Content-Length: 0
    """)
}

let plan: ContactPlan? = try? ContactPlan(
  id: "people",
  contacts: [
    PreferredContact(ContactAddress("sip:desk@pbx.example.com"), preference: 500),
    PreferredContact(ContactAddress("sips:+13125550100@sbc.example.com:5061;transport=tls")),
  ],
  numbers: [
    "13125550777": [PreferredContact(ContactAddress("sip:night@pbx.example.com"))]
  ])

let source = IPAddress(v4: 0xCB00_7109)

/// What a datagram gets: the answer's bytes, or nothing.
func answer(_ bytes: [UInt8], limit: Int? = nil, from address: IPAddress = source) -> String? {
  guard let message = try? SIPMessage(datagram: bytes), let request = try? SIPRequest(message),
    case .answer(let answer) = Redirection(request), let plan
  else { return nil }
  var output: [UInt8] = []
  let writer = AnswerWriter(request, from: address, port: 5080, tag: Array("a1b2".utf8))
  guard writer.write(answer, plan: plan, to: &output, limit: limit ?? .max) else { return nil }
  return String(decoding: output, as: UTF8.self)
}

/// The status of what a datagram gets; nil for silence.
func status(_ bytes: [UInt8]) -> Int? {
  answer(bytes).flatMap { Int($0.dropFirst(8).prefix(3)) }
}
