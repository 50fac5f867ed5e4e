import COpenSSL
import Glibc

/// A question to a time stamp authority (RFC 3161): that it puts its time to a hash.
public struct TimestampRequest: Sendable {
  /// What is stamped.
  public let digest: SHA256Digest
  /// 64 random bits, which the answer must repeat; nil where an old answer is checked.
  let nonce: UInt64?

  /// A question with a fresh nonce.
  ///
  /// - Throws: ``CryptographyError/Code/libraryFailure`` when there is no randomness.
  public init(asking digest: SHA256Digest) throws(CryptographyError) {
    let bytes = try Random.bytes(8)
    self.digest = digest
    // A leading zero bit and no zero byte: one DER spelling, whoever encodes it.
    nonce = bytes.reduce(0) { $0 << 8 | UInt64($1) } >> 1 | 1 << 62
  }

  /// The question to which a stored answer belongs, whatever its nonce was.
  public init(of digest: SHA256Digest) {
    self.digest = digest
    nonce = nil
  }

  /// The `TimeStampReq` in DER: version 1, SHA-256, the nonce, `certReq`.
  ///
  /// - Throws: ``CryptographyError/Code/libraryFailure`` when memory is exhausted.
  public func encoded() throws(CryptographyError) -> [UInt8] {
    let request = try NativeTimestampRequest(self)
    return try request.encoded()
  }
}

/// An authority's answer that was checked: the hash existed at its time.
public struct AuthorityStamp: Hashable, Sendable {
  /// The time in the token, in seconds since 1970.
  public let seconds: Int64
  /// When the certificate that signed the token expires, in seconds since 1970.
  public let expires: Int64
}

/// A time stamp authority that is trusted: the certificates that its own must lead to.
@safe
public final class TimestampAuthority: Sendable {
  /// No answer is longer than this.
  public static let maximumByteCount = 65_536

  // A store is made of them for every check.
  private let trusted: Certificates

  /// - Parameter pem: one or more certificates in PEM; other text between them is passed over.
  /// - Throws: ``CryptographyError/Code/invalidInput`` if there is none, or one cannot be read.
  public init(pem: [UInt8]) throws(CryptographyError) {
    trusted = try Certificates(pem: pem)
  }

  /// Checks an answer whole: granted, this hash and nonce, signature, chain, purpose.
  ///
  /// - Parameters:
  ///   - response: a `TimeStampResp` in DER; not trusted.
  ///   - request: what was asked.
  ///   - seconds: the time at which the chain must hold, since 1970; now if nil.
  /// - Returns: its time, and how long its certificate lasts.
  /// - Throws: ``CryptographyError/Code/invalidInput`` if it is no such response;
  ///   ``CryptographyError/Code/notAuthentic`` if it does not hold.
  public func check(
    _ response: [UInt8], to request: TimestampRequest, at seconds: Int64? = nil
  ) throws(CryptographyError) -> AuthorityStamp {
    defer { ERR_clear_error() }
    let answer = try NativeTimestampResponse(response)
    let store = try NativeStore(trusted, at: seconds)
    let question = try NativeTimestampRequest(request)
    guard let context = unsafe TS_REQ_to_TS_VERIFY_CTX(question.handle, nil) else {
      throw CryptographyError(.libraryFailure, during: "checking a time stamp")
    }
    defer { unsafe TS_VERIFY_CTX_free(context) }
    unsafe TS_VERIFY_CTX_add_flags(context, Int32(TS_VFY_SIGNATURE))
    // The context takes its own reference away when it is freed.
    unsafe X509_STORE_up_ref(store.handle)
    unsafe TS_VERIFY_CTX_set_store(context, store.handle)
    guard unsafe TS_RESP_verify_response(context, answer.handle) == 1 else {
      throw CryptographyError(.notAuthentic, during: "checking a time stamp", cause: OpenSSLFault())
    }
    return AuthorityStamp(
      seconds: try answer.seconds(), expires: try answer.expiry(in: store))
  }
}

@safe
private final class NativeTimestampRequest {
  let handle: OpaquePointer

  init(_ request: TimestampRequest) throws(CryptographyError) {
    let failure = CryptographyError(.libraryFailure, during: "making a time stamp request")
    guard let handle = unsafe TS_REQ_new() else { throw failure }
    unsafe self.handle = handle
    guard let imprint = unsafe TS_MSG_IMPRINT_new() else { throw failure }
    defer { unsafe TS_MSG_IMPRINT_free(imprint) }
    guard let algorithm = unsafe X509_ALGOR_new() else { throw failure }
    defer { unsafe X509_ALGOR_free(algorithm) }
    var digest = request.digest.bytes
    let hasContent =
      unsafe X509_ALGOR_set0(algorithm, OBJ_nid2obj(NID_sha256), V_ASN1_NULL, nil) == 1
      && TS_MSG_IMPRINT_set_algo(imprint, algorithm) == 1
      && TS_MSG_IMPRINT_set_msg(imprint, &digest, Int32(digest.count)) == 1
      && TS_REQ_set_version(handle, 1) == 1
      && TS_REQ_set_msg_imprint(handle, imprint) == 1
      && TS_REQ_set_cert_req(handle, 1) == 1
    guard hasContent else { throw failure }
    guard let nonce = request.nonce else { return }
    guard let number = unsafe ASN1_INTEGER_new() else { throw failure }
    defer { unsafe ASN1_INTEGER_free(number) }
    guard unsafe ASN1_INTEGER_set_uint64(number, nonce) == 1,
      unsafe TS_REQ_set_nonce(handle, number) == 1
    else { throw failure }
  }

  deinit { unsafe TS_REQ_free(handle) }

  func encoded() throws(CryptographyError) -> [UInt8] {
    var start: UnsafeMutablePointer<UInt8>?
    let count = unsafe i2d_TS_REQ(handle, &start)
    guard count > 0, let start = unsafe start else {
      throw CryptographyError(.libraryFailure, during: "writing a time stamp request")
    }
    defer { unsafe callvault_openssl_free(start) }
    return unsafe Array(UnsafeBufferPointer(start: start, count: Int(count)))
  }
}

@safe
private final class NativeTimestampResponse {
  let handle: OpaquePointer

  init(_ bytes: [UInt8]) throws(CryptographyError) {
    let failure = CryptographyError(.invalidInput, during: "reading a time stamp response")
    guard !bytes.isEmpty, bytes.count <= TimestampAuthority.maximumByteCount else { throw failure }
    let read: (handle: OpaquePointer, count: Int)? = unsafe bytes.withUnsafeBufferPointer {
      var position = $0.baseAddress
      guard let handle = unsafe d2i_TS_RESP(nil, &position, $0.count),
        let start = $0.baseAddress, let end = unsafe position
      else { return nil }
      return unsafe (handle, end - start)
    }
    guard let read = unsafe read else { throw failure }
    unsafe handle = read.handle
    // Bytes after it would be in no signature.
    guard unsafe read.count == bytes.count else { throw failure }
  }

  deinit { unsafe TS_RESP_free(handle) }

  /// The token's time; fractions of a second are dropped.
  func seconds() throws(CryptographyError) -> Int64 {
    guard let info = unsafe TS_RESP_get_tst_info(handle),
      let time = unsafe TS_TST_INFO_get_time(info),
      let seconds = unsafe Certificates.seconds(of: time)
    else { throw CryptographyError(.invalidInput, during: "reading a time stamp's time") }
    return seconds
  }

  /// When the certificate that signed expires.
  func expiry(in store: NativeStore) throws(CryptographyError) -> Int64 {
    var signer: OpaquePointer?
    guard let token = unsafe TS_RESP_get_token(handle),
      unsafe TS_RESP_verify_signature(token, nil, store.handle, &signer) == 1,
      let signer = unsafe signer
    else { throw CryptographyError(.notAuthentic, during: "looking for a time stamp's signer") }
    defer { unsafe X509_free(signer) }
    guard let end = unsafe X509_get0_notAfter(signer),
      let seconds = unsafe Certificates.seconds(of: end)
    else { throw CryptographyError(.invalidInput, during: "reading a certificate's end") }
    return seconds
  }
}

@safe
private final class NativeStore {
  let handle: OpaquePointer

  init(_ certificates: Certificates, at seconds: Int64?) throws(CryptographyError) {
    let failure = CryptographyError(.libraryFailure, during: "trusting an authority")
    guard let handle = unsafe X509_STORE_new() else { throw failure }
    unsafe self.handle = handle
    for index in unsafe certificates.handles.indices {
      guard unsafe X509_STORE_add_cert(handle, certificates.handles[index]) == 1 else {
        throw failure
      }
    }
    guard let seconds else { return }
    guard let parameters = unsafe X509_VERIFY_PARAM_new() else { throw failure }
    defer { unsafe X509_VERIFY_PARAM_free(parameters) }
    unsafe X509_VERIFY_PARAM_set_time(parameters, time_t(seconds))
    guard unsafe X509_STORE_set1_param(handle, parameters) == 1 else { throw failure }
  }

  deinit { unsafe X509_STORE_free(handle) }
}
