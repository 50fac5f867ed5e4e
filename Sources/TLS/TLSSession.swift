import COpenSSL

/// One TLS connection over a socket that does not block, used from one thread.
///
/// OpenSSL's error queue belongs to the thread, so it is cleared before each call whose failure is
/// then looked up.
@safe
public final class TLSSession {
  private let handle: OpaquePointer
  private let rules: TLSRules  // They hold for as long as the session.
  private var failed = false

  init(_ handle: OpaquePointer, by rules: TLSRules) {
    unsafe self.handle = handle
    self.rules = rules
  }

  deinit { unsafe SSL_free(handle) }

  public func handshake() -> Transfer {
    ERR_clear_error()
    let result = unsafe SSL_do_handshake(handle)
    return result == 1 ? .done(0) : outcome(of: result)
  }

  public func read(into buffer: UnsafeMutableRawBufferPointer) -> Transfer {
    ERR_clear_error()
    var count = 0
    let result = unsafe SSL_read_ex(handle, buffer.baseAddress, buffer.count, &count)
    return result == 1 ? .done(count) : outcome(of: result)
  }

  public func write(_ buffer: UnsafeRawBufferPointer) -> Transfer {
    ERR_clear_error()
    var count = 0
    let result = unsafe SSL_write_ex(handle, buffer.baseAddress, buffer.count, &count)
    return result == 1 ? .done(count) : outcome(of: result)
  }

  /// Tells the peer that no more bytes follow, so that it can tell the end from a cut.
  public func closeNotify() -> Transfer {
    guard !failed else { return .failed }  // After a fatal error SSL_shutdown must not be called.
    ERR_clear_error()
    let result = unsafe SSL_shutdown(handle)
    return result >= 0 ? .done(0) : outcome(of: result)  // 0: the peer's own has yet to come.
  }

  /// The peer's certificate in DER, or nil when none was asked for.
  public var peerCertificate: [UInt8]? {
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
