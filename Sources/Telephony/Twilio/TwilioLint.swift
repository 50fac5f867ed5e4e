import Failover

/// Drift of an account from what its actuator needs: pure, over what was read.
struct TwilioLint: Sendable {
  let id: ActuatorID
  let originations: RouteChoice<[TwilioSid]>
  let numbers: [(sid: TwilioSid, urls: RouteChoice<String>)]

  init(actuator: TwilioActuator) {
    self.init(id: actuator.id, originations: actuator.originations, numbers: actuator.numbers)
  }

  init(
    id: ActuatorID, originations: RouteChoice<[TwilioSid]>,
    numbers: [(sid: TwilioSid, urls: RouteChoice<String>)]
  ) {
    self.id = id
    self.originations = originations
    self.numbers = numbers
  }

  func findings(in configuration: TwilioConfiguration, routes: [Route]) -> [DriftFinding] {
    numberFindings(configuration) + trunkFindings(configuration)
      + loopFindings(configuration, routes)
  }

  private func finding(
    _ code: String, _ severity: DriftFinding.Severity, _ advice: String
  ) -> DriftFinding {
    DriftFinding(code: code, actuator: id, severity: severity, advice: advice)
  }

  private func numberFindings(_ configuration: TwilioConfiguration) -> [DriftFinding] {
    var findings: [DriftFinding] = []
    for (sid, urls) in numbers {
      guard let number = configuration.numbers.first(where: { $0.sid == sid }) else {
        findings.append(finding("number-missing", .blocking, "the account has no number \(sid)"))
        continue
      }
      if EmergencyNumbers.isTouched(by: number.number) {
        findings.append(
          finding("emergency-touched", .blocking, "take \(sid) out: it is an emergency number"))
      }
      if number.trunk != nil {
        findings.append(
          finding(
            "trunk-hides-voice-url", .blocking,
            "\(sid) belongs to a trunk, so its VoiceUrl means nothing: take it out of the trunk"))
      }
      if number.application != nil {
        findings.append(
          finding(
            "application-hides-voice-url", .blocking,
            "\(sid) has an application, so its VoiceUrl means nothing: clear VoiceApplicationSid"))
      }
      if !urls.all.contains(number.voiceURL) {
        findings.append(
          finding(
            "voice-url-foreign", .warning, "the VoiceUrl of \(sid) is none of the policy's"))
      }
      if number.fallbackURL.isEmpty {
        findings.append(
          finding(
            "fallback-url-missing", .warning,
            "\(sid) has no VoiceFallbackUrl: calls are lost while its VoiceUrl does not answer"))
      }
      if !Set(urls.all + [number.voiceURL]).allSatisfy(Self.hasTimeouts) {
        findings.append(
          finding(
            "timeouts-missing", .warning,
            "end the VoiceUrl of \(sid) in #ct=500&rt=1500: without it a caller hears 15 s of silence"
          ))
      }
    }
    return findings
  }

  /// Whether the fragment bounds both how long Twilio connects and how long it reads (Twilio's "connection
  /// overrides").
  static func hasTimeouts(_ url: String) -> Bool {
    guard let hash = url.firstIndex(of: "#") else { return false }
    let parts = url[url.index(after: hash)...].split(separator: "&")
    func bounds(_ name: String, _ range: ClosedRange<Int>) -> Bool {
      parts.contains { part in
        part.hasPrefix(name + "=")
          && Int(part.dropFirst(name.utf8.count + 1)).map(range.contains)
            == true
      }
    }
    return bounds("ct", 100...5_000) && bounds("rt", 100...5_000)
  }

  private func trunkFindings(_ configuration: TwilioConfiguration) -> [DriftFinding] {
    guard let recovery = configuration.disasterRecoveryURL else { return [] }
    var findings: [DriftFinding] = []
    if recovery.isEmpty {
      findings.append(
        finding(
          "disaster-recovery-url-missing", .warning,
          "the trunk has no DisasterRecoveryUrl: calls are lost when no address answers"))
    }
    let known = Set(originations.all.joined())
    for sid in known.map(\.description).sorted()
    where !configuration.originations.contains(where: { $0.sid.description == sid }) {
      findings.append(
        finding("origination-missing", .blocking, "the trunk has no origination URL \(sid)"))
    }
    let enabled = configuration.originations.filter(\.isEnabled)
    for url in enabled where EmergencyNumbers.isTouched(by: url.sipURL) {
      findings.append(
        finding(
          "emergency-touched", .blocking, "origination URL \(url.sid) names an emergency number"))
    }
    for url in enabled where !known.contains(url.sid) {
      findings.append(
        finding(
          "origination-foreign", .warning,
          "origination URL \(url.sid) is enabled and no route's: calls may go there"))
    }
    let on = Set(enabled.map(\.sid)).intersection(known)
    if on.isEmpty, !known.isEmpty {
      findings.append(finding("no-route-active", .blocking, "no origination URL is enabled"))
    } else if !on.isEmpty, !originations.all.contains(where: { on.isSubset(of: $0) }) {
      findings.append(
        finding("several-routes-active", .warning, "origination URLs of several routes are enabled")
      )
    }
    return findings
  }

  /// A route to one of our own numbers brings a call back to where it came from.
  private func loopFindings(
    _ configuration: TwilioConfiguration, _ routes: [Route]
  ) -> [DriftFinding] {
    let ours = Set(configuration.numbers.map(\.number))
    return routes.filter { route in
      route.provider != .threeCX
        && route.contacts.contains { $0.isNumber && ours.contains($0.uri) }
    }.map { route in
      finding(
        "route-loops", .blocking, "route \(route.id) leads to a number of the account itself")
    }
  }
}
