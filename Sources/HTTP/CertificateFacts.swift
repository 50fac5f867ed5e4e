import COpenSSL
public import Encoding

/// What a certificate says of itself, for operators.
public struct CertificateFacts: Sendable {
  /// The last moment of its validity.
  public let expires: Timestamp

  /// Reads the first certificate of a PEM file's bytes.
  ///
  /// - Throws: ``HTTPError/Code/tls`` when there is none, or its time cannot be read.
  public init(pem: [UInt8]) throws(HTTPError) {
    ERR_clear_error()
    // The bytes must live until they are read: OpenSSL's BIO reads them where they lie.
    let read = unsafe pem.withUnsafeBytes { pem -> OpaquePointer? in
      guard let memory = unsafe BIO_new_mem_buf(pem.baseAddress, Int32(clamping: pem.count)) else {
        return nil
      }
      defer { unsafe BIO_free(memory) }
      return unsafe PEM_read_bio_X509(memory, nil, nil, nil)
    }
    guard let certificate = unsafe read else {
      throw TLSFault.error(during: "reading a certificate")
    }
    defer { unsafe X509_free(certificate) }
    var days: Int32 = 0
    var seconds: Int32 = 0
    // The distance from 1970: no time zone, no calendar of ours.
    let epoch = unsafe ASN1_TIME_set(nil, 0)
    defer { unsafe ASN1_TIME_free(epoch) }
    guard
      unsafe ASN1_TIME_diff(&days, &seconds, epoch, X509_get0_notAfter(certificate)) == 1
    else { throw TLSFault.error(during: "reading a certificate's end") }
    expires = Timestamp(milliseconds: (Int64(days) * 86_400 + Int64(seconds)) * 1000)
  }
}
