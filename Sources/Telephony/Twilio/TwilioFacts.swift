import Encoding

/// One origination URL of a trunk, as far as it matters here.
struct TwilioOrigination: Sendable, Equatable {
  let sid: TwilioSid
  let sipURL: String
  let isEnabled: Bool
  let priority: Int64

  init?(_ object: JSONObject) {
    guard let text = object["sid"]?.string, let sid = TwilioSid(text, .originationURL),
      let isEnabled = object["enabled"]?.bool, let priority = object["priority"]?.integer,
      (0...65_535).contains(priority)
    else { return nil }
    self.sid = sid
    self.isEnabled = isEnabled
    self.priority = priority
    sipURL = object["sip_url"]?.string ?? ""
  }
}

/// One number of an account, as far as it matters here.
struct TwilioNumber: Sendable, Equatable {
  let sid: TwilioSid
  /// E.164.
  let number: String
  let voiceURL: String
  let fallbackURL: String
  /// Where set, the number's calls go to the trunk and the addresses mean nothing.
  let trunk: String?
  /// Where set, the application's addresses hold and the number's mean nothing.
  let application: String?

  init?(_ object: JSONObject) {
    guard let text = object["sid"]?.string, let sid = TwilioSid(text, .number) else { return nil }
    self.sid = sid
    number = object["phone_number"]?.string ?? ""
    voiceURL = object["voice_url"]?.string ?? ""
    fallbackURL = object["voice_fallback_url"]?.string ?? ""
    trunk = object["trunk_sid"]?.string.flatMap { $0.isEmpty ? nil : $0 }
    application = object["voice_application_sid"]?.string.flatMap { $0.isEmpty ? nil : $0 }
  }
}

/// What was read of an account.
struct TwilioConfiguration: Sendable {
  /// Nil: no trunk was looked at.
  var disasterRecoveryURL: String?
  var originations: [TwilioOrigination] = []
  /// All numbers of the account.
  var numbers: [TwilioNumber] = []
}
