import COpenSSL
public import Encoding
import Glibc

/// Certificates that somebody gave as PEM, in their order: the one reader of such files.
@safe
public final class Certificates: @unchecked Sendable {
  /// No file of them is longer.
  public static let maximumByteCount = 1 << 20

  // Made in init, and only read after it.
  let handles: [OpaquePointer]

  /// - Parameter pem: one or more certificates; other text between them is passed over.
  /// - Throws: ``CryptographyError/Code/invalidInput`` if there is none, or one of them cannot be read: half of a
  ///   list is not what was given.
  public init(pem: [UInt8]) throws(CryptographyError) {
    ERR_clear_error()
    defer { ERR_clear_error() }
    guard pem.count <= Self.maximumByteCount else {
      throw CryptographyError(.invalidInput, during: "reading certificates")
    }
    let read = unsafe pem.withUnsafeBytes { pem in unsafe Self.read(pem) }
    unsafe handles = read.certificates
    guard unsafe read.isWhole, unsafe !handles.isEmpty else {
      throw CryptographyError(.invalidInput, during: "reading certificates", cause: OpenSSLFault())
    }
  }

  /// The bytes must live through this: OpenSSL's BIO reads them where they lie.
  private static func read(
    _ pem: UnsafeRawBufferPointer
  ) -> (certificates: [OpaquePointer], isWhole: Bool) {
    guard let bio = unsafe BIO_new_mem_buf(pem.baseAddress, Int32(pem.count)) else {
      return unsafe ([], false)
    }
    defer { unsafe BIO_free(bio) }
    var certificates = unsafe [OpaquePointer]()
    while let certificate = unsafe PEM_read_bio_X509(bio, nil, nil, nil) {
      unsafe certificates.append(certificate)
    }
    // The end looks like this; anything else is a block that is none.
    let isWhole = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE
    return unsafe (certificates, isWhole)
  }

  deinit {
    for index in unsafe handles.indices { unsafe X509_free(handles[index]) }
  }

  /// The last moment of the first one's validity.
  ///
  /// - Throws: ``CryptographyError/Code/invalidInput`` where its time is none.
  public func expiry() throws(CryptographyError) -> Timestamp {
    let end = unsafe X509_get0_notAfter(handles[0])
    guard let end = unsafe end, let seconds = unsafe Self.seconds(of: end) else {
      throw CryptographyError(
        .invalidInput, during: "reading a certificate's end", cause: OpenSSLFault())
    }
    return Timestamp(milliseconds: seconds * 1000)
  }

  /// Seconds since 1970; fractions of a second are dropped.
  static func seconds(of time: UnsafePointer<ASN1_TIME>) -> Int64? {
    var fields = unsafe tm()
    guard unsafe ASN1_TIME_to_tm(time, &fields) == 1 else { return nil }
    return Int64(unsafe timegm(&fields))
  }
}

/// What OpenSSL says last of a failure, for the operator.
struct OpenSSLFault: Error, CustomStringConvertible {
  let description: String

  init() {
    var text = [CChar](repeating: 0, count: 256)
    unsafe ERR_error_string_n(ERR_peek_last_error(), &text, text.count)
    description = String(
      decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }
}
