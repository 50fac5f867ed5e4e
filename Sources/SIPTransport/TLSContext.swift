import COpenSSL

/// Certificates and rules of TLS 1.2 and 1.3 for one side of SIP connections.
///
/// Each side must prove itself where it is asked to: a server here asks every client for a certificate, and
/// a client here checks the server's name.
@safe
public final class TLSContext: @unchecked Sendable {
  // Written in init only; OpenSSL counts references to it atomically.
  private let handle: OpaquePointer
  private let serverName: String?

  /// A server's: its certificate and key, and the authority that signs those of clients, all in PEM.
  ///
  /// - Throws: ``SIPTransportError/Code/tls`` if a file cannot be used.
  public init(
    certificateFile: String, keyFile: String, clientAuthorities: String
  ) throws(SIPTransportError) {
    serverName = nil
    unsafe handle = try Self.make(TLS_server_method())
    try unsafe Self.use(certificateFile, keyFile, on: handle)
    guard unsafe SSL_CTX_load_verify_file(handle, clientAuthorities) == 1,
      let names = unsafe SSL_load_client_CA_file(clientAuthorities)
    else { throw Self.fault("reading the client authorities") }
    unsafe SSL_CTX_set_client_CA_list(handle, names)
    unsafe SSL_CTX_set_verify(handle, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nil)
    let identity = Array("callvault-sip".utf8)
    unsafe SSL_CTX_set_session_id_context(handle, identity, UInt32(identity.count))
  }

  /// A client's.
  ///
  /// - Parameters:
  ///   - serverName: a name or numeric address that the server's certificate must be for.
  ///   - authorities: a PEM file of those that are believed; no others are.
  ///   - certificateFile: by which this side proves itself, or nil.
  ///   - keyFile: its key; both or none.
  /// - Throws: ``SIPTransportError/Code/tls`` if a file cannot be used.
  public init(
    serverName: String, authorities: String, certificateFile: String? = nil,
    keyFile: String? = nil
  ) throws(SIPTransportError) {
    self.serverName = serverName
    unsafe handle = try Self.make(TLS_client_method())
    unsafe SSL_CTX_set_verify(handle, SSL_VERIFY_PEER, nil)
    guard unsafe SSL_CTX_load_verify_file(handle, authorities) == 1 else {
      throw Self.fault("reading the authorities")
    }
    if let certificateFile, let keyFile {
      try unsafe Self.use(certificateFile, keyFile, on: handle)
    }
  }

  deinit { unsafe SSL_CTX_free(handle) }

  private static func make(_ method: OpaquePointer?) throws(SIPTransportError) -> OpaquePointer {
    ERR_clear_error()
    guard let handle = unsafe SSL_CTX_new(method) else { throw fault("making a TLS context") }
    guard unsafe callvault_tls_sip_options(handle) == 1 else {
      unsafe SSL_CTX_free(handle)
      throw fault("choosing the ciphers of TLS 1.2")
    }
    return unsafe handle
  }

  private static func use(
    _ certificateFile: String, _ keyFile: String, on handle: OpaquePointer
  ) throws(SIPTransportError) {
    guard unsafe SSL_CTX_use_certificate_chain_file(handle, certificateFile) == 1 else {
      throw fault("reading the certificate file")
    }
    guard unsafe SSL_CTX_use_PrivateKey_file(handle, keyFile, SSL_FILETYPE_PEM) == 1,
      unsafe SSL_CTX_check_private_key(handle) == 1
    else { throw fault("reading the key file") }
  }

  /// A session on a connected socket, which must outlive it.
  func session(on socket: Int32) throws(SIPTransportError) -> TLSSession {
    ERR_clear_error()
    guard let session = unsafe SSL_new(handle) else { throw Self.fault("making a TLS session") }
    let owned = unsafe TLSSession(session, of: self)
    guard unsafe SSL_set_fd(session, socket) == 1 else { throw Self.fault("making a TLS session") }
    guard let serverName else {
      unsafe SSL_set_accept_state(session)
      return owned
    }
    unsafe SSL_set_hostflags(session, UInt32(X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS))
    // A numeric address is compared with the certificate's addresses, and not sent as a name.
    let isAddress = unsafe X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(session), serverName) == 1
    guard
      unsafe isAddress
        || (SSL_set1_host(session, serverName) == 1
          && callvault_tls_name_server(session, serverName) == 1)
    else { throw Self.fault("naming the server") }
    unsafe SSL_set_connect_state(session)
    return owned
  }

  private static func fault(_ operation: StaticString) -> SIPTransportError {
    var text = [CChar](repeating: 0, count: 256)
    unsafe ERR_error_string_n(ERR_get_error(), &text, text.count)
    ERR_clear_error()
    let bytes = text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }
    return SIPTransportError(
      .tls, during: operation, cause: SystemFault(String(decoding: bytes, as: UTF8.self)))
  }
}

/// One TLS connection, used from one thread.
@safe
final class TLSSession {
  private let handle: OpaquePointer
  private let context: TLSContext  // Its rules hold for as long as the session.

  fileprivate init(_ handle: OpaquePointer, of context: TLSContext) {
    unsafe self.handle = handle
    self.context = context
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

  private func outcome(of result: Int32) -> Transfer {
    switch unsafe SSL_get_error(handle, result) {
    case SSL_ERROR_WANT_READ: .wantsRead
    case SSL_ERROR_WANT_WRITE: .wantsWrite
    case SSL_ERROR_ZERO_RETURN: .end
    default: .failed
    }
  }
}
