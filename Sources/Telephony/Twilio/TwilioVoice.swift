import Cryptography
import Encoding
public import Failover
public import HTTPClient
import Threading
public import YAML

/// Answers Twilio when it asks what to do with a new call: with a document made of the current plan.
///
/// Section 7 of `Documentation/formats/failover-actuators.md`. Bytes of the request decide whether it is
/// believed, and none of them comes back in the answer.
public final class TwilioVoice: Sendable {
  /// What goes back.
  public struct Answer: Sendable, Equatable {
    public let status: Int
    public let headers: [ClientRequest.Header]
    public let body: [UInt8]
  }

  /// Bytes of a request's body.
  public static let bodyLimit = 16_384

  private let signature: TwilioSignature
  private let account: TwilioSid
  private let path: String
  private let ringSeconds: Int64
  private let plan: @Sendable () -> RoutePlan?
  private let replays = Lock(TwilioReplayGuard())

  /// Keys: `origin`, `path`, `account`, `token_file`, `shared_key`, `shared_key_file`, `ring_s`.
  ///
  /// - Parameters:
  ///   - settings: the mapping.
  ///   - plan: the plan that holds now; nil: there is none, and callers hear a busy tone.
  /// - Throws: `YAMLError` with file, line and column.
  public init(
    settings: YAMLNode, plan: @escaping @Sendable () -> RoutePlan?
  ) throws(YAMLError) {
    let fields = try settings.mapping(
      of: ["origin", "path", "account", "token_file", "shared_key", "shared_key_file", "ring_s"])
    let originNode = try fields.required("origin")
    let origin = try originNode.string()
    guard origin.hasPrefix("https://") || origin.hasPrefix("http://"), !origin.hasSuffix("/"),
      origin.utf8.allSatisfy({ (0x21...0x7E).contains($0) }),
      origin.split(separator: "/", omittingEmptySubsequences: false).count == 3
    else {
      throw VendorSettings.refuse(
        originNode,
        "the origin that Twilio was given is expected, such as https://calls.example.org")
    }
    let accountNode = try fields.required("account")
    guard let account = TwilioSid(try accountNode.string(), .account) else {
      throw VendorSettings.refuse(accountNode, "an AccountSid is expected here: AC and 32 digits")
    }
    self.account = account
    var shared: (id: String, secret: SharedSecret)?
    if let node = fields["shared_key"] {
      shared = (
        try node.string(), try VendorSettings.secret(fields.required("shared_key_file"))
      )
    }
    signature = TwilioSignature(
      origin: origin, token: try VendorSettings.secret(fields.required("token_file")),
      sharedKey: shared)
    path =
      try fields["path"].map { node throws(YAMLError) in try VendorSettings.path(node) }
      ?? "/twilio/voice"
    ringSeconds = try VendorSettings.milliseconds(fields["ring_s"], in: 5...120, otherwise: 20)
    self.plan = plan
  }

  /// Answers one request.
  ///
  /// - Parameters:
  ///   - method: `POST`; nothing else is answered.
  ///   - target: path and query as they came.
  ///   - headers: of the request; `Host` and `X-Forwarded-…` are not looked at.
  ///   - body: at most ``bodyLimit`` bytes.
  ///   - now: the time.
  /// - Returns: 200 with a document; 403 for what is not Twilio's, or is old; 404, 405, 413.
  public func answer(
    method: String, target: String, headers: [ClientRequest.Header], body: [UInt8], now: Moment
  ) -> Answer {
    guard body.count <= Self.bodyLimit else { return refusal(413) }
    guard target.prefix(while: { $0 != "?" }) == path else { return refusal(404) }
    guard method == "POST" else { return refusal(405) }
    let fields: [(name: String, value: String)]
    do throws(TwilioSignature.Refusal) {
      fields = try signature.check(target: target, headers: headers, body: body)
    } catch {
      return refusal(403)
    }
    guard only("AccountSid", fields) == account.description,
      let call = only("CallSid", fields).flatMap({ TwilioSid($0, .call) }),
      let step = Self.step(in: target)
    else { return refusal(403) }
    let status = only("CallStatus", fields) ?? ""
    let hasEnded = ["completed", "busy", "failed", "no-answer", "canceled"].contains(status)
    let isAdmitted = replays.withLock {
      $0.admit(call, step: step, hasEnded: hasEnded, now: now)
    }
    guard isAdmitted else { return refusal(403) }
    return document(step: step, wasTaken: only("DialCallStatus", fields) == "completed")
  }

  private func document(step: Int, wasTaken: Bool) -> Answer {
    let text: String
    if step > 0, wasTaken {
      text = TwiML.hangUp
    } else if let contacts = plan()?.route.contacts, step < contacts.count {
      let isLast = step + 1 == contacts.count
      text =
        isLast
        ? TwiML.ring([contacts[step]], seconds: ringSeconds)
        : TwiML.ring(
          contacts[step], seconds: ringSeconds,
          next: "\(signature.origin)\(path)?step=\(step + 1)")
    } else {
      text = step == 0 ? TwiML.busy : TwiML.hangUp
    }
    return Answer(
      status: 200,
      headers: [
        ClientRequest.Header("Content-Type", "text/xml; charset=utf-8"),
        ClientRequest.Header("Cache-Control", "no-store"),
      ], body: Array(text.utf8))
  }

  private func refusal(_ status: Int) -> Answer {
    Answer(status: status, headers: [], body: [])
  }

  /// The value of a field that stands once.
  private func only(_ name: String, _ fields: [(name: String, value: String)]) -> String? {
    let values = fields.filter { $0.name == name }
    return values.count == 1 ? values[0].value : nil
  }

  /// 0 without a query, else `step=` with 1 to 99 and nothing more; nil for anything else.
  static func step(in target: String) -> Int? {
    guard let mark = target.firstIndex(of: "?") else { return 0 }
    let query = target[target.index(after: mark)...]
    guard query.hasPrefix("step="), let step = Int(query.dropFirst(5)), (1...99).contains(step),
      String(step) == query.dropFirst(5)
    else { return nil }
    return step
  }
}
