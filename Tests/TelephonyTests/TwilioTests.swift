import Cryptography
import Encoding
import Failover
import HTTPClient
import Mutation
import Testing
import Threading
import YAML

@testable import Telephony

@Suite struct TwilioTests {
  // MARK: Signatures

  static func signature(_ origin: String, _ token: String) throws -> TwilioSignature {
    TwilioSignature(
      origin: origin, token: SharedSecret(try SecretBytes(copying: Array(token.utf8))),
      sharedKey: ("key1", SharedSecret(try SecretBytes(copying: Array("shared".utf8)))))
  }

  static let form = ClientRequest.Header("Content-Type", "application/x-www-form-urlencoded")

  /// The example of Twilio's own library's tests: token, address, fields and the signature they give.
  @Test func theVendorsOwnExampleHolds() throws {
    let check = try Self.signature("https://mycompany.com", "12345")
    let body = Array(
      "CallSid=CA1234567890ABCDE&Caller=%2B14158675309&Digits=1234&From=%2B14158675309&To=%2B18005551212"
        .utf8)
    let headers = [
      Self.form, ClientRequest.Header("X-Twilio-Signature", "RSOYDt4T1cUTdK1PDd93/VVr8B8="),
    ]
    let fields = try check.check(target: "/myapp.php?foo=1&bar=2", headers: headers, body: body)
    #expect(fields.count == 5)
    for (target, body) in [
      ("/myapp.php?foo=1&bar=3", body), ("/myapp.php?foo=1&bar=2", body + Array("&x=".utf8)),
    ] {
      #expect(throws: TwilioSignature.Refusal.mismatch) {
        try check.check(target: target, headers: headers, body: body)
      }
    }
  }

  @Test(arguments: [
    ("https://a.example", ["https://a.example/x", "https://a.example:443/x"]),
    ("http://a.example", ["http://a.example/x", "http://a.example:80/x"]),
    ("https://a.example:8443", ["https://a.example/x", "https://a.example:8443/x"]),
    ("https://[2001:db8::1]", ["https://[2001:db8::1]/x", "https://[2001:db8::1]:443/x"]),
  ])
  func theAddressIsTheConfiguredOne(origin: String, spellings: [String]) {
    #expect(TwilioSignature.spellings(of: origin, "/x") == spellings)
  }

  @Test func headersThatSayTooMuchOrTooLittleAreRefused() throws {
    let check = try Self.signature("https://a.example", "t")
    let good = ClientRequest.Header(
      "X-Twilio-Signature", Base64.encode([UInt8](repeating: 0, count: 20)))
    for headers in [
      [], [good, good], [ClientRequest.Header("X-Twilio-Signature", "***")],
      [good, ClientRequest.Header("X-Twilio-Webhooks-Signature-Settings", "key=key1")],
      [
        good,
        ClientRequest.Header(
          "X-Twilio-Webhooks-Signature-Settings", "key=other,algorithm=HMAC_SHA256"),
      ],
      [
        good,
        ClientRequest.Header(
          "X-Twilio-Webhooks-Signature-Settings", "key=key1,algorithm=HMAC_SHA1"),
      ],
      [
        good,
        ClientRequest.Header(
          "X-Twilio-Webhooks-Signature-Settings", "key=key1,key=key1,algorithm=HMAC_SHA256"),
      ],
    ] {
      #expect(throws: TwilioSignature.Refusal.unsigned) {
        try check.check(target: "/", headers: headers, body: [])
      }
    }
    // A body that nothing covers.
    #expect(throws: TwilioSignature.Refusal.unsigned) {
      try check.check(
        target: "/", headers: [good, ClientRequest.Header("Content-Type", "application/json")],
        body: [0x7B, 0x7D])
    }
  }

  // MARK: Documents

  static let hostile = "<Sip>\"'&\u{0}\u{1}\r\n</Sip><Dial>911"

  @Test func noCharacterLeavesItsPlaceInADocument() {
    let escaped = TwiML.escaped(Self.hostile)
    #expect(escaped == "&lt;Sip&gt;&quot;&apos;&amp;&lt;/Sip&gt;&lt;Dial&gt;911")
    #expect(!escaped.utf8.contains { $0 < 0x20 })
  }

  /// What asks, with a signature that holds; the caller's name and number are hostile.
  static func ask(
    _ voice: TwilioVoice, _ check: TwilioSignature, target: String = "/twilio/voice",
    method: String = "POST", fields: [(String, String)]? = nil, extra: [ClientRequest.Header] = [],
    now: Moment = .now
  ) throws -> TwilioVoice.Answer {
    let fields =
      fields ?? [
        ("AccountSid", Fixture.account), ("CallSid", Fixture.sid("CA", 1)),
        ("From", hostile), ("CallerName", hostile), ("To", "911"), ("CallStatus", "ringing"),
      ]
    let text =
      check.origin + target
      + TwilioSignature.parameterText(fields.map { (name: $0.0, value: $0.1) })
    let code = try TwilioSignature.code(Array(text.utf8), check.token, .sha1)
    return voice.answer(
      method: method, target: target,
      headers: [form, ClientRequest.Header("X-Twilio-Signature", Base64.encode(code))] + extra,
      body: Array(FormEncoding.encode(fields).utf8), now: now)
  }

  static func voice(_ plan: RoutePlan?) throws -> (TwilioVoice, TwilioSignature) {
    let settings = try Fixture.yaml(
      """
      origin: https://calls.example.org
      account: \(Fixture.account)
      token_file: \(try Fixture.secretFile("token"))
      """)
    return (
      try TwilioVoice(settings: settings, safe: try Fixture.route("pstn", ["+13135550142"])) {
        plan
      },
      try signature("https://calls.example.org", "token")
    )
  }

  static func text(_ answer: TwilioVoice.Answer) -> String {
    String(decoding: answer.body, as: UTF8.self)
  }

  @Test func aNewCallGetsTheContactsOfThePlanInOrder() throws {
    let plan = try Fixture.plan("main", contacts: ["sip:a@192.0.2.1;x=1&y", "+13125550123"])
    let (voice, check) = try Self.voice(plan)
    let first = try Self.ask(voice, check)
    #expect(first.status == 200)
    #expect(
      Self.text(first)
        == "<?xml version=\"1.0\" encoding=\"UTF-8\"?><Response><Dial answerOnBridge=\"true\" timeout=\"20\" "
        + "action=\"https://calls.example.org/twilio/voice?step=1\" method=\"POST\">"
        + "<Sip statusCallback=\"https://calls.example.org/twilio/voice/status\" "
        + "statusCallbackEvent=\"answered completed\">sip:a@192.0.2.1;x=1&amp;y</Sip></Dial></Response>"
    )
    let second = Self.text(try Self.ask(voice, check, target: "/twilio/voice?step=1"))
    #expect(second.contains(">+13125550123</Number>") && second.contains("voice?step=2"))
    #expect(second.contains("voice/status?step=1"))
    // Nobody of the plan answered: the last route's, and then nobody is left.
    let third = Self.text(try Self.ask(voice, check, target: "/twilio/voice?step=2"))
    #expect(third.contains(">+13135550142</Number>") && !third.contains("action"))
    #expect(
      Self.text(try Self.ask(voice, check, target: "/twilio/voice?step=3")).contains("<Hangup/>"))
  }

  /// A route that changes while a call rings is begun with its first contact.
  @Test func aChangedRouteIsRungFromItsFirstContact() throws {
    let settings = try Fixture.yaml(
      """
      origin: https://calls.example.org
      account: \(Fixture.account)
      token_file: \(try Fixture.secretFile("token"))
      """)
    let current = Lock<RoutePlan?>(
      try Fixture.plan("main", contacts: ["sip:a@b.example", "sip:c@b.example"]))
    let voice = try TwilioVoice(
      settings: settings, safe: try Fixture.route("pstn", ["+13135550142"])
    ) { current.withLock { $0 } }
    let check = try Self.signature("https://calls.example.org", "token")
    #expect(Self.text(try Self.ask(voice, check)).contains("sip:a@b.example"))
    let other = try Fixture.plan(
      "backup", version: 2, contacts: ["sip:d@b.example", "sip:e@b.example"])
    current.withLock { $0 = other }
    for (step, contact) in [(1, "sip:d@b"), (1, "sip:d@b"), (2, "sip:e@b"), (3, "+13135550142")] {
      let answer = try Self.ask(voice, check, target: "/twilio/voice?step=\(step)")
      #expect(Self.text(answer).contains(contact), "\(step): \(Self.text(answer))")
    }
    // A plan that has run out is none.
    let old = try Fixture.plan("main", version: 3, expires: Moment(milliseconds: 0))
    current.withLock { $0 = old }
    let call = [("AccountSid", Fixture.account), ("CallSid", Fixture.sid("CA", 2))]
    #expect(Self.text(try Self.ask(voice, check, fields: call)).contains(">+13135550142<"))
  }

  @Test func theFallbackIsTheLastRoute() throws {
    let (voice, check) = try Self.voice(try Fixture.plan("main"))
    let answer = Self.text(try Self.ask(voice, check, target: "/twilio/voice/fallback"))
    #expect(answer.contains(">+13135550142</Number>") && !answer.contains("statusCallback"))
    #expect(!answer.contains("desk"))
  }

  static func leg(
    _ status: String, sip: String? = nil, parent: Int = 1, child: Int = 9
  ) -> [(String, String)] {
    var fields = [
      ("AccountSid", Fixture.account), ("CallSid", Fixture.sid("CA", child)),
      ("ParentCallSid", Fixture.sid("CA", parent)), ("CallStatus", status),
    ]
    if let sip { fields.append(("SipResponseCode", sip)) }
    return fields
  }

  @Test(
    arguments: [
      ("failed", nil, false), ("failed", "503", false), ("failed", "408", false),
      ("failed", "404", true), ("failed", "603", true), ("failed", "x", false), ("busy", nil, true),
      ("in-progress", nil, true), ("no-answer", nil, nil), ("completed", "200", nil),
      ("canceled", nil, nil), ("ringing", nil, nil),
    ] as [(String, String?, Bool?)])
  func newsOfALegAreOneReportOfItsRoute(status: String, sip: String?, isAlive: Bool?) throws {
    let (voice, check) = try Self.voice(try Fixture.plan("main"))
    _ = try Self.ask(voice, check)
    let path = "/twilio/voice/status"
    let first = try Self.ask(voice, check, target: path, fields: Self.leg(status, sip: sip))
    #expect(first.status == 204)
    #expect(first.leg?.isAlive == isAlive)
    if isAlive != nil {
      let route: RouteID = try Fixture.name("main")
      #expect(first.leg?.route == route)
    }
    // Kept and sent again, it is refused; for another call, or a step that was not served, it says nothing.
    let again = try Self.ask(voice, check, target: path, fields: Self.leg(status, sip: sip))
    #expect(again.refusal == (status == "ringing" ? nil : .replayed))
    for (target, parent) in [(path, 2), (path + "?step=1", 1)] {
      let other = try Self.ask(
        voice, check, target: target, fields: Self.leg(status, sip: sip, parent: parent))
      #expect(other.leg == nil && other.status == 204)
    }
  }

  @Test func aCallThatIsSaidToBeOverGetsNothingMore() throws {
    let (voice, check) = try Self.voice(try Fixture.plan("main"))
    _ = try Self.ask(voice, check)
    let ended = [
      ("AccountSid", Fixture.account), ("CallSid", Fixture.sid("CA", 1)),
      ("CallStatus", "completed"),
    ]
    #expect(try Self.ask(voice, check, target: "/twilio/voice/status", fields: ended).status == 204)
    #expect(
      try Self.ask(voice, check, target: "/twilio/voice/status", fields: ended).refusal == .replayed
    )
    #expect(try Self.ask(voice, check).refusal == .replayed)
    #expect(voice.refused.first { $0.0 == .replayed }?.1 == 2)
  }

  @Test(arguments: [
    ("path", "/v1/twilio"), ("path", "/metrics"), ("path", "/a//b"), ("path", "/a/../b"),
    ("path", "/a%20b"), ("origin", "https://calls.example.org/"), ("origin", "calls.example.org"),
    ("origin", "https://a@calls.example.org"), ("account", "AC1"), ("ring_s", "0"),
  ])
  func settingsAreRefused(key: String, value: String) throws {
    var settings = [
      "origin": "https://calls.example.org", "account": Fixture.account,
      "token_file": try Fixture.secretFile("token"),
    ]
    settings[key] = value
    let node = try Fixture.yaml(settings.map { "\($0): \"\($1)\"" }.joined(separator: "\n"))
    #expect(throws: YAMLError.self) {
      _ = try TwilioVoice(settings: node, safe: try Fixture.route("pstn")) { nil }
    }
  }

  @Test func nothingThatACallerChoseComesBack() throws {
    let (voice, check) = try Self.voice(try Fixture.plan("main"))
    let text = String(decoding: try Self.ask(voice, check).body, as: UTF8.self)
    #expect(!text.contains("911") && !text.contains("&quot;"))
  }

  @Test func aTakenCallIsNotDialledOn() throws {
    let (voice, check) = try Self.voice(
      try Fixture.plan("main", contacts: ["sip:a@b.example", "sip:c@b.example"]))
    let answer = try Self.ask(
      voice, check, target: "/twilio/voice?step=1",
      fields: [
        ("AccountSid", Fixture.account), ("CallSid", Fixture.sid("CA", 1)),
        ("DialCallStatus", "completed"),
      ])
    #expect(String(decoding: answer.body, as: UTF8.self).contains("<Hangup/>"))
  }

  @Test func withoutAPlanTheLastRouteIsRung() throws {
    let (voice, check) = try Self.voice(nil)
    #expect(Self.text(try Self.ask(voice, check)).contains(">+13135550142</Number>"))
  }

  @Test func strangersGetNothing() throws {
    let (voice, check) = try Self.voice(try Fixture.plan("main"))
    let other = try Self.signature("https://calls.example.org", "other")
    #expect(try Self.ask(voice, other).status == 403)
    let elsewhere = try Self.signature("https://evil.example", "token")
    // The request may say of itself what it likes.
    #expect(
      try Self.ask(
        voice, elsewhere,
        extra: [
          ClientRequest.Header("Host", "evil.example"),
          ClientRequest.Header("X-Forwarded-Host", "evil.example"),
        ]
      ).status == 403)
    #expect(
      try Self.ask(
        voice, check,
        fields: [("AccountSid", Fixture.sid("AC", 7)), ("CallSid", Fixture.sid("CA", 1))]
      ).status == 403)
    #expect(
      try Self.ask(
        voice, check,
        fields: [
          ("AccountSid", Fixture.account), ("AccountSid", Fixture.sid("AC", 7)),
          ("CallSid", Fixture.sid("CA", 1)),
        ]
      ).status == 403)
    #expect(
      try Self.ask(voice, check, fields: [("AccountSid", Fixture.account), ("CallSid", "CA1")])
        .status
        == 403)
    #expect(try Self.ask(voice, check, method: "GET").status == 405)
    #expect(try Self.ask(voice, check, target: "/other").status == 404)
    #expect(try Self.ask(voice, check, target: "/twilio/voice?step=0").status == 403)
    #expect(try Self.ask(voice, check, target: "/twilio/voice?step=1&x=1").status == 403)
  }

  @Test func aRequestThatWasKeptIsNotAnsweredLater() throws {
    let (voice, check) = try Self.voice(
      try Fixture.plan("main", contacts: ["sip:a@b.example", "sip:c@b.example"]))
    let now = Moment(milliseconds: 1_000_000)
    #expect(try Self.ask(voice, check, now: now).status == 200)
    #expect(try Self.ask(voice, check, now: now.advanced(byMs: 20_000)).status == 200)
    #expect(try Self.ask(voice, check, now: now.advanced(byMs: 40_000)).status == 403)
    #expect(
      try Self.ask(voice, check, target: "/twilio/voice?step=1", now: now.advanced(byMs: 40_000))
        .status
        == 200)
    #expect(try Self.ask(voice, check, now: now.advanced(byMs: 40_001)).status == 403)
  }

  @Test func callsAreForgottenBeforeTheyGrow() throws {
    let (voice, check) = try Self.voice(try Fixture.plan("main"))
    var calls = TwilioCalls()
    let now = Moment(milliseconds: 0)
    let way = TwilioCalls.Way(
      route: try Fixture.name("main"), contact: try #require(RouteContact("sip:a@b.example")))
    for number in 0..<10_000 {
      let call = try #require(TwilioSid(Fixture.sid("CA", number), .call))
      _ = calls.next(
        for: call, step: 0, hasEnded: false, among: [way], of: way.route,
        now: now.advanced(byMs: Int64(number)))
    }
    #expect(calls.count <= TwilioCalls.limit)
    // Ended by its own next request, as a caller who hangs up while it rings.
    _ = try Self.ask(voice, check)
    let ended = [
      ("AccountSid", Fixture.account), ("CallSid", Fixture.sid("CA", 1)),
      ("CallStatus", "completed"), ("DialCallStatus", "no-answer"),
    ]
    let last = try Self.ask(voice, check, target: "/twilio/voice?step=1", fields: ended)
    #expect(Self.text(last).contains("<Hangup/>"))
    #expect(try Self.ask(voice, check, target: "/twilio/voice?step=2").refusal == .replayed)
  }

  @Test func formsReadWhatFormsWrite() throws {
    let fields = [("a b", "\u{E9}&=+%"), ("", "x"), ("CallerName", Self.hostile)]
    let read = try #require(FormEncoding.decode(Array(FormEncoding.encode(fields).utf8)))
    #expect(read.map(\.name) == fields.map(\.0))
    #expect(read.map(\.value) == fields.map(\.1))
    for text in ["a=%", "a=%4", "a=%zz", "a=%ff", String(repeating: "a&", count: 300)] {
      #expect(FormEncoding.decode(Array(text.utf8)) == nil)
    }
  }

  // MARK: Retries

  @Test func retriesStayInsideTheDeadlineAndActOnce() {
    let policy = RetryPolicy()
    var dice = Dice(seed: 1)
    func wait(
      _ attempt: Int, _ failure: RetryPolicy.Failure, _ effect: RetryPolicy.Effect,
      after: Int64? = nil, left: Int64 = 10_000
    ) -> Int64? {
      policy.wait(
        after: attempt, failure: failure, effect: effect, retryAfterMs: after, leftMs: left,
        jitter: { Int64.random(in: $0, using: &dice) })
    }
    #expect(wait(1, .unknown, .acts) == nil)
    #expect(wait(1, .serverError, .acts) == nil)
    #expect(wait(1, .notProcessed, .acts) != nil)
    #expect(wait(1, .notSent, .acts) != nil)
    #expect(wait(1, .unknown, .sets) != nil)
    #expect(wait(5, .unknown, .reads) == nil)
    #expect(wait(1, .notProcessed, .sets, after: 3_000) == 3_000)
    #expect(wait(1, .notProcessed, .sets, after: 3_000, left: 3_000) == nil)
    #expect(wait(1, .notProcessed, .sets, after: .max) == nil)
    for attempt in 1...4 {
      for _ in 0..<200 {
        let time = wait(attempt, .notProcessed, .sets) ?? -1
        #expect((0...(100 << Int64(attempt - 1))).contains(time))
        #expect((wait(attempt, .notProcessed, .sets, left: 60) ?? 0) <= 10)
      }
    }
    #expect(RetryPolicy.retryAfterMs("2") == 2_000)
    for text in ["", "-1", "1.5", "Wed, 21 Oct 2026 07:28:00 GMT", "9999999"] {
      #expect(RetryPolicy.retryAfterMs(text) == nil)
    }
  }

  @Test func emergenciesAreServedFirst() {
    var line = WaitingLine<Int>()
    for (key, urgency) in [
      (1, Urgency.normal), (2, .critical), (3, .urgent), (4, .critical), (5, .normal),
    ] {
      line.add(key, urgency: urgency)
    }
    var order: [Int] = []
    while let key = line.next() { order.append(key) }
    #expect(order == [2, 4, 3, 1, 5])
  }
}
