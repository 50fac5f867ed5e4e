import Encoding
public import Failover
public import YAML

/// Text messages through Twilio.
public final class TwilioSMSNotifier: Notifier {
  public let id: NotifierID
  private let client: TwilioClient
  private let sender: (key: String, value: String)
  private let recipients: [String]

  /// Keys: those of an account, `from` (a number in E.164, or `MG` and 32 digits), `to` (numbers).
  public init(id: NotifierID, settings: YAMLNode) throws(YAMLError) {
    self.id = id
    let fields = try settings.mapping(of: TwilioClient.keys + ["from", "to"])
    client = try TwilioClient(fields)
    let from = try fields.required("from")
    let text = try from.string()
    if TwilioSid(text, .messagingService) != nil {
      sender = ("MessagingServiceSid", text)
    } else {
      sender = ("From", try Self.number(from))
    }
    var recipients: [String] = []
    for node in try fields.required("to").sequence() { recipients.append(try Self.number(node)) }
    guard (1...16).contains(recipients.count) else {
      throw VendorSettings.refuse(from, "1 to 16 recipients are expected")
    }
    self.recipients = recipients
  }

  private static func number(_ node: YAMLNode) throws(YAMLError) -> String {
    let text = try node.string()
    guard let contact = RouteContact(text), contact.isNumber else {
      throw VendorSettings.refuse(
        node, "a number such as +13125550123 is expected here, no emergency number")
    }
    return text
  }

  public func send(_ notice: Notice, before deadline: Moment) async throws(FailoverError) {
    let text = NoticeText(notice).message
    var failure: FailoverError?
    var taken = 0
    for recipient in recipients {
      do throws(FailoverError) {
        let answer = try await client.post(
          .api, "/2010-04-01/Accounts/\(client.account)/Messages.json",
          [("To", recipient), (sender.key, sender.value), ("Body", text)], effect: .acts,
          urgency: notice.urgency, before: deadline)
        guard answer["status"]?.string != "failed" else {
          throw FailoverError(.refused, during: "sending a text message")
        }
        taken += 1
      } catch {
        failure = error
      }
    }
    // One who knows can tell the others; that nobody knows is what must not pass unseen.
    if taken == 0, let failure { throw failure }
  }
}
