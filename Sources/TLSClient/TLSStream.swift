import COpenSSL
import Glibc

/// A TLS connection to a server whose certificate was checked: bytes go out and come in order, and its end says
/// whether the other side read them.
///
/// TLS 1.2 or 1.3. Calls block for as long as the settings say at most, so it belongs to an actor with a
/// thread of its own; when the task that calls is cancelled they throw, but for ``end()``. Ignores `SIGPIPE` in the whole
/// process, as the HTTP floor does.
@safe
public final class TLSStream: ClientStream {
  /// How the other side ended a connection that this side had ended.
  public enum Ending: Sendable {
    /// By close_notify: its TLS has read everything before ours.
    case answered
    /// By closing the connection in order, without a word of TLS.
    case closed
  }

  private let settings: TLSClientSettings
  private let socket: ClientSocket
  private let context: OpaquePointer
  private let session: OpaquePointer
  private var hasFailed = false

  /// Connects and shakes hands.
  ///
  /// - Throws: ``TLSClientError``: ``TLSClientError/Code/unreachable``, ``TLSClientError/Code/refused``
  ///   with OpenSSL's reason, ``TLSClientError/Code/unusable`` for the files.
  public init(to settings: TLSClientSettings) throws(TLSClientError) {
    signal(SIGPIPE, SIG_IGN)
    self.settings = settings
    let context = try unsafe Self.makeContext(settings)
    do throws(TLSClientError) {
      socket = try ClientSocket(
        to: settings.host, port: settings.port, within: settings.connectTimeout)
      unsafe session = try unsafe Self.makeSession(
        of: context, to: settings.host, on: socket.descriptor)
    } catch {
      unsafe SSL_CTX_free(context)
      throw error
    }
    unsafe self.context = context
    try shakeHands()
  }

  deinit {
    unsafe SSL_free(session)
    unsafe SSL_CTX_free(context)
  }

  private static func makeContext(_ settings: TLSClientSettings) throws(TLSClientError)
    -> OpaquePointer
  {
    ERR_clear_error()
    guard let context = unsafe SSL_CTX_new(TLS_client_method()) else {
      throw fault(.unusable, "making a TLS context")
    }
    unsafe callvault_tls_client_options(context)
    unsafe SSL_CTX_set_verify(context, SSL_VERIFY_PEER, nil)
    var isUsable = unsafe SSL_CTX_load_verify_file(context, settings.authorities) == 1
    if let certificate = settings.certificate, let key = settings.key {
      isUsable =
        unsafe isUsable && SSL_CTX_use_certificate_chain_file(context, certificate) == 1
        && SSL_CTX_use_PrivateKey_file(context, key, SSL_FILETYPE_PEM) == 1
        && SSL_CTX_check_private_key(context) == 1
    }
    guard isUsable else {
      let failure = fault(.unusable, "reading the certificate files")
      unsafe SSL_CTX_free(context)
      throw failure
    }
    return unsafe context
  }

  private static func makeSession(
    of context: OpaquePointer, to host: String, on descriptor: Int32
  ) throws(TLSClientError) -> OpaquePointer {
    guard let session = unsafe SSL_new(context) else {
      throw fault(.unusable, "making a TLS session")
    }
    unsafe SSL_set_hostflags(session, UInt32(X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS))
    // A numeric address is compared with the certificate's addresses, and not sent as a name.
    let isAddress =
      unsafe X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(session), host) == 1
    let isNamed =
      unsafe isAddress
      || (SSL_set1_host(session, host) == 1 && callvault_tls_name_server(session, host) == 1)
    guard isNamed, unsafe SSL_set_fd(session, descriptor) == 1 else {
      let failure = fault(.unusable, "naming the server")
      unsafe SSL_free(session)
      throw failure
    }
    unsafe SSL_set_connect_state(session)
    return unsafe session
  }

  private func shakeHands() throws(TLSClientError) {
    let deadline = ContinuousClock.now + settings.connectTimeout
    while true {
      ERR_clear_error()
      let result = unsafe SSL_do_handshake(session)
      if result == 1 { return }
      let certificate = unsafe SSL_get_verify_result(session)
      guard certificate == X509_V_OK else {
        hasFailed = true
        let reason = unsafe String(cString: X509_verify_cert_error_string(certificate))
        throw TLSClientError(
          .refused, during: "checking the server's certificate",
          cause: TLSClientFault(description: reason))
      }
      try wait(result, until: deadline, .refused, "shaking hands")
    }
  }

  /// When the server's certificate ends, in seconds since 1970; nil where it is not written as a time.
  public var certificateEnd: Int64? {
    guard let certificate = unsafe SSL_get0_peer_certificate(session),
      let end = unsafe X509_get0_notAfter(certificate)
    else { return nil }
    var time = unsafe tm()
    guard unsafe ASN1_TIME_to_tm(end, &time) == 1 else { return nil }
    return Int64(unsafe timegm(&time))
  }

  // MARK: Use

  /// Sends all of `bytes`: they are then with this side's kernel.
  ///
  /// - Throws: ``TLSClientError``; the connection is then of no use any more.
  public func write(_ bytes: [UInt8]) throws(TLSClientError) {
    var sent = 0
    var deadline = ContinuousClock.now + settings.writeTimeout
    while sent < bytes.count {
      ERR_clear_error()
      var count = 0
      let result = unsafe bytes.withUnsafeBytes { buffer in
        let rest = unsafe UnsafeRawBufferPointer(rebasing: buffer[sent...])
        return unsafe SSL_write_ex(session, rest.baseAddress, rest.count, &count)
      }
      if result == 1 {
        sent += count
        deadline = ContinuousClock.now + settings.writeTimeout
      } else {
        try wait(result, until: deadline, .interrupted, "sending")
      }
    }
  }

  public func receive(by deadline: ContinuousClock.Instant) throws(TLSClientError) -> [UInt8]? {
    var received: [UInt8] = []
    while true {
      switch read(keeping: &received) {
      case .bytes: return received
      case .nothing:
        try ClientSocket.wait(for: Int16(POLLIN), on: socket.descriptor, until: deadline)
      case .notified: return nil
      // Without close_notify bytes may be missing: somebody else may have ended it.
      case .closed: throw TLSClientError(.interrupted, during: "receiving")
      case .ended(let reason):
        throw TLSClientError(
          .interrupted, during: "receiving",
          cause: reason.map(TLSClientFault.init(description:)))
      }
    }
  }

  /// Looks, without waiting, whether the other side has ended the connection or broken it.
  ///
  /// What it sent is dropped: this side asks nothing.
  ///
  /// - Throws: ``TLSClientError/Code/interrupted`` if it has.
  public func checkOpen() throws(TLSClientError) {
    while true {
      switch read() {
      case .bytes: continue
      case .nothing: return
      case .ended(let reason):
        throw TLSClientError(
          .interrupted, during: "sending to a server that ended the connection",
          cause: reason.map(TLSClientFault.init(description:)))
      case .closed, .notified:
        throw TLSClientError(
          .interrupted, during: "sending to a server that ended the connection")
      }
    }
  }

  /// Ends the connection, and waits until the other side has.
  ///
  /// - Returns: how it did; it had read what was sent before.
  /// - Throws: ``TLSClientError`` when it ended first, broke the connection, or does not end in time.
  public func end() throws(TLSClientError) -> Ending {
    try checkOpen()
    let deadline = ContinuousClock.now + settings.endTimeout
    while true {
      ERR_clear_error()
      let result = unsafe SSL_shutdown(session)
      if result >= 0 { break }
      // A stop does not cut this short: without the answer all of the session is sent again.
      try wait(
        result, until: deadline, .interrupted, "ending the connection", heedsCancellation: false)
    }
    while true {
      switch read() {
      case .bytes: continue
      case .nothing:
        try ClientSocket.wait(
          for: Int16(POLLIN), on: socket.descriptor, until: deadline, heedsCancellation: false)
      case .notified: return .answered
      case .closed: return .closed
      case .ended(let reason):
        throw TLSClientError(
          .interrupted, during: "waiting for the server's end of the connection",
          cause: reason.map(TLSClientFault.init(description:)))
      }
    }
  }

  private enum Reading {
    case bytes
    case nothing
    /// close_notify.
    case notified
    /// An end of the TCP stream, in order.
    case closed
    case ended(String?)
  }

  private func read() -> Reading {
    var dropped: [UInt8] = []
    return read(keeping: &dropped)
  }

  private func read(keeping received: inout [UInt8]) -> Reading {
    guard !hasFailed else { return .ended(nil) }
    ERR_clear_error()
    var buffer = [UInt8](repeating: 0, count: 16_384)
    var count = 0
    let result = unsafe buffer.withUnsafeMutableBytes { bytes in
      unsafe SSL_read_ex(session, bytes.baseAddress, bytes.count, &count)
    }
    if result == 1 {
      received = Array(buffer[..<count])
      return .bytes
    }
    switch unsafe SSL_get_error(session, result) {
    case SSL_ERROR_WANT_READ, SSL_ERROR_WANT_WRITE: return .nothing
    case SSL_ERROR_ZERO_RETURN: return .notified
    case SSL_ERROR_SSL:
      hasFailed = true
      let code = ERR_peek_error()
      let isEnd = Int(code & 0x7F_FFFF) == Int(SSL_R_UNEXPECTED_EOF_WHILE_READING)
      return isEnd ? .closed : .ended(Self.reason())
    default:
      let number = errno
      hasFailed = true
      return .ended(unsafe String(cString: strerror(number)))
    }
  }

  /// Waits for what OpenSSL wants before the same call can go on.
  private func wait(
    _ result: Int32, until deadline: ContinuousClock.Instant, _ code: TLSClientError.Code,
    _ operation: StaticString, heedsCancellation: Bool = true
  ) throws(TLSClientError) {
    func wait(_ events: Int32) throws(TLSClientError) {
      try ClientSocket.wait(
        for: Int16(events), on: socket.descriptor, until: deadline,
        heedsCancellation: heedsCancellation)
    }
    switch unsafe SSL_get_error(session, result) {
    case SSL_ERROR_WANT_READ: try wait(POLLIN)
    case SSL_ERROR_WANT_WRITE: try wait(POLLOUT)
    case SSL_ERROR_SYSCALL:
      let number = errno
      hasFailed = true
      throw TLSClientError(
        .interrupted, during: operation,
        cause: TLSClientFault(description: unsafe String(cString: strerror(number))))
    default:
      hasFailed = true
      throw Self.fault(code, operation)
    }
  }

  private static func fault(
    _ code: TLSClientError.Code, _ operation: StaticString
  ) -> TLSClientError {
    TLSClientError(code, during: operation, cause: TLSClientFault(description: reason()))
  }

  /// The first of what OpenSSL has in its queue of errors.
  private static func reason() -> String {
    var text = [CChar](repeating: 0, count: 256)
    let code = ERR_get_error()
    unsafe ERR_error_string_n(code, &text, text.count)
    ERR_clear_error()
    let bytes = text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }
    return String(decoding: bytes, as: UTF8.self)
  }
}
