import Cryptography
import Encoding
public import Failover
import HTTPClient
public import YAML

/// PagerDuty, by its Events API v2.
public final class PagerDutyNotifier: Notifier {
  public let id: NotifierID
  private let server: VendorServer
  private let key: SharedSecret
  private let source: String

  /// Keys: `routing_key_file`, `source` (`callvault` if absent), `url`, `ca`.
  public init(id: NotifierID, settings: YAMLNode) throws(YAMLError) {
    self.id = id
    let fields = try settings.mapping(of: ["routing_key_file", "source", "url", "ca"])
    let keyNode = try fields.required("routing_key_file")
    key = try VendorSettings.secret(keyNode)
    guard key.count == 32 else {
      throw VendorSettings.refuse(keyNode, "an integration key has 32 characters")
    }
    source =
      try fields["source"].map { node throws(YAMLError) in
        guard let name = TargetID(try node.string()) else {
          throw VendorSettings.refuse(
            node, "a name of lower-case letters, digits and - is expected")
        }
        return name.description
      } ?? "callvault"
    if let node = fields["url"] {
      server = VendorServer(try VendorSettings.endpoint(node, ca: fields["ca"]).endpoint)
    } else {
      server = VendorServer(.server(origin: "https://events.pagerduty.com", trust: .system))
    }
  }

  public func send(_ notice: Notice, before deadline: Moment) async throws(FailoverError) {
    // The notice's id makes repetitions one incident.
    let response = try await server.answer(
      to: ClientRequest(
        "POST", "/v2/enqueue",
        headers: [ClientRequest.Header("Content-Type", "application/json")],
        body: .bytes(Self.event(notice, routingKey: key.text, source: source).encoded())),
      effect: .sets, urgency: notice.urgency, before: deadline)
    guard response.status == 202 else {
      throw FailoverError(
        .refused, during: "sending a notice to PagerDuty",
        cause: VendorAnswer(status: response.status))
    }
  }

  /// The event's body.
  static func event(_ notice: Notice, routingKey: String, source: String) -> JSONValue {
    let text = NoticeText(notice)
    let severity =
      switch notice.urgency {
      case .critical: "critical"
      case .urgent: "error"
      case .normal: "warning"
      }
    return [
      "routing_key": .string(routingKey), "event_action": "trigger",
      "dedup_key": .string("\(notice.id)"),
      "payload": [
        "summary": .string(text.summary), "source": .string(source),
        "severity": .string(severity),
        "timestamp": .string(Timestamp(milliseconds: notice.atMs).rfc3339),
        "class": .string(notice.event.rawValue), "custom_details": text.json,
      ],
    ]
  }
}
