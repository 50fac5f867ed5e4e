import Encoding
public import Failover
import HTTPClient
public import YAML

/// Twilio: which address of a trunk, and which document of a number, new calls get; live calls moved: section 6 of
/// `Documentation/formats/failover-actuators.md`.
public final class TwilioActuator: SettingsActuator, CallMover, CanaryCaller, DriftLinter {
  public let id: ActuatorID
  public let fence = PlanFence()
  public let readLimitMs: Int64
  let trunk: TwilioSid?
  let originations: RouteChoice<[TwilioSid]>
  let numbers: [(sid: TwilioSid, urls: RouteChoice<String>)]
  let client: TwilioClient
  let canaries: TwilioCanaries?
  /// How long a contact may ring.
  private let ringSeconds: Int64

  /// Keys: those of an account, `trunk`, `numbers`, `canaries`, `ring_s`, `limit_ms`.
  public init(id: ActuatorID, settings: YAMLNode) throws(YAMLError) {
    self.id = id
    let fields = try settings.mapping(
      of: TwilioClient.keys + ["trunk", "numbers", "canaries", "ring_s", "limit_ms"])
    client = try TwilioClient(fields)
    readLimitMs = try VendorSettings.milliseconds(
      fields["limit_ms"], in: 100...20_000, otherwise: 5_000)
    ringSeconds = try VendorSettings.milliseconds(fields["ring_s"], in: 5...120, otherwise: 20)
    if let node = fields["trunk"] {
      let parts = try node.mapping(of: ["sid", "routes"])
      trunk = try Self.sid(parts.required("sid"), .trunk)
      originations = try RouteChoice(parts.required("routes")) { node throws(YAMLError) in
        var sids: [TwilioSid] = []
        for item in try node.sequence() { sids.append(try Self.sid(item, .originationURL)) }
        guard !sids.isEmpty else { throw VendorSettings.refuse(node, "a route needs an address") }
        return sids
      }
    } else {
      trunk = nil
      originations = try RouteChoice(optional: nil) { _ throws(YAMLError) in [] }
    }
    var numbers: [(sid: TwilioSid, urls: RouteChoice<String>)] = []
    for entry in try fields["numbers"]?.entries() ?? [] {
      guard let sid = TwilioSid(entry.key, .number) else {
        throw VendorSettings.refuse(entry.value, "a number's id is expected: PN and 32 digits")
      }
      numbers.append(
        (
          sid,
          try RouteChoice(entry.value) { node throws(YAMLError) in try VendorSettings.url(node) }
        ))
    }
    self.numbers = numbers
    canaries = try fields["canaries"].map { node throws(YAMLError) in try TwilioCanaries(node) }
  }

  private static func sid(
    _ node: YAMLNode, _ kind: TwilioSid.Kind
  ) throws(YAMLError) -> TwilioSid {
    guard let sid = TwilioSid(try node.string(), kind) else {
      throw VendorSettings.refuse(node, "an id is expected here: \(kind.rawValue) and 32 digits")
    }
    return sid
  }

  // MARK: New calls

  public func wanted(for plan: RoutePlan) -> [WantedSetting] {
    var open: [WantedSetting] = []
    var closed: [WantedSetting] = []
    if let chosen = originations.value(for: plan) {
      // The order of the list is the order in which Twilio tries them.
      open = chosen.enumerated().map { place, sid in
        WantedSetting("origination \(sid)", "on \(10 + place)")
      }
      closed = Set(originations.all.joined()).subtracting(chosen).map(\.description).sorted()
        .map { WantedSetting("origination \($0)", "off") }
    }
    let documents = numbers.compactMap { number in
      number.urls.value(for: plan).map { WantedSetting("voice-url \(number.sid)", $0) }
    }
    return open + documents + closed
  }

  public func read(
    _ subjects: [String], before deadline: Moment
  ) async throws(FailoverError) -> [String: String] {
    var values: [String: String] = [:]
    if subjects.contains(where: { $0.hasPrefix("origination ") }) {
      for url in try await originationURLs(before: deadline) {
        values["origination \(url.sid)"] = url.isEnabled ? "on \(url.priority)" : "off"
      }
    }
    for number in numbers where subjects.contains("voice-url \(number.sid)") {
      let facts = try await facts(of: number.sid, before: deadline)
      guard facts.trunk == nil, facts.application == nil else {
        // It would be taken, read back as written, and change nothing.
        throw FailoverError(
          .refused, during: "reading a number whose trunk or application hides its voice address")
      }
      values["voice-url \(number.sid)"] = facts.voiceURL
    }
    return values
  }

  public func write(
    _ setting: WantedSetting, of mark: PlanMark, before deadline: Moment
  ) async throws(FailoverError) {
    let parts = setting.subject.split(separator: " ").map(String.init)
    if parts.count == 2, parts[0] == "origination", let trunk,
      let sid = TwilioSid(parts[1], .originationURL), originations.all.joined().contains(sid)
    {
      let value = setting.value.split(separator: " ").map(String.init)
      var form = [("Enabled", value.first == "on" ? "true" : "false")]
      if value.count == 2, let priority = Int64(value[1]), (0...65_535).contains(priority) {
        form.append(("Priority", String(priority)))
      }
      _ = try await client.post(
        .trunking, "/v1/Trunks/\(trunk)/OriginationUrls/\(sid)", form, effect: .sets,
        urgency: .urgent, before: deadline)
    } else if parts.count == 2, parts[0] == "voice-url", let sid = TwilioSid(parts[1], .number),
      numbers.contains(where: { $0.sid == sid })
    {
      // Of a number only this one field is ever written: its emergency address and status are Twilio's and the
      // practice's own business.
      _ = try await client.post(
        .api, accountPath + "/IncomingPhoneNumbers/\(sid).json", [("VoiceUrl", setting.value)],
        effect: .sets, urgency: .urgent, before: deadline)
    } else {
      throw FailoverError(.invalid, during: "writing a setting of Twilio's that is not ours")
    }
  }

  var accountPath: String { "/2010-04-01/Accounts/\(client.account)" }

  func originationURLs(
    before deadline: Moment
  ) async throws(FailoverError) -> [TwilioOrigination] {
    guard let trunk else { return [] }
    return try await client.list(
      .trunking, "/v1/Trunks/\(trunk)/OriginationUrls?PageSize=100", of: "origination_urls",
      before: deadline
    ).compactMap(TwilioOrigination.init)
  }

  func facts(
    of number: TwilioSid, before deadline: Moment
  ) async throws(FailoverError) -> TwilioNumber {
    let object = try await client.get(
      .api, accountPath + "/IncomingPhoneNumbers/\(number).json", before: deadline)
    guard let facts = TwilioNumber(object), facts.sid == number else {
      throw FailoverError(.refused, during: "reading a number of Twilio's")
    }
    guard !EmergencyNumbers.isTouched(by: facts.number) else {
      throw FailoverError(.emergencyNumber, during: "reading a number of Twilio's")
    }
    return facts
  }

  // MARK: Live calls

  public func liveCalls() async throws(FailoverError) -> [LiveCall] {
    let now = Moment.now
    let calls = try await client.list(
      .api, accountPath + "/Calls.json?Status=in-progress&PageSize=1000", of: "calls",
      before: now.advanced(byMs: readLimitMs))
    return calls.prefix(1_000).enumerated().compactMap { place, call in
      // A leg of a trunk is no call of Programmable Voice and takes no document; a child follows its parent.
      guard call["trunk_sid"]?.string == nil, call["parent_call_sid"]?.string == nil,
        let sid = call["sid"]?.string, TwilioSid(sid, .call) != nil,
        let reference = CallReference(sid)
      else { return nil }
      // The list is newest first, which is all that the order of moving needs.
      return LiveCall(reference, urgency: .normal, began: now.advanced(byMs: -Int64(place)))
    }
  }

  public func move(
    _ call: CallReference, to route: Route, urgency: Urgency, before deadline: Moment
  ) async throws(FailoverError) {
    guard let sid = TwilioSid(call.description, .call) else {
      throw FailoverError(.invalid, during: "moving a call that is not Twilio's")
    }
    let document = TwiML.ring(route.contacts, seconds: ringSeconds)
    // Inline, so that nothing of ours need be reachable for it to be fetched.
    let answer = try await client.post(
      .api, accountPath + "/Calls/\(sid).json", [("Twiml", document)], effect: .sets,
      urgency: urgency, before: deadline)
    guard answer["status"]?.string == "in-progress" else {
      throw FailoverError(.notConfirmed, during: "moving a call of Twilio's that has ended")
    }
  }

  public func ensureRecording(
    of call: CallReference, before deadline: Moment
  ) async throws(FailoverError) {
    guard let sid = TwilioSid(call.description, .call) else {
      throw FailoverError(.invalid, during: "recording a call that is not Twilio's")
    }
    let target = accountPath + "/Calls/\(sid)/Recordings.json"
    let running = try await client.list(.api, target, of: "recordings", before: deadline)
    guard !running.contains(where: { $0["status"]?.string == "in-progress" }) else { return }
    _ = try await client.post(
      .api, target, [("RecordingChannels", "dual")], effect: .acts, urgency: .critical,
      before: deadline)
  }

  // MARK: Drift

  public func findings(for routes: [Route]) async -> [DriftFinding] {
    let deadline = Moment.now.advanced(byMs: readLimitMs)
    do throws(FailoverError) {
      var configuration = TwilioConfiguration()
      configuration.originations = try await originationURLs(before: deadline)
      if let trunk {
        let facts = try await client.get(.trunking, "/v1/Trunks/\(trunk)", before: deadline)
        configuration.disasterRecoveryURL = facts["disaster_recovery_url"]?.string ?? ""
      }
      configuration.numbers = try await client.list(
        .api, accountPath + "/IncomingPhoneNumbers.json?PageSize=1000",
        of: "incoming_phone_numbers", before: deadline
      ).compactMap(TwilioNumber.init)
      return TwilioLint(actuator: self).findings(in: configuration, routes: routes)
    } catch {
      return [.settingsUnreadable(by: id, "Twilio's settings could not be read: \(error)")]
    }
  }
}
