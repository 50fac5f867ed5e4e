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
  /// Bytes of ciphertext that the peer may still send before it must have sent something for us.
  private var credit = handshakeCredit

  /// A hello, and a chain of certificates as long as OpenSSL takes.
  private static let handshakeCredit = 128 << 10
  /// Two records of the greatest length, of which one is read ahead, and what goes with them.
  private static let greatestCredit = 40 << 10
  /// A record of one byte is 23 bytes long; padding earns nothing.
  private static let creditOfByte = 64

  init(_ handle: OpaquePointer, by rules: TLSRules) {
    unsafe self.handle = handle
    self.rules = rules
    // OpenSSL goes on in one call for as long as the peer sends what is only for itself: a peer with new keys
    // in each of a million records would have the thread to itself, with all other connections on it.
    let socket = unsafe SSL_get_rbio(handle)
    unsafe BIO_set_callback_arg(
      socket,
      Unmanaged.passUnretained(self).toOpaque().assumingMemoryBound(to: CChar.self))
    unsafe BIO_set_callback_ex(socket, countReads)
  }

  deinit { unsafe SSL_free(handle) }

  public func handshake() -> Transfer {
    ERR_clear_error()
    let result = unsafe SSL_do_handshake(handle)
    guard result == 1 else { return outcome(of: result) }
    credit = Self.greatestCredit
    return .done(0)
  }

  public func read(into buffer: UnsafeMutableRawBufferPointer) -> Transfer {
    ERR_clear_error()
    var count = 0
    let result = unsafe SSL_read_ex(handle, buffer.baseAddress, buffer.count, &count)
    guard result == 1 else { return outcome(of: result) }
    credit = min(Self.greatestCredit, credit + Self.creditOfByte * count)
    return .done(count)
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

  fileprivate var hasCredit: Bool { credit > 0 }

  fileprivate func spend(_ count: Int) { credit -= count }

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

/// Called by a session's socket before and after each use of it.
///
/// What it returns before a use other than more than 0 is that use's result.
private func countReads(
  _ socket: OpaquePointer?, _ use: Int32, _ buffer: UnsafePointer<CChar>?, _ length: Int,
  _ command: Int32, _ argument: Int, _ result: Int32, _ count: UnsafeMutablePointer<Int>?
) -> Int {
  guard use == BIO_CB_READ || use == BIO_CB_READ | BIO_CB_RETURN,
    let owner = unsafe BIO_get_callback_arg(socket)
  else { return Int(result) }
  let session = unsafe Unmanaged<TLSSession>.fromOpaque(owner).takeUnretainedValue()
  if use == BIO_CB_READ {
    if session.hasCredit { return Int(result) }
    // What is left of the last read would have OpenSSL wait for more of the same.
    unsafe BIO_clear_flags(socket, BIO_FLAGS_SHOULD_RETRY)
    return -1
  }
  if result > 0, let count = unsafe count { session.spend(unsafe count.pointee) }
  return Int(result)
}
