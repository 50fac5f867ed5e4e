import Testing

@testable import SIP

/// Messages with the properties that RFC 4475 lists, by its section, and what a redirect server makes of them.
@Suite struct TortureTests {
  /// A message of a section, and its status; nil for silence.
  struct Case: Sendable, CustomTestStringConvertible {
    let section: String
    let status: Int?
    let bytes: [UInt8]
    var testDescription: String { section }

    init(_ section: String, _ status: Int?, _ bytes: [UInt8]) {
      self.section = section
      self.status = status
      self.bytes = bytes
    }
  }

  static let rest = """
    Via: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKkdjuw
    Max-Forwards: 70
    From: <sip:caller@example.org>;tag=839923423
    To: <sip:user@example.com>
    Call-ID: torture.39203ndfvkjdasfkq3w4otrq0adsfdfnavd
    """

  static func request(_ line: String, _ cSeq: String, _ more: String = "l: 0", rest: String = rest)
    -> [UInt8]
  { message("\(line)\n\(rest)\nCSeq: \(cSeq)\n\(more)") }

  static func changed(_ from: String, _ to: String, _ method: String = "INVITE") -> [UInt8] {
    request(
      "\(method) sip:user@example.com SIP/2.0", "8 \(method)",
      rest: rest.replacing(from, with: to))
  }

  static let cases: [Case] = [
    Case(
      "3.1.1.1 folds, space and both forms everywhere", 302,
      message(
        """
        INVITE sip:vivekg@chair-dnrc.example.com;unknownparam SIP/2.0
        TO :
         sip:vivekg@chair-dnrc.example.com
        from   : "J Rosenberg \\\\\\""       <sip:jdrosen@example.com>
          ;
          tag = 98asjd8
        MaX-fOrWaRdS: 0068
        Call-ID: wsinv.ndaksdj@192.0.2.1
        Content-Length   : 0
        cseq: 0009
          INVITE
        Via  : SIP  /   2.0
         /UDP
            192.0.2.2;branch=390skdjuw
        s :
        NewFangledHeader:   newfangled value
         continued newfangled value
        UnknownHeaderWithUnusualValue: ;;,,;;,;
        Route:
         <sip:services.example.com;lr;unknownwith=value;unknown-no-value>
        v:  SIP  / 2.0  / TCP     spindle.example.com   ;
          branch  =   z9hG4bK9ikj8  ,
         SIP  /    2.0   / UDP  192.168.255.111   ; branch=
         z9hG4bK30239
        m:"Quoted string \\"\\"" <sip:jdrosen@example.com> ; newparam =
              newvalue ;
          secondparam ; q = 0.33
        """)),
    Case(
      "3.1.1.2 every character that may stand somewhere", 501,
      message(
        """
        !interesting-Method0123456789_*+`.%indeed'~ sip:1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,\
        /;;*:&it+has=1,weird!*pas$wo~d_too.(doesn't-it)@example.com SIP/2.0
        Via: SIP/2.0/UDP host1.example.com;branch=z9hG4bK-.!%66*_+`'~
        To: "BEL:\\\u{7} NUL:\\\u{0} DEL:\\\u{7F}" <sip:1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*@example.com>
        From: token1~` token2'+_ token3*%!.- <sip:mundane@example.com>;fromParam''~+*_!.-%="рабо\
        тающий";tag=_token~1'+`*%!-.
        Call-ID: intmeth.word%ZK-!.*_+'@word`~)(><:\\/"][?}{
        CSeq: 139122385 !interesting-Method0123456789_*+`.%indeed'~
        Max-Forwards: 255
        extensionHeader-!.%*+_`'~:大停電
        Content-Length: 0
        """)),
    Case(
      "3.1.1.3 escapes in users", 302,
      request("INVITE sip:sips%3Auser%40example.com@example.net SIP/2.0", "234234 INVITE")),
    Case(
      "3.1.1.4 escaped NULs", 302, changed("user@", "null-%00-null@")),
    Case(
      "3.1.1.5 % is no escape in a method", 501,
      request("RE%47IST%45R sip:registrar.example.com SIP/2.0", "29344 RE%47IST%45R")),
    Case(
      "3.1.1.6 no space before the bracket", 200,
      changed("From: <", "From: caller<", "OPTIONS")),
    Case(
      "3.1.1.7 long values", 302,
      changed("torture", String(repeating: "torture.", count: 300))),
    Case(
      "3.1.1.8 something behind the message in a datagram", 302,
      request("INVITE sip:user@example.com SIP/2.0", "8 INVITE")
        + Array("INVITE sip:joe@example.com SIP/2.0\r\nVia: x".utf8)),
    Case(
      "3.1.1.9 a semicolon in the user", 200,
      request("OPTIONS sip:user;par=u%40example.net@example.com SIP/2.0", "8 OPTIONS")),
    Case(
      "3.1.1.10 unknown transports", 200,
      changed(
        "Via:", "Via: SIP/2.0/UNKNOWN t6.example.com;branch=z9hG4bKe1\nVia:", "OPTIONS")),
    Case(
      "3.1.1.12 words beyond ASCII", 302, changed("From: <", "From: \"Анна\" <")),
    Case(
      "3.1.2.1 separators with nothing between", nil,
      changed("z9hG4bKkdjuw", "z9hG4bKkdjuw;;,;,,")),
    Case(
      "3.1.2.1 the same in To", 400,
      changed("To: <sip:user@example.com>", "To: <sip:j@a.example>;;")),
    Case(
      "3.1.2.2 a length beyond the datagram", 400,
      request("INVITE sip:user@example.com SIP/2.0", "8 INVITE", "Content-Length: 9999")),
    Case(
      "3.1.2.3 a negative length", 400,
      request("INVITE sip:user@example.com SIP/2.0", "8 INVITE", "Content-Length: -999")),
    Case(
      "3.1.2.4 a number over its bound", 400,
      request("OPTIONS sip:user@example.com SIP/2.0", "36893488147419103232 OPTIONS")),
    Case("3.1.2.4 the same in Max-Forwards", 400, changed("Max-Forwards: 70", "Max-Forwards: 300")),
    Case("3.1.2.6 a quote that does not end", 400, changed("To: <", "To: \"Mr J. User <")),
    Case(
      "3.1.2.7 brackets around the Request-URI", 400,
      request("INVITE <sip:user@example.com> SIP/2.0", "1 INVITE")),
    Case(
      "3.1.2.8 space within the Request-URI", 400,
      request("INVITE sip:user@example.com; lr SIP/2.0", "1 INVITE")),
    Case(
      "3.1.2.9 several spaces in the request line", 400,
      request("INVITE  sip:user@example.com  SIP/2.0", "1 INVITE")),
    Case(
      "3.1.2.10 space at the end of the request line", 400,
      request("OPTIONS sip:user@example.com SIP/2.0  ", "1 OPTIONS")),
    Case(
      "3.1.2.11 fields in the Request-URI", 400,
      request("INVITE sip:user@example.com?Route=%3Csip:example.com%3E SIP/2.0", "1 INVITE")),
    Case("3.1.2.14 space within an address", 400, changed("To: <sip:", "To: < sip:", "OPTIONS")),
    Case(
      "3.1.2.15 a name that needed quotes", 400,
      changed("From: <", "From: Bell, Alexander <", "OPTIONS")),
    Case(
      "3.1.2.16 another version", 505, request("OPTIONS sip:user@example.com SIP/7.0", "1 OPTIONS")),
    Case(
      "3.1.2.17 methods that differ", 400, request("OPTIONS sip:u@example.com SIP/2.0", "8 INVITE")),
    Case(
      "3.1.2.18 the same, of an unknown one", 400,
      request("NEWMETHOD sip:u@example.com SIP/2.0", "9 INVITE")),
    Case(
      "3.2.1 a branch of nothing but the cookie", 200, changed("z9hG4bKkdjuw", "z9hG4bK", "OPTIONS")
    ),
    Case(
      "3.3.1 fields missing", 400,
      message(
        "INVITE sip:user@example.com SIP/2.0\nCSeq: 193942 INVITE\n"
          + "Via: SIP/2.0/UDP 192.0.2.95;branch=z9hG4bKkdj.insuf")),
    Case(
      "3.3.2 a scheme that is unknown", 416,
      request("OPTIONS nobodyKnowsThisScheme:totallyopaquecontent SIP/2.0", "3 OPTIONS")),
    Case(
      "3.3.3 one that is known elsewhere", 416,
      request("OPTIONS soap.beep://192.0.2.103:3002 SIP/2.0", "3 OPTIONS")),
    Case(
      "3.3.4 a scheme that is unknown, in To", 302,
      changed("To: <sip:user@example.com>", "To: <isbn:2983792873>")),
    Case(
      "3.3.5 extensions that are required", 420,
      request(
        "OPTIONS sip:user@example.com SIP/2.0", "8 OPTIONS",
        "Require: nothingSupportsThis, nothingSupportsThisEither\nl: 0")),
    Case("3.3.8 a field twice", 400, changed("Call-ID:", "Call-ID: other\nCall-ID:")),
    Case(
      "3.3.9 lengths that differ", 400,
      request("OPTIONS sip:u@a.example SIP/2.0", "5 OPTIONS", "l: 0\nl: 5")),
    Case(
      "3.3.11 nothing left of Max-Forwards", 200, changed("Forwards: 70", "Forwards: 0", "OPTIONS")),
    Case(
      "3.4.1 no tag and no cookie, as in RFC 2543", 302,
      changed(";tag=839923423", "")),
    Case(
      "a bare line feed", nil,
      Array(String(decoding: invite(), as: UTF8.self).replacing("\r\n", with: "\n").utf8)),
    Case("a line without a colon", nil, changed("Max-Forwards: 70", "Max-Forwards")),
    Case("no end of the head", nil, Array(invite().dropLast(2))),
    Case("a NUL", nil, changed("torture", "\u{0}")),
    Case("no Via", nil, changed("Via: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKkdjuw", "X: y")),
    Case("a head over its bound", nil, changed("torture", String(repeating: "x", count: 17_000))),
    Case(
      "too many fields", nil,
      changed("Max-Forwards: 70", String(repeating: "X: y\n", count: 200) + "X: z")),
    Case("line ends alone", nil, Array("\r\n\r\n".utf8)),
  ]

  @Test(arguments: cases)
  func eachGetsWhatTheRFCSays(message: Case) {
    #expect(status(message.bytes) == message.status, "\(message.section)")
  }

  @Test(arguments: [
    ("3.1.1.13 a reason of nothing", "SIP/2.0 200 ", 200),
    ("3.1.1.12 a reason beyond ASCII", "SIP/2.0 200 = 2**3 * 5**2 но сто девяносто девять", 200),
    ("3.1.2.19 a status over its bound", "SIP/2.0 4294967301 better not break the receiver", nil),
    ("a status below", "SIP/2.0 099 x", nil), ("a status above", "SIP/2.0 700 x", nil),
    ("no space", "SIP/2.0 200", nil), ("another version", "SIP/3.0 200 OK", nil),
  ])
  func aStatusLineIsReadOrNot(section: String, line: String, expected: Int?) {
    let bytes = message(line + "\n" + Self.rest + "\nCSeq: 35 OPTIONS\nl: 0")
    let response = try? SIPResponse(SIPMessage(datagram: bytes))
    #expect(response?.status == expected, "\(section)")
  }

  // 3.1.2.5 and RFC 3261, 18.3: a response that is cut is no response.
  @Test func aResponseWithABadLengthOrMoreHopsIsNone() throws {
    for (from, to) in [
      ("l: 0", "l: 7"), ("l: 0", "l: 0\nVia: SIP/2.0/UDP a.example;branch=z9hG4bK2"),
    ] {
      let text = "SIP/2.0 200 OK\n" + Self.rest + "\nCSeq: 35 OPTIONS\nl: 0"
      #expect(throws: SIPError.self) {
        try SIPResponse(SIPMessage(datagram: message(text.replacing(from, with: to))))
      }
    }
  }
}
