import COpenSSL
import Threading

/// A certificate, its key and the rules of TLS for the listeners that use it.
///
/// TLS 1.3 only, no session tickets and no early data. Copies share one certificate, so that
/// ``reload()`` reaches every listener.
public struct TLSContext: Sendable {
  private let certificateFile: String
  private let keyFile: String
  private let clientCA: String?
  private let current: Lock<NativeContext>

  /// Reads PEM files.
  ///
  /// - Parameters:
  ///   - certificateFile: the server's certificate, then the intermediate ones.
  ///   - keyFile: its private key, not encrypted.
  ///   - clientCA: certificates that sign those of clients; when given, a client that does not
  ///     prove itself by one of them gets no further than the handshake.
  /// - Throws: ``HTTPError/Code/tls`` if a file cannot be read or the key is another's.
  public init(certificateFile: String, keyFile: String, clientCA: String? = nil) throws(HTTPError) {
    self.certificateFile = certificateFile
    self.keyFile = keyFile
    self.clientCA = clientCA
    current = Lock(
      try NativeContext(certificateFile: certificateFile, keyFile: keyFile, clientCA: clientCA))
  }

  /// Reads the files again; connections that are open keep what they have.
  ///
  /// - Throws: as the initialiser, and then the old certificate stays in use.
  public func reload() throws(HTTPError) {
    let fresh = try NativeContext(
      certificateFile: certificateFile, keyFile: keyFile, clientCA: clientCA)
    current.withLock { $0 = fresh }
  }

  /// A new server-side session on a connected socket.
  func session(on socket: Int32) throws(HTTPError) -> TLSSession {
    try TLSSession(of: current.withLock { $0 }, on: socket)
  }
}

/// The `SSL_CTX`, which sessions keep alive.
@safe
final class NativeContext: @unchecked Sendable {
  // Written in init only; OpenSSL counts references to it atomically.
  fileprivate let handle: OpaquePointer

  init(certificateFile: String, keyFile: String, clientCA: String?) throws(HTTPError) {
    ERR_clear_error()
    guard let handle = unsafe SSL_CTX_new(TLS_server_method()) else {
      throw TLSFault.error(during: "making a TLS context")
    }
    unsafe self.handle = handle
    unsafe callvault_tls_server_options(handle)
    guard unsafe SSL_CTX_use_certificate_chain_file(handle, certificateFile) == 1 else {
      throw TLSFault.error(during: "reading the certificate file")
    }
    guard unsafe SSL_CTX_use_PrivateKey_file(handle, keyFile, SSL_FILETYPE_PEM) == 1,
      unsafe SSL_CTX_check_private_key(handle) == 1
    else { throw TLSFault.error(during: "reading the key file") }
    if let clientCA {
      guard unsafe SSL_CTX_load_verify_file(handle, clientCA) == 1,
        let names = unsafe SSL_load_client_CA_file(clientCA)
      else { throw TLSFault.error(during: "reading the client CA file") }
      unsafe SSL_CTX_set_client_CA_list(handle, names)
      unsafe SSL_CTX_set_verify(handle, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nil)
      let identity = Array("callvault".utf8)
      unsafe SSL_CTX_set_session_id_context(handle, identity, UInt32(identity.count))
    }
    unsafe SSL_CTX_set_alpn_select_cb(handle, selectProtocol, nil)
  }

  deinit { unsafe SSL_CTX_free(handle) }
}

/// Chooses `http/1.1` of what the client offers, and refuses a client that offers only others.
private func selectProtocol(
  _ session: OpaquePointer?, _ chosen: UnsafeMutablePointer<UnsafePointer<UInt8>?>?,
  _ chosenCount: UnsafeMutablePointer<UInt8>?, _ offered: UnsafePointer<UInt8>?,
  _ offeredCount: UInt32, _ argument: UnsafeMutableRawPointer?
) -> Int32 {
  let wanted = Array("http/1.1".utf8)
  guard let chosen = unsafe chosen, let chosenCount = unsafe chosenCount,
    let offered = unsafe offered
  else { return SSL_TLSEXT_ERR_ALERT_FATAL }
  let list = unsafe UnsafeBufferPointer(start: offered, count: Int(offeredCount))
  var index = 0
  while index < list.count {
    let count = unsafe Int(list[index])
    let end = index + 1 + count
    guard end <= list.count else { break }
    if unsafe list[(index + 1)..<end].elementsEqual(wanted) {
      unsafe chosen.pointee = offered + index + 1
      unsafe chosenCount.pointee = UInt8(count)
      return SSL_TLSEXT_ERR_OK
    }
    index = end
  }
  return SSL_TLSEXT_ERR_ALERT_FATAL
}

/// One TLS connection, used from its event loop's thread only.
///
/// OpenSSL's error queue belongs to the thread, so it is cleared before each call whose failure is
/// then looked up.
@safe
final class TLSSession {
  private let handle: OpaquePointer
  private let context: NativeContext  // Holds the callback's rules for as long as the session.
  private var failed = false

  fileprivate init(of context: NativeContext, on socket: Int32) throws(HTTPError) {
    self.context = context
    ERR_clear_error()
    guard let handle = unsafe SSL_new(context.handle) else {
      throw TLSFault.error(during: "making a TLS session")
    }
    unsafe self.handle = handle
    guard unsafe SSL_set_fd(handle, socket) == 1 else {
      throw TLSFault.error(during: "making a TLS session")
    }
    unsafe SSL_set_accept_state(handle)
    unsafe SSL_set_read_ahead(handle, 1)
  }

  deinit { unsafe SSL_free(handle) }

  func handshake() -> Transfer {
    ERR_clear_error()
    let result = unsafe SSL_do_handshake(handle)
    return result == 1 ? .done(0) : outcome(of: result)
  }

  func read(into buffer: UnsafeMutableRawBufferPointer) -> Transfer {
    ERR_clear_error()
    var count = 0
    let result = unsafe SSL_read_ex(handle, buffer.baseAddress, buffer.count, &count)
    return result == 1 ? .done(count) : outcome(of: result)
  }

  func write(_ buffer: UnsafeRawBufferPointer) -> Transfer {
    ERR_clear_error()
    var count = 0
    let result = unsafe SSL_write_ex(handle, buffer.baseAddress, buffer.count, &count)
    return result == 1 ? .done(count) : outcome(of: result)
  }

  /// Tells the client that no more bytes follow, so that it can tell the end from a cut.
  func closeNotify() -> Transfer {
    guard !failed else { return .failed }  // After a fatal error SSL_shutdown must not be called.
    ERR_clear_error()
    let result = unsafe SSL_shutdown(handle)
    return result >= 0 ? .done(0) : outcome(of: result)  // 0: the client's own has yet to come.
  }

  /// The client's certificate in DER, or nil when none was asked for.
  var peerCertificate: [UInt8]? {
    guard let certificate = unsafe SSL_get0_peer_certificate(handle) else { return nil }
    let count = unsafe i2d_X509(certificate, nil)
    guard count > 0 else { return nil }
    return unsafe [UInt8](unsafeUninitializedCapacity: Int(count)) { buffer, filled in
      var end = buffer.baseAddress
      filled = unsafe Int(max(0, i2d_X509(certificate, &end)))
    }
  }

  private func outcome(of result: Int32) -> Transfer {
    switch unsafe SSL_get_error(handle, result) {
    case SSL_ERROR_WANT_READ: return .wantsRead
    case SSL_ERROR_WANT_WRITE: return .wantsWrite
    case SSL_ERROR_ZERO_RETURN: return .end
    default:
      failed = true
      return .failed
    }
  }
}

/// What OpenSSL has in its error queue.
struct TLSFault: Error, CustomStringConvertible {
  let description: String

  static func error(during operation: StaticString) -> HTTPError {
    var text = [CChar](repeating: 0, count: 256)
    let code = ERR_get_error()
    unsafe ERR_error_string_n(code, &text, text.count)
    ERR_clear_error()
    let bytes = text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }
    return HTTPError(
      .tls, during: operation, cause: TLSFault(description: String(decoding: bytes, as: UTF8.self)))
  }
}
