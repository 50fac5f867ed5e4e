import CCurl
import HTTPClient
import Threading

/// A client of one mail server, by libcurl.
///
/// Each message has a connection of its own: they are rare, and a server forgets idle ones.
public actor SMTPClient {
  /// How the connection is protected.
  public enum Security: Sendable, Equatable {
    /// TLS from the first byte (port 465).
    case implicit
    /// STARTTLS, without which nothing is sent (port 587).
    case startTLS
    /// None: for a server on this machine only.
    case none
  }

  /// A server, and how this side proves who it is.
  public struct Server: Sendable {
    public var host: String
    public var port: UInt16
    public var security: Security
    /// Certificates of the authorities that are believed, in PEM; nil for the operating system's.
    public var authorities: String?
    public var user: String?

    public init(
      host: String, port: UInt16, security: Security, authorities: String? = nil,
      user: String? = nil
    ) {
      self.host = host
      self.port = port
      self.security = security
      self.authorities = authorities
      self.user = user
    }
  }

  private let executor: BlockingExecutor
  public nonisolated var unownedExecutor: UnownedSerialExecutor {
    unsafe executor.asUnownedSerialExecutor()
  }
  private let server: Server
  private let handle: EasyHandle

  /// Prepares a client; nothing is connected yet.
  ///
  /// - Throws: ``SMTPError/Code/unusable`` for a host that is none, or an open connection that would leave
  ///   this machine.
  public init(_ server: Server) throws(SMTPError) {
    let isHost =
      (1...253).contains(server.host.utf8.count)
      && server.host.utf8.allSatisfy { byte in
        switch byte {
        case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, 0x2D, 0x2E, 0x3A, 0x5B, 0x5D: true
        default: false
        }
      }
    guard isHost else { throw SMTPError(.unusable, during: "reading a mail server's name") }
    guard
      server.security != .none || ["localhost", "127.0.0.1", "[::1]"].contains(server.host)
    else { throw SMTPError(.unusable, during: "sending mail without TLS to another machine") }
    self.server = server
    do {
      handle = try EasyHandle()
      executor = try BlockingExecutor(label: "smtp")
    } catch {
      throw SMTPError(.unreachable, during: "preparing a mail client", cause: error)
    }
  }

  /// Hands a message over; returns when the server has taken it for one recipient at least.
  ///
  /// A dead address among several must not keep the others from being told.
  ///
  /// - Parameters:
  ///   - message: what is sent.
  ///   - password: of the server's user; nil where it has none.
  ///   - deadline: it has been taken by then, or has failed.
  /// - Throws: ``SMTPError``.
  public func send(
    _ message: MailMessage, password: String?, by deadline: ContinuousClock.Instant
  ) throws(SMTPError) {
    let left = Int(min((deadline - .now) / .milliseconds(1), 86_400_000))
    guard left > 0 else { throw SMTPError(.timeout, during: "waiting for an earlier message") }
    unsafe curl_easy_reset(handle.handle)
    let upload = MailUpload(message.bytes)
    var recipients: UnsafeMutablePointer<curl_slist>?
    defer {
      unsafe curl_slist_free_all(recipients)
      // The handle outlives the message and the list, and must not keep their addresses.
      unsafe curl_easy_reset(handle.handle)
    }
    for recipient in message.recipients {
      guard let longer = unsafe curl_slist_append(recipients, "<\(recipient)>") else {
        throw SMTPError(.unusable, during: "preparing a message")
      }
      unsafe recipients = longer
    }
    do throws(HTTPClientError) {
      try address(left: left, password: password)
      try handle.set(CURLOPT_MAIL_FROM, "<\(message.sender)>")
      try handle.check(
        unsafe callvault_curl_set_list(handle.handle, CURLOPT_MAIL_RCPT, recipients))
      try handle.set(CURLOPT_MAIL_RCPT_ALLLOWFAILS, 1)
      try handle.set(CURLOPT_UPLOAD, 1)
      try handle.check(
        unsafe callvault_curl_set_offset(
          handle.handle, CURLOPT_INFILESIZE_LARGE, curl_off_t(message.bytes.count)))
      try handle.check(
        unsafe callvault_curl_set_pointer(
          handle.handle, CURLOPT_READDATA, Unmanaged.passUnretained(upload).toOpaque()))
      try handle.check(
        unsafe callvault_curl_set_read(handle.handle) { bytes, size, count, context in
          guard let context = unsafe context else { return Int(CURL_READFUNC_ABORT) }
          let upload = unsafe Unmanaged<MailUpload>.fromOpaque(context).takeUnretainedValue()
          return unsafe upload.read(
            into: UnsafeMutableRawBufferPointer(start: bytes, count: size * count))
        })
    } catch {
      throw SMTPError(.unusable, during: "preparing a message", cause: error)
    }
    let code = withExtendedLifetime(upload) { unsafe curl_easy_perform(handle.handle) }
    guard code == CURLE_OK else { throw error(code) }
  }

  private func address(left: Int, password: String?) throws(HTTPClientError) {
    let scheme = server.security == .implicit ? "smtps" : "smtp"
    try handle.set(CURLOPT_URL, "\(scheme)://\(server.host):\(server.port)/callvault")
    try handle.set(CURLOPT_PROTOCOLS_STR, "smtp,smtps")
    try handle.set(CURLOPT_PROXY, "")
    try handle.set(CURLOPT_NOSIGNAL, 1)
    try handle.set(CURLOPT_TIMEOUT_MS, left)
    try handle.set(CURLOPT_CONNECTTIMEOUT_MS, left)
    try handle.set(
      CURLOPT_USE_SSL,
      server.security == .none ? Int(CURLUSESSL_NONE.rawValue) : Int(CURLUSESSL_ALL.rawValue))
    if let authorities = server.authorities { try handle.set(CURLOPT_CAINFO, authorities) }
    if let user = server.user, let password {
      try handle.set(CURLOPT_USERNAME, user)
      try handle.set(CURLOPT_PASSWORD, password)
    }
    try handle.set(CURLOPT_FORBID_REUSE, 1)
  }

  private func error(_ code: CURLcode) -> SMTPError {
    let fault = CurlFault(code)
    var reply = 0
    // libcurl has one code for a refused recipient and a broken connection; the server's last word tells.
    if unsafe callvault_curl_status(handle.handle, &reply) == CURLE_OK, (400...599).contains(reply)
    {
      return SMTPError(.refused, during: "handing over a message", cause: fault)
    }
    switch code {
    case CURLE_OPERATION_TIMEDOUT:
      return SMTPError(.timeout, during: "waiting for a mail server", cause: fault)
    case CURLE_SSL_CONNECT_ERROR, CURLE_PEER_FAILED_VERIFICATION, CURLE_USE_SSL_FAILED,
      CURLE_SSL_CACERT_BADFILE:
      return SMTPError(.tls, during: "checking a mail server's certificate", cause: fault)
    case CURLE_SEND_ERROR, CURLE_RECV_ERROR, CURLE_COULDNT_CONNECT, CURLE_COULDNT_RESOLVE_HOST,
      CURLE_GOT_NOTHING:
      return SMTPError(.unreachable, during: "talking to a mail server", cause: fault)
    default:
      return SMTPError(.refused, during: "handing over a message", cause: fault)
    }
  }
}

/// The bytes of a message, taken as they are sent.
private final class MailUpload {
  private let bytes: [UInt8]
  private var offset = 0

  init(_ bytes: [UInt8]) { self.bytes = bytes }

  func read(into buffer: UnsafeMutableRawBufferPointer) -> Int {
    let count = min(buffer.count, bytes.count - offset)
    unsafe buffer.copyBytes(from: bytes[offset..<offset + count])
    offset += count
    return count
  }
}
