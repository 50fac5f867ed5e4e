import Encoding
import Failover
import Testing
import YAML

@testable import Telephony

/// Settings, destinations and drift of each vendor; **no actuator takes an emergency number**.
@Suite struct VendorTests {
  static let emergency = [
    "911", "933", "112", "+911", "9911", "sip:911@192.0.2.1", "sip:sos@192.0.2.1", "_9XX",
  ]

  static func kamailio(_ uri: String = "sip:192.0.2.1:5060") throws -> KamailioActuator {
    try KamailioActuator(
      id: try Fixture.name("k"),
      settings: try Fixture.yaml(
        """
        url: http://127.0.0.1:1
        set: 1
        routes: { main: ["\(uri)"], backup: ["sip:192.0.2.2:5060", "sip:192.0.2.3:5060"] }
        """))
  }

  static func asterisk(extensionName: String = "200") throws -> AsteriskActuator {
    try AsteriskActuator(
      id: try Fixture.name("a"),
      settings: try Fixture.yaml(
        """
        host: 127.0.0.1
        user: callvault
        secret_file: \(try Fixture.secretFile())
        mode: { family: failover, key: mode }
        routes: { main: normal, main/people: people, backup: away }
        places: { backup: { context: rescue, extension: "\(extensionName)" } }
        """))
  }

  static func twilio(numbers: String = "") throws -> TwilioActuator {
    try TwilioActuator(
      id: try Fixture.name("t"),
      settings: try Fixture.yaml(
        """
        account: \(Fixture.account)
        secret_file: \(try Fixture.secretFile())
        trunk:
          sid: \(Fixture.sid("TK", 1))
          routes: { main: [\(Fixture.sid("OU", 1)), \(Fixture.sid("OU", 2))], backup: [\(Fixture.sid("OU", 3))] }
        numbers:
          \(Fixture.sid("PN", 1)):
            main: "https://a.example/main#ct=500&rt=1500"
            backup: "https://a.example/backup#ct=500&rt=1500"
        """))
  }

  static func threeCX(destination: String = "Queue 800") throws -> ThreeCXActuator {
    try ThreeCXActuator(
      id: try Fixture.name("c"),
      settings: try Fixture.yaml(
        """
        url: https://pbx.example
        client: callvault
        secret_file: \(try Fixture.secretFile())
        rules: { 3: { main: RoutePoint 900, main/people: "\(destination)" } }
        moves: { main: "\(destination)" }
        points: ["900"]
        """))
  }

  @Test func noActuatorTakesAnEmergencyNumber() throws {
    for number in Self.emergency {
      if number.hasPrefix("sip:") {
        #expect(throws: YAMLError.self) { try Self.kamailio(number) }
      }
      #expect(throws: YAMLError.self) { try Self.asterisk(extensionName: number) }
      #expect(throws: YAMLError.self) { try Self.threeCX(destination: "Extension \(number)") }
      #expect(throws: YAMLError.self) { try Self.threeCX(destination: "External \(number)") }
      #expect(ThreeCXDestination(kind: .queue, number: number) == nil)
      // What Twilio is sent comes from contacts of the plan alone.
      #expect(RouteContact(number) == nil)
      #expect(throws: YAMLError.self) {
        try TwilioSMSNotifier(
          id: try Fixture.name("s"),
          settings: try Fixture.yaml(
            """
            account: \(Fixture.account)
            secret_file: \(try Fixture.secretFile())
            from: "+13125550100"
            to: ["\(number)"]
            """))
      }
    }
  }

  @Test func anEmergencyRuleOfThePBXIsNotOurs() throws {
    for data in ["911", "9911", "+911", "*", "9XX"] {
      let rule = try #require(
        ThreeCXRule(["Id": 3, "Condition": "BasedOnDID", "Data": .string(data)]))
      #expect(rule.touchesEmergency)
    }
    let rule = try #require(
      ThreeCXRule(["Id": 3, "Condition": "BasedOnDID", "Data": "+13125550100"]))
    #expect(!rule.touchesEmergency)
  }

  @Test func whatARouteOpensComesBeforeWhatItCloses() throws {
    let plan = try Fixture.plan("backup")
    #expect(
      try Self.kamailio().wanted(for: plan) == [
        WantedSetting("sip:192.0.2.2:5060", "on"), WantedSetting("sip:192.0.2.3:5060", "on"),
        WantedSetting("sip:192.0.2.1:5060", "off"),
      ])
    #expect(
      try Self.twilio().wanted(for: plan) == [
        WantedSetting("origination \(Fixture.sid("OU", 3))", "on 10"),
        WantedSetting(
          "voice-url \(Fixture.sid("PN", 1))", "https://a.example/backup#ct=500&rt=1500"),
        WantedSetting("origination \(Fixture.sid("OU", 1))", "off"),
        WantedSetting("origination \(Fixture.sid("OU", 2))", "off"),
      ])
    #expect(try Self.asterisk().wanted(for: plan) == [WantedSetting("mode failover/mode", "away")])
    #expect(try Self.threeCX().wanted(for: plan).isEmpty)
  }

  @Test func peopleGoFirstWhereTheAIIsOut() throws {
    for (usesAI, mode, destination) in [
      (true, "normal", "RoutePoint 900"), (false, "people", "Queue 800"),
    ] {
      let plan = try Fixture.plan("main", usesAI: usesAI)
      #expect(try Self.asterisk().wanted(for: plan) == [WantedSetting("mode failover/mode", mode)])
      let times = Array(repeating: destination, count: 3).joined(separator: "; ")
      #expect(try Self.threeCX().wanted(for: plan) == [WantedSetting("rule 3", times)])
    }
  }

  @Test(arguments: [
    "url: http://198.51.100.1\nset: 1\nroutes: { main: [\"sip:a.example\"] }",
    "url: https://a.example\nset: 0\nroutes: { main: [\"sip:a.example\"] }",
    "url: https://a.example\nset: 1\nroutes: { Main: [\"sip:a.example\"] }",
    "url: https://a.example\nset: 1\nroutes: { main: [] }",
    "url: https://a.example\nset: 1\nroutes: { main: [\"sip:a.example\\r\\nX: y\"] }",
    "url: https://a.example\nset: 1\nroutes: { main: [\"sip:a.example\"] }\nextra: 1",
    "set: 1\nroutes: { main: [\"sip:a.example\"] }",
  ])
  func wrongSettingsAreRefusedWithTheirPlace(text: String) throws {
    let error = #expect(throws: YAMLError.self) {
      try KamailioActuator(id: try Fixture.name("k"), settings: try Fixture.yaml(text))
    }
    #expect(error?.position.file == "test.yaml")
  }

  @Test func aManagerElsewhereNeedsTLS() throws {
    #expect(throws: YAMLError.self) {
      try AMIProbe(
        target: try Fixture.name("t"),
        settings: try Fixture.yaml(
          "host: pbx.example\nuser: u\nsecret_file: \(try Fixture.secretFile())"))
    }
  }

  @Test func aDispatchersListIsRead() throws {
    let text = """
      {"NRSETS":2,"RECORDS":[{"SET":{"ID":1,"TARGETS":[
        {"DEST":{"URI":"sip:a.example","FLAGS":"AP","PRIORITY":0}},
        {"DEST":{"URI":"sip:b.example","FLAGS":"DX","PRIORITY":0}}]}},
        {"SET":{"ID":2,"TARGETS":[{"DEST":{"URI":"sip:c.example","FLAGS":"IP"}}]}},
        {"SET":7},8]}
      """
    let value = try JSONValue(parsing: Array(text.utf8))
    #expect(
      KamailioActuator.states(in: value, set: 1) == ["sip:a.example": "on", "sip:b.example": "off"])
    #expect(KamailioActuator.states(in: value, set: 2) == ["sip:c.example": "on"])
    #expect(KamailioActuator.states(in: .null, set: 1).isEmpty)
  }

  // MARK: Drift

  static func number(
    trunk: String? = nil, application: String? = nil,
    url: String = "https://a.example/main#ct=500&rt=1500", fallback: String = "https://f.example",
    number: String = "+13125550100"
  ) throws -> TwilioNumber {
    var object: JSONObject = [
      "sid": .string(Fixture.sid("PN", 1)), "phone_number": .string(number),
      "voice_url": .string(url), "voice_fallback_url": .string(fallback),
    ]
    if let trunk { object["trunk_sid"] = .string(trunk) }
    if let application { object["voice_application_sid"] = .string(application) }
    return try #require(TwilioNumber(object))
  }

  static func origination(_ number: Int, _ isEnabled: Bool, _ uri: String = "sip:a.example") throws
    -> TwilioOrigination
  {
    try #require(
      TwilioOrigination([
        "sid": .string(Fixture.sid("OU", number)), "enabled": .bool(isEnabled), "priority": 10,
        "sip_url": .string(uri),
      ]))
  }

  static func sound() throws -> TwilioConfiguration {
    TwilioConfiguration(
      disasterRecoveryURL: "https://dr.example",
      originations: [
        try origination(1, true), try origination(2, true), try origination(3, false),
      ],
      numbers: [try number()])
  }

  @Test func aSoundAccountHasNoDrift() throws {
    #expect(
      TwilioLint(actuator: try Self.twilio())
        .findings(in: try Self.sound(), routes: [try Fixture.route("main")]).isEmpty)
  }

  @Test func eachDriftOfTwilioHasItsName() throws {
    let lint = TwilioLint(actuator: try Self.twilio())
    func codes(
      _ change: (inout TwilioConfiguration) throws -> Void,
      _ contacts: [String] = ["sip:a@b.example"]
    )
      throws -> [String]
    {
      var configuration = try Self.sound()
      try change(&configuration)
      return lint.findings(
        in: configuration, routes: [try Fixture.route("main", contacts)]
      ).map(\.code)
    }
    #expect(try codes { $0.numbers = [try Self.number(trunk: "TK1")] } == ["trunk-hides-voice-url"])
    #expect(
      try codes { $0.numbers = [try Self.number(application: "AP1")] } == [
        "application-hides-voice-url"
      ])
    #expect(try codes { $0.numbers = [] } == ["number-missing"])
    #expect(try codes { $0.numbers = [try Self.number(fallback: "")] } == ["fallback-url-missing"])
    #expect(
      try codes { $0.numbers = [try Self.number(url: "https://a.example/main")] }
        == ["voice-url-foreign", "timeouts-missing"])
    #expect(try codes { $0.numbers = [try Self.number(number: "911")] } == ["emergency-touched"])
    #expect(try codes { $0.disasterRecoveryURL = "" } == ["disaster-recovery-url-missing"])
    #expect(try codes { $0.originations.removeLast() } == ["origination-missing"])
    #expect(
      try codes { $0.originations[2] = try Self.origination(3, true) } == ["several-routes-active"])
    #expect(
      try codes {
        $0.originations = [
          try Self.origination(1, false), try Self.origination(2, false),
          try Self.origination(3, false),
        ]
      } == ["no-route-active"])
    #expect(
      try codes { $0.originations.append(try Self.origination(9, true)) } == ["origination-foreign"]
    )
    #expect(
      try codes { $0.originations[0] = try Self.origination(1, true, "sip:911@a.example") }
        == ["emergency-touched"])
    #expect(try codes({ _ in }, ["+13125550100"]) == ["route-loops"])
  }

  @Test(arguments: [
    ("https://a.example#ct=500&rt=1500", true), ("https://a.example#rt=1500&ct=500", true),
    ("https://a.example#rp=all&ct=2000&rt=1000", true), ("https://a.example", false),
    ("https://a.example#ct=500", false), ("https://a.example#ct=9000&rt=1500", false),
    ("https://a.example#ct=&rt=1500", false), ("https://a.example?ct=500&rt=1500", false),
  ])
  func bothTimeoutsMustBeThere(url: String, isBounded: Bool) {
    #expect(TwilioLint.hasTimeouts(url) == isBounded)
  }

  @Test func eachDriftOfThePBXHasItsName() throws {
    let lint = ThreeCXLint(
      actuator: try Fixture.name("c"),
      rules: [
        (id: 3, destinations: RouteChoice(["main": try #require(ThreeCXDestination("Queue 800"))]))
      ])
    func rule(_ office: JSONValue, data: String = "+13125550100") throws -> ThreeCXRule {
      let queue: JSONValue = ["To": "Queue", "Number": "800"]
      return try #require(
        ThreeCXRule([
          "Id": 3, "Data": .string(data), "OfficeHoursDestination": office,
          "OutOfOfficeHoursDestination": queue, "HolidaysDestination": queue,
        ]))
    }
    func codes(_ rules: [ThreeCXRule], emergency: Bool = true) -> [String] {
      lint.findings(in: rules, ownNumbers: ["+13125550100"], hasEmergencyRule: emergency).map(
        \.code)
    }
    let sound = try rule(["To": "Queue", "Number": "800"])
    #expect(codes([sound]).isEmpty)
    #expect(codes([]) == ["rule-missing"])
    #expect(codes([sound], emergency: false) == ["emergency-rule-missing"])
    #expect(codes([try rule(["To": "VoiceMail", "Number": "800"])]) == ["destination-foreign"])
    #expect(
      codes([try rule(["To": "Queue", "Number": "800"], data: "911")]) == ["emergency-touched"])
  }

  // MARK: Tokens

  @Test func aTokenIsReplacedBeforeItExpires() {
    var state = ThreeCXTokenState()
    let now = Moment(milliseconds: 0)
    #expect(state.token(at: now) == nil)
    let first = state.take(
      ["token_type": "Bearer", "access_token": "t1", "expires_in": 3600], sent: now)
    #expect(first)
    #expect(state.token(at: now.advanced(byMs: 3_539_000)) == "t1")
    #expect(state.token(at: now.advanced(byMs: 3_541_000)) == nil)
    state.refuse("t0")
    #expect(state.token(at: now) == "t1")
    state.refuse("t1")
    #expect(state.token(at: now) == nil)
    let second = state.take(
      ["token_type": "Bearer", "access_token": "t2", "expires_in": 30], sent: now)
    #expect(second)
    #expect(state.token(at: now.advanced(byMs: 14_000)) == "t2")
    #expect(state.token(at: now.advanced(byMs: 15_000)) == nil)
    for answer: JSONObject in [
      [:], ["token_type": "Bearer"], ["token_type": "mac", "access_token": "x"],
      ["token_type": "Bearer", "access_token": "a\r\nX: y"],
    ] {
      let taken = state.take(answer, sent: now)
      #expect(!taken)
    }
  }
}
