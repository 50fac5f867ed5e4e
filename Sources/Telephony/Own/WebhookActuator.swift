import Cryptography
import Encoding
public import Failover
import HTTPClient
import Threading
public import YAML

/// A program of the practice's own, told by signed requests: section 9 of
/// `Documentation/formats/failover-actuators.md`.
public final class WebhookActuator: SettingsActuator {
  public let id: ActuatorID
  public let fence = PlanFence()
  public let readLimitMs: Int64
  /// It gets fencing number and version, and refuses lower ones with 409.
  public let isFenced = true
  private let server: VendorServer
  private let path: String
  private let signature: WebhookSignature
  private let routes: RouteWords
  private let clock = SystemClock()

  /// Keys: `url`, `ca`, `path`, `secret_file`, `routes`, `limit_ms`.
  public init(id: ActuatorID, settings: YAMLNode) throws(YAMLError) {
    self.id = id
    let fields = try settings.mapping(
      of: ["url", "ca", "path", "secret_file", "routes", "limit_ms"])
    server = VendorServer(
      try VendorSettings.endpoint(fields.required("url"), ca: fields["ca"]).endpoint)
    path = try VendorSettings.path(fields.required("path"))
    signature = try WebhookSignature(settings: fields.required("secret_file"))
    routes = try RouteWords(fields.required("routes"))
    readLimitMs = try VendorSettings.milliseconds(
      fields["limit_ms"], in: 50...10_000, otherwise: 2_000)
  }

  public func wanted(for plan: RoutePlan) -> [WantedSetting] {
    routes.word(for: plan).map { [WantedSetting("route", $0)] } ?? []
  }

  public func read(
    _ subjects: [String], before deadline: Moment
  ) async throws(FailoverError) -> [String: String] {
    let answer = try await ask(["v": 1, "do": "read"], effect: .reads, before: deadline)
    return ["route": routes.known(answer["route"]?.string ?? "")]
  }

  public func write(
    _ setting: WantedSetting, of mark: PlanMark, before deadline: Moment
  ) async throws(FailoverError) {
    _ = try await ask(
      [
        "v": 1, "do": "set", "route": .string(setting.value), "fencing": .integer(mark.fencing),
        "version": .integer(mark.version),
      ], effect: .sets, before: deadline)
  }

  private func ask(
    _ question: JSONValue, effect: RetryPolicy.Effect, before deadline: Moment
  ) async throws(FailoverError) -> JSONObject {
    let body = question.encoded()
    let signed: ClientRequest.Header
    do {
      signed = try signature.header(for: body, atMs: clock.read().milliseconds)
    } catch {
      throw FailoverError(.unavailable, during: "signing a request", cause: error)
    }
    let response = try await server.answer(
      to: ClientRequest(
        "POST", path,
        headers: [ClientRequest.Header("Content-Type", "application/json"), signed],
        body: .bytes(body)), effect: effect, urgency: .urgent, before: deadline)
    let cause = VendorAnswer(status: response.status)
    guard response.status != 409 else {
      throw FailoverError(.fenced, during: "telling a webhook", cause: cause)
    }
    guard response.isSuccess, let answer = VendorJSON.object(response.body),
      answer["v"]?.integer == 1
    else { throw FailoverError(.refused, during: "telling a webhook", cause: cause) }
    return answer
  }
}

extension WebhookSignature {
  /// The key of a file.
  init(settings node: YAMLNode) throws(YAMLError) {
    guard let signature = WebhookSignature(key: try VendorSettings.secret(node)) else {
      throw VendorSettings.refuse(node, "a webhook's secret has at least 32 characters")
    }
    self = signature
  }
}
