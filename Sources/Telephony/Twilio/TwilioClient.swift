import Cryptography
import Encoding
import Failover
import HTTPClient
import YAML

/// Twilio's REST interface, as far as failover needs it: section 6 of
/// `Documentation/formats/failover-actuators.md`.
final class TwilioClient: Sendable {
  /// Pages of a list that are read.
  static let pageLimit = 20

  let account: TwilioSid
  private let user: String
  private let secret: SharedSecret
  private let calls: VendorServer
  private let trunks: VendorServer

  /// Keys of an account in settings.
  static let keys = ["account", "key", "secret_file", "api", "trunking", "ca"]

  init(_ fields: YAMLMapping) throws(YAMLError) {
    let accountNode = try fields.required("account")
    guard let account = TwilioSid(try accountNode.string(), .account) else {
      throw VendorSettings.refuse(accountNode, "an AccountSid is expected here: AC and 32 digits")
    }
    self.account = account
    if let node = fields["key"] {
      guard let key = TwilioSid(try node.string(), .key) else {
        throw VendorSettings.refuse(node, "an API key is expected here: SK and 32 digits")
      }
      user = key.description
    } else {
      user = account.description
    }
    secret = try VendorSettings.secret(fields.required("secret_file"))
    calls = VendorServer(try Self.endpoint(fields, "api", "https://api.twilio.com"))
    trunks = VendorServer(try Self.endpoint(fields, "trunking", "https://trunking.twilio.com"))
  }

  private static func endpoint(
    _ fields: YAMLMapping, _ key: String, _ otherwise: String
  ) throws(YAMLError) -> Endpoint {
    guard let node = fields[key] else { return .server(origin: otherwise, trust: .system) }
    return try VendorSettings.endpoint(node, ca: fields["ca"]).endpoint
  }

  /// Which of Twilio's servers.
  enum Service: Sendable {
    case api
    case trunking
  }

  /// Reads one thing.
  func get(
    _ service: Service, _ target: String, before deadline: Moment
  ) async throws(FailoverError) -> JSONObject {
    try await send(service, "GET", target, form: nil, effect: .reads, .normal, before: deadline)
  }

  /// Reads a list, page after page.
  ///
  /// - Throws: ``FailoverError/Code/refused`` also for more pages than ``pageLimit``: half a list would be taken
  ///   for the whole.
  func list(
    _ service: Service, _ target: String, of key: String, before deadline: Moment
  ) async throws(FailoverError) -> [JSONObject] {
    var items: [JSONObject] = []
    var next: String? = target
    var pages = 0
    while let target = next {
      pages += 1
      guard pages <= Self.pageLimit else {
        throw FailoverError(.refused, during: "reading a list of Twilio's that does not end")
      }
      let page = try await get(service, target, before: deadline)
      guard let values = page[key]?.array else {
        throw FailoverError(.refused, during: "reading a list of Twilio's")
      }
      items += values.compactMap(\.object)
      next = try Self.nextTarget(of: page)
    }
    return items
  }

  /// The next page's path and query, whichever of Twilio's two ways it is given in; its host is not looked at, so
  /// no answer leads the secret elsewhere.
  static func nextTarget(of page: JSONObject) throws(FailoverError) -> String? {
    if let next = page["next_page_uri"]?.string { return next }
    guard let url = page["meta"]?.object?["next_page_url"]?.string else { return nil }
    guard let scheme = url.firstRange(of: "://"),
      let slash = url[scheme.upperBound...].firstIndex(of: "/")
    else { throw FailoverError(.refused, during: "reading the next page's address") }
    return String(url[slash...])
  }

  /// Changes or makes one thing.
  func post(
    _ service: Service, _ target: String, _ form: [(String, String)],
    effect: RetryPolicy.Effect, urgency: Urgency = .normal, before deadline: Moment
  ) async throws(FailoverError) -> JSONObject {
    try await send(service, "POST", target, form: form, effect: effect, urgency, before: deadline)
  }

  private func send(
    _ service: Service, _ method: String, _ target: String, form: [(String, String)]?,
    effect: RetryPolicy.Effect, _ urgency: Urgency, before deadline: Moment
  ) async throws(FailoverError) -> JSONObject {
    var headers = [ClientRequest.Header("Authorization", authorization)]
    var body = ClientRequest.Body.none
    if let form {
      headers.append(
        ClientRequest.Header("Content-Type", "application/x-www-form-urlencoded"))
      body = .bytes(Array(FormEncoding.encode(form).utf8))
    }
    let server = service == .api ? calls : trunks
    let response = try await server.answer(
      to: ClientRequest(method, target, headers: headers, body: body), effect: effect,
      urgency: urgency, before: deadline)
    let answer = VendorJSON.object(response.body)
    guard response.isSuccess, let answer else {
      throw FailoverError(
        .refused, during: "asking Twilio",
        cause: VendorAnswer(status: response.status, code: answer?["code"]?.integer))
    }
    return answer
  }

  private var authorization: String {
    let pair =
      Array("\(user):".utf8)
      + secret.withBytes { bytes in
        unsafe bytes.withUnsafeBytes { unsafe Array($0) }
      }
    return "Basic " + Base64.encode(pair)
  }
}
