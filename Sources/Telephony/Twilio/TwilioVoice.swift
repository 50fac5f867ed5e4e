import Cryptography
import Encoding
public import Failover
public import HTTPClient
import Threading
public import YAML

/// Answers Twilio when it asks what to do with a call: with a document made of the current plan.
///
/// Section 7 of `Documentation/formats/failover-actuators.md`. Bytes of the request decide whether it is
/// believed, and none of them comes back in the answer. Nothing here waits: no disk, no network, no other thread.
public final class TwilioVoice: Sendable {
  /// What goes back.
  public struct Answer: Sendable, Equatable {
    public let status: Int
    public let headers: [ClientRequest.Header]
    public let body: [UInt8]
    /// Why nothing else goes back; nil: it is believed, or was no request of Twilio's at all.
    public var refusal: Refusal?
    /// What Twilio saw of a contact that it rang.
    public var leg: Leg?
  }

  /// Why a request is not answered.
  public enum Refusal: String, Error, CaseIterable, Sendable {
    /// No signature, two of them, or settings of another form.
    case unsigned
    case malformed
    /// A code that differs: forged, or changed on the way.
    case mismatch
    /// Of another account.
    case account
    /// Of no call, or with a step that there is not.
    case call
    /// Seen before, or of a call that is over.
    case replayed
  }

  /// Whether the contact of a route could be rung.
  public struct Leg: Sendable, Equatable {
    public let route: RouteID
    public let isAlive: Bool
  }

  /// Bytes of a request's body.
  public static let bodyLimit = 16_384

  private enum Purpose: Sendable { case voice, fallback, status }

  private struct State: Sendable {
    var calls = TwilioCalls()
    /// Calls whose first document failed.
    var fallenBack = TwilioCalls()
    var documents: Int64 = 0
    var fallbacks: Int64 = 0
    var legs: Int64 = 0
    var paid: Int64 = 0
    var refused: [Refusal: Int64] = [:]
  }

  private let signature: TwilioSignature
  private let account: TwilioSid
  private let path: String
  private let ringSeconds: Int64
  private let safe: Route
  private let plan: @Sendable () -> RoutePlan?
  private let state = Lock(State())

  /// The name in the configured origin, by which Twilio asks.
  public let host: String

  /// - Parameters:
  ///   - settings: the mapping, with the keys of ``TwilioVoiceSettings``.
  ///   - safe: the route that is served where there is no plan that holds, and after the plan's own contacts.
  ///   - plan: the plan that holds now; asked for each call, so it must not wait.
  /// - Throws: `YAMLError` with file, line and column.
  public init(
    settings: YAMLNode, safe: Route, plan: @escaping @Sendable () -> RoutePlan?
  ) throws(YAMLError) {
    let settings = try TwilioVoiceSettings(settings)
    signature = settings.signature
    account = settings.account
    path = settings.path
    ringSeconds = settings.ringSeconds
    host = settings.host
    self.safe = safe
    self.plan = plan
  }

  /// Whether a path is one of Twilio's.
  public func serves(_ segments: [String]) -> Bool {
    purpose(of: "/" + segments.joined(separator: "/")) != nil
  }

  private func purpose(of path: some StringProtocol) -> Purpose? {
    if path == self.path { return .voice }
    if path == self.path + "/fallback" { return .fallback }
    return path == self.path + "/status" ? .status : nil
  }

  /// Answers one request.
  ///
  /// - Parameters:
  ///   - method: `POST`; nothing else is answered.
  ///   - target: path and query as they came.
  ///   - headers: of the request; `Host` and `X-Forwarded-…` are not looked at.
  ///   - body: at most ``bodyLimit`` bytes.
  ///   - now: the time.
  /// - Returns: 200 with a document; 204 for news; 403 for what is not Twilio's, or is old; 404, 405, 413.
  public func answer(
    method: String, target: String, headers: [ClientRequest.Header], body: [UInt8], now: Moment
  ) -> Answer {
    guard body.count <= Self.bodyLimit else { return empty(413) }
    guard let purpose = purpose(of: target.prefix(while: { $0 != "?" })) else { return empty(404) }
    guard method == "POST" else { return empty(405) }
    do throws(Refusal) {
      let fields = try believed(target: target, headers: headers, body: body)
      guard let call = only("CallSid", fields).flatMap({ TwilioSid($0, .call) }),
        let step = Self.step(in: target)
      else { throw .call }
      switch purpose {
      case .voice, .fallback:
        return try document(purpose, for: call, step: step, fields, now: now)
      case .status: return try news(of: call, step: step, fields)
      }
    } catch {
      state.withLock { $0.refused[error, default: 0] += 1 }
      var answer = empty(403)
      answer.refusal = error
      return answer
    }
  }

  private func believed(
    target: String, headers: [ClientRequest.Header], body: [UInt8]
  ) throws(Refusal) -> [(name: String, value: String)] {
    let fields: [(name: String, value: String)]
    do throws(TwilioSignature.Refusal) {
      fields = try signature.check(target: target, headers: headers, body: body)
    } catch {
      switch error {
      case .unsigned: throw .unsigned
      case .malformed: throw .malformed
      case .mismatch: throw .mismatch
      }
    }
    guard only("AccountSid", fields) == account.description else { throw .account }
    return fields
  }

  // MARK: Documents

  private func document(
    _ purpose: Purpose, for call: TwilioSid, step: Int,
    _ fields: [(name: String, value: String)], now: Moment
  ) throws(Refusal) -> Answer {
    let hasEnded = Self.ends.contains(only("CallStatus", fields) ?? "")
    // Whoever was reached has had the call.
    let wasTaken = step > 0 && ["completed", "answered"].contains(only("DialCallStatus", fields))
    let (route, ways) = ways(purpose, at: now)
    let next = state.withLock { state in
      let next: TwilioCalls.Next
      if purpose == .fallback {
        state.fallbacks += 1
        next = state.fallenBack.next(
          for: call, step: step, hasEnded: hasEnded, among: ways, of: route, now: now)
      } else {
        state.documents += 1
        next = state.calls.next(
          for: call, step: step, hasEnded: hasEnded, among: ways, of: route, now: now)
      }
      if case .ring(let way, _) = next, way.isPaid, !wasTaken { state.paid += 1 }
      return next
    }
    switch next {
    case .refused: throw .replayed
    case .ring(let way, let isLast) where !wasTaken:
      let place = signature.origin + path
      let own = purpose == .fallback ? place + "/fallback" : place
      return document(
        TwiML.ring(
          way.contact, seconds: ringSeconds, next: isLast ? nil : "\(own)?step=\(step + 1)",
          // What a fallback rang says nothing of the plan.
          status: purpose == .fallback ? nil : "\(place)/status\(step > 0 ? "?step=\(step)" : "")"))
    default: return document(TwiML.hangUp)
    }
  }

  /// Whom a call rings, in order: the plan's contacts, then those of the last route, which needs nothing of ours.
  private func ways(_ purpose: Purpose, at now: Moment) -> (route: RouteID, ways: [TwilioCalls.Way])
  {
    var routes = [safe]
    if purpose == .voice, let plan = plan(), plan.expires > now, plan.route.id != safe.id {
      routes.insert(plan.route, at: 0)
    }
    var ways: [TwilioCalls.Way] = []
    for route in routes {
      for contact in route.contacts
      where !ways.contains(where: { $0.contact.uri == contact.uri }) {
        ways.append(
          TwilioCalls.Way(route: route.id, contact: contact, isPaid: route.isPaid))
      }
    }
    return (routes[0].id, ways)
  }

  private func document(_ text: String) -> Answer {
    Answer(
      status: 200,
      headers: [
        ClientRequest.Header("Content-Type", "text/xml; charset=utf-8"),
        ClientRequest.Header("Cache-Control", "no-store"),
      ], body: Array(text.utf8))
  }

  private func empty(_ status: Int) -> Answer { Answer(status: status, headers: [], body: []) }

  // MARK: News

  /// Words of Twilio's for a call that is over.
  private static let ends: Set<String> = ["completed", "busy", "failed", "no-answer", "canceled"]

  /// What became of a call, or of a leg of it.
  private func news(
    of call: TwilioSid, step: Int, _ fields: [(name: String, value: String)]
  ) throws(Refusal) -> Answer {
    let word = only("CallStatus", fields) ?? ""
    guard fields.contains(where: { $0.name == "ParentCallSid" }) else {
      guard !Self.ends.contains(word) || state.withLock({ $0.calls.end(call) }) else {
        throw .replayed
      }
      return empty(204)
    }
    guard let parent = only("ParentCallSid", fields).flatMap({ TwilioSid($0, .call) }) else {
      throw .call
    }
    let isAnswer = word == "in-progress"
    guard isAnswer || Self.ends.contains(word) else { return empty(204) }
    let leg = state.withLock { state in
      state.legs += 1
      return state.calls.leg(of: parent, step: step, isAnswer: isAnswer)
    }
    var answer = empty(204)
    switch leg {
    case .refused: throw .replayed
    case .unknown: break
    case .of(let route):
      if let isAlive = Self.isAlive(word, sip: only("SipResponseCode", fields)) {
        answer.leg = Leg(route: route, isAlive: isAlive)
      }
    }
    return answer
  }

  /// What a leg's end says of the place it rang; nil: nothing.
  ///
  /// Busy is life, and so is any final answer but 408 and 5xx (`Documentation/formats/routing.md`, 2.2).
  static func isAlive(_ word: String, sip: String?) -> Bool? {
    switch word {
    case "in-progress", "busy": return true
    case "failed":
      guard let sip, sip.utf8.count == 3, let code = Int(sip) else { return false }
      return (400..<500).contains(code) && code != 408 || code >= 600
    // It lasted a while, or rang out: its answer has been told, and silence at a desk is no outage.
    default: return nil
    }
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

  // MARK: Figures

  /// What it has done: names, words and numbers for metrics.
  public var totals: [(String, String, Int64)] {
    state.withLock { state in
      [
        ("twilio_documents", "Documents asked for by Twilio, as signed.", state.documents),
        ("twilio_fallbacks", "Documents asked for because the first failed.", state.fallbacks),
        ("twilio_legs", "News of contacts that Twilio rang.", state.legs),
      ]
    }
  }

  /// Contacts of paid routes that it had rung, ever.
  public var paidCalls: Int64 { state.withLock { $0.paid } }

  /// Requests that were refused, each word of ``Refusal`` with its number.
  public var refused: [(Refusal, Int64)] {
    let refused = state.withLock { $0.refused }
    return Refusal.allCases.map { ($0, refused[$0] ?? 0) }
  }
}
