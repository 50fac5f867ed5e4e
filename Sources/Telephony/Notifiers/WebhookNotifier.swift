import Encoding
public import Failover
import HTTPClient
import Threading
public import YAML

/// A signed request to a program of the practice's own: section 9 of
/// `Documentation/formats/failover-actuators.md`.
public final class WebhookNotifier: Notifier {
  public let id: NotifierID
  private let server: VendorServer
  private let path: String
  private let signature: WebhookSignature
  private let clock = SystemClock()

  /// Keys: `url`, `ca`, `path`, `secret_file`.
  public init(id: NotifierID, settings: YAMLNode) throws(YAMLError) {
    self.id = id
    let fields = try settings.mapping(of: ["url", "ca", "path", "secret_file"])
    server = VendorServer(
      try VendorSettings.endpoint(fields.required("url"), ca: fields["ca"]).endpoint)
    path = try VendorSettings.path(fields.required("path"))
    signature = try WebhookSignature(settings: fields.required("secret_file"))
  }

  public func send(_ notice: Notice, before deadline: Moment) async throws(FailoverError) {
    let body = NoticeText(notice).json.encoded()
    let signed: ClientRequest.Header
    do {
      signed = try signature.header(for: body, atMs: clock.read().milliseconds)
    } catch {
      throw FailoverError(.unavailable, during: "signing a notice", cause: error)
    }
    // A notice that comes twice has one id.
    let response = try await server.answer(
      to: ClientRequest(
        "POST", path,
        headers: [ClientRequest.Header("Content-Type", "application/json"), signed],
        body: .bytes(body)), effect: .sets, urgency: notice.urgency, before: deadline)
    guard response.isSuccess else {
      throw FailoverError(
        .refused, during: "sending a notice", cause: VendorAnswer(status: response.status))
    }
  }
}
