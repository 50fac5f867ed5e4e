import COpenSSL

/// Certificates and rules that sessions are made by: an `SSL_CTX`, which they keep alive.
///
/// No session tickets, no renegotiation, no early data. What is asked of it is set before the first session; from
/// then on it is only read.
@safe
public final class TLSRules: @unchecked Sendable {
  // Changed only before it is shared; OpenSSL counts references to it atomically.
  private let handle: OpaquePointer
  private let side: Side

  /// Who speaks, and how old a TLS is understood.
  public enum Side: Sendable {
    /// A server of TLS 1.3 alone, whose sessions are read until they want a readable socket.
    case server
    /// A server of TLS 1.2, too: of that only what has forward secrecy and AEAD.
    case lenientServer
    /// A client of TLS 1.2 and 1.3, by the same rule.
    case lenientClient
  }

  /// - Throws: ``TLSFault``.
  public init(for side: Side) throws(TLSFault) {
    ERR_clear_error()
    let method = unsafe side == .lenientClient ? TLS_client_method() : TLS_server_method()
    guard let handle = unsafe SSL_CTX_new(method) else {
      throw TLSFault(during: "making a TLS context")
    }
    unsafe self.handle = handle
    self.side = side
    if side == .server {
      unsafe callvault_tls_server_options(handle)
    } else {
      guard unsafe callvault_tls_sip_options(handle) == 1 else {
        throw TLSFault(during: "choosing the ciphers of TLS 1.2")
      }
    }
  }

  deinit { unsafe SSL_CTX_free(handle) }

  /// Proves this side by a certificate, then the intermediate ones, and its key, in PEM and not encrypted.
  ///
  /// - Throws: ``TLSFault`` if a file cannot be read or the key is another's.
  public func use(certificateFile: String, keyFile: String) throws(TLSFault) {
    ERR_clear_error()
    guard unsafe SSL_CTX_use_certificate_chain_file(handle, certificateFile) == 1 else {
      throw TLSFault(during: "reading the certificate file")
    }
    guard unsafe SSL_CTX_use_PrivateKey_file(handle, keyFile, SSL_FILETYPE_PEM) == 1,
      unsafe SSL_CTX_check_private_key(handle) == 1
    else { throw TLSFault(during: "reading the key file") }
  }

  /// Believes the certificates that those of a PEM file have signed, and asks a server for one.
  ///
  /// - Throws: ``TLSFault`` if the file cannot be read.
  public func demandServers(signedBy authorities: String) throws(TLSFault) {
    ERR_clear_error()
    unsafe SSL_CTX_set_verify(handle, SSL_VERIFY_PEER, nil)
    guard unsafe SSL_CTX_load_verify_file(handle, authorities) == 1 else {
      throw TLSFault(during: "reading the authorities")
    }
  }

  /// Lets a client that does not prove itself by one of a PEM file's authorities get no further than the handshake.
  ///
  /// - Parameters:
  ///   - authorities: certificates that sign those of clients.
  ///   - purpose: what sessions are for; one that was proven for another is not gone on with.
  /// - Throws: ``TLSFault`` if the file cannot be read.
  public func demandClients(signedBy authorities: String, for purpose: String) throws(TLSFault) {
    ERR_clear_error()
    guard unsafe SSL_CTX_load_verify_file(handle, authorities) == 1,
      let names = unsafe SSL_load_client_CA_file(authorities)
    else { throw TLSFault(during: "reading the client CA file") }
    unsafe SSL_CTX_set_client_CA_list(handle, names)
    unsafe SSL_CTX_set_verify(handle, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nil)
    let identity = Array(purpose.utf8)
    unsafe SSL_CTX_set_session_id_context(handle, identity, UInt32(identity.count))
  }

  /// Chooses `http/1.1` of what a client offers, and refuses a client that offers only others.
  public func chooseHTTP() {
    unsafe SSL_CTX_set_alpn_select_cb(handle, selectHTTP, nil)
  }

  /// A server's session on a connected socket, which must outlive it.
  ///
  /// - Throws: ``TLSFault``.
  public func session(on socket: Int32) throws(TLSFault) -> TLSSession {
    let session = try unsafe open(on: socket)
    unsafe SSL_set_accept_state(session)
    // Fewer calls, but for callers alone that read until there is nothing: the rest of what was read ahead wakes
    // nobody.
    if side == .server { unsafe SSL_set_read_ahead(session, 1) }
    return unsafe TLSSession(session, by: self)
  }

  /// A client's session on a connected socket, which must outlive it; `server` is a name or numeric address that the
  /// server's certificate must be for.
  ///
  /// - Throws: ``TLSFault``.
  public func session(on socket: Int32, to server: String) throws(TLSFault) -> TLSSession {
    let session = try unsafe open(on: socket)
    unsafe SSL_set_hostflags(session, UInt32(X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS))
    // A numeric address is compared with the certificate's addresses, and not sent as a name.
    let isAddress = unsafe X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(session), server) == 1
    guard
      unsafe isAddress
        || (SSL_set1_host(session, server) == 1 && callvault_tls_name_server(session, server) == 1)
    else {
      unsafe SSL_free(session)
      throw TLSFault(during: "naming the server")
    }
    unsafe SSL_set_connect_state(session)
    return unsafe TLSSession(session, by: self)
  }

  private func open(on socket: Int32) throws(TLSFault) -> OpaquePointer {
    ERR_clear_error()
    guard let session = unsafe SSL_new(handle) else {
      throw TLSFault(during: "making a TLS session")
    }
    guard unsafe SSL_set_fd(session, socket) == 1 else {
      unsafe SSL_free(session)
      throw TLSFault(during: "making a TLS session")
    }
    return unsafe session
  }
}

private func selectHTTP(
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
