import Cryptography
import Encoding
public import Failover
import SMTP
public import YAML

/// Mail to a few people.
public final class SMTPNotifier: Notifier {
  public let id: NotifierID
  private let client: SMTPClient
  private let sender: String
  private let recipients: [String]
  private let password: SharedSecret?

  /// Keys: `host`, `port`, `security` (`tls`, `starttls` or `none`), `ca`, `user`, `password_file`, `from`, `to`.
  public init(id: NotifierID, settings: YAMLNode) throws(YAMLError) {
    self.id = id
    let fields = try settings.mapping(
      of: ["host", "port", "security", "ca", "user", "password_file", "from", "to"])
    let security: SMTPClient.Security
    let securityNode = fields["security"]
    switch try securityNode?.string() ?? "tls" {
    case "tls": security = .implicit
    case "starttls": security = .startTLS
    case "none": security = .none
    default:
      throw VendorSettings.refuse(
        securityNode ?? settings, "tls, starttls or none is expected here")
    }
    let port = try fields["port"].map { node throws(YAMLError) in try node.integer(in: 1...65_535) }
    var server = SMTPClient.Server(
      host: try fields.required("host").string(),
      port: UInt16(port ?? (security == .implicit ? 465 : 587)), security: security)
    server.authorities = try fields["ca"].map { node throws(YAMLError) in try node.string() }
    server.user = try fields["user"].map { node throws(YAMLError) in try node.string() }
    password = try fields["password_file"].map { node throws(YAMLError) in
      try VendorSettings.secret(node)
    }
    sender = try fields.required("from").string()
    recipients = try fields.required("to").strings()
    do {
      client = try SMTPClient(server)
      // Addresses are refused now rather than when somebody must be told.
      _ = try MailMessage(
        from: sender, to: recipients, subject: "-", lines: [], identifier: "0",
        date: Timestamp(milliseconds: 0))
    } catch {
      throw VendorSettings.refuse(
        settings, "the mail server or an address cannot be used: \(error)")
    }
  }

  public func send(_ notice: Notice, before deadline: Moment) async throws(FailoverError) {
    let text = NoticeText(notice)
    do throws(SMTPError) {
      let message = try MailMessage(
        from: sender, to: recipients, subject: text.summary, lines: text.lines,
        identifier: "\(notice.id).\(notice.level)", date: Timestamp(milliseconds: notice.atMs))
      try await client.send(message, password: password?.text, by: deadline.instant)
    } catch {
      let code: FailoverError.Code = error.code == .refused ? .refused : .unreachable
      throw FailoverError(code, during: "sending mail", cause: error)
    }
  }
}
