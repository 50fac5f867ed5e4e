import COpenSSL
import TLS

/// A certificate that nobody vouches for, for first use on one machine.
///
/// Clients must be told to trust this very certificate; a practice replaces it by one of its own.
public enum SelfSignedCertificate {
  /// Days from now for which the certificate is valid: the most that browsers accept.
  public static let validDays: Int = 397

  /// Makes a P-256 key and an X.509 certificate for DNS names and numeric addresses.
  ///
  /// - Parameter hosts: one at least; letters, digits, dots, hyphens and colons.
  /// - Returns: both in PEM; the key is not encrypted.
  /// - Throws: ``HTTPError/Code/tls``, and ``HTTPError/Code/malformed`` for a host that is neither.
  public static func make(
    hosts: [String]
  ) throws(HTTPError) -> (certificate: [UInt8], key: [UInt8]) {
    let names = try alternativeNames(hosts)
    ERR_clear_error()
    guard let key = unsafe callvault_new_p256_key() else {
      throw HTTPError(TLSFault(during: "making a key"))
    }
    defer { unsafe EVP_PKEY_free(key) }
    guard let certificate = unsafe X509_new() else {
      throw HTTPError(TLSFault(during: "making a certificate"))
    }
    defer { unsafe X509_free(certificate) }
    try unsafe fill(certificate, key: key, names: names)
    guard unsafe X509_sign(certificate, key, EVP_sha256()) > 0 else {
      throw HTTPError(TLSFault(during: "signing a certificate"))
    }
    return (
      certificate: try unsafe pem { unsafe PEM_write_bio_X509($0, certificate) },
      key: try unsafe pem { unsafe PEM_write_bio_PKCS8PrivateKey($0, key, nil, nil, 0, nil, nil) }
    )
  }

  /// The value of `subjectAltName` as OpenSSL's configuration spells it.
  ///
  /// Its syntax has commas and colons of its own, so no other character may come through.
  private static func alternativeNames(_ hosts: [String]) throws(HTTPError) -> String {
    guard !hosts.isEmpty,
      hosts.allSatisfy({ !$0.isEmpty && $0.utf8.count <= 253 && $0.utf8.allSatisfy(isNameByte) })
    else { throw HTTPError(.malformed, during: "reading the hosts of a certificate") }
    return hosts.map { host in
      let isNumeric =
        host.utf8.contains(0x3A)
        || host.utf8.allSatisfy { (0x30...0x39).contains($0) || $0 == 0x2E }
      return (isNumeric ? "IP:" : "DNS:") + host
    }.joined(separator: ",")
  }

  private static func isNameByte(_ byte: UInt8) -> Bool {
    switch byte {
    case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, 0x2D, 0x2E, 0x3A: true
    default: false
    }
  }

  private static func fill(
    _ certificate: OpaquePointer, key: OpaquePointer, names: String
  ) throws(HTTPError) {
    var serial = [UInt8](repeating: 0, count: 16)
    let subject = Array("CallVault".utf8)
    guard unsafe RAND_bytes(&serial, 16) == 1, unsafe X509_set_version(certificate, 2) == 1 else {
      throw HTTPError(TLSFault(during: "making a certificate"))
    }
    serial[0] = serial[0] & 0x3F | 0x40  // Positive, and never shorter than 16 bytes.
    let number = unsafe BN_bin2bn(serial, 16, nil)
    defer { unsafe BN_free(number) }
    let name = unsafe X509_get_subject_name(certificate)
    guard unsafe BN_to_ASN1_INTEGER(number, X509_get_serialNumber(certificate)) != nil,
      // A clock that is a little behind on the client must not refuse a fresh certificate.
      unsafe X509_gmtime_adj(X509_getm_notBefore(certificate), -3_600) != nil,
      unsafe X509_gmtime_adj(X509_getm_notAfter(certificate), validDays * 86_400) != nil,
      unsafe X509_NAME_add_entry_by_txt(
        name, "CN", MBSTRING_UTF8, subject, Int32(subject.count), -1, 0) == 1,
      unsafe X509_set_issuer_name(certificate, name) == 1,
      unsafe X509_set_pubkey(certificate, key) == 1
    else { throw HTTPError(TLSFault(during: "making a certificate")) }
    try unsafe add(NID_subject_alt_name, names, to: certificate)
    try unsafe add(NID_basic_constraints, "critical,CA:FALSE", to: certificate)
    try unsafe add(NID_key_usage, "critical,digitalSignature", to: certificate)
    try unsafe add(NID_ext_key_usage, "serverAuth", to: certificate)
  }

  private static func add(
    _ identifier: Int32, _ value: String, to certificate: OpaquePointer
  ) throws(HTTPError) {
    guard let ext = unsafe X509V3_EXT_conf_nid(nil, nil, identifier, value) else {
      throw HTTPError(TLSFault(during: "making a certificate's extension"))
    }
    defer { unsafe X509_EXTENSION_free(ext) }
    guard unsafe X509_add_ext(certificate, ext, -1) == 1 else {
      throw HTTPError(TLSFault(during: "making a certificate's extension"))
    }
  }

  private static func pem(_ write: (OpaquePointer) -> Int32) throws(HTTPError) -> [UInt8] {
    guard let memory = unsafe BIO_new(BIO_s_mem()) else {
      throw HTTPError(TLSFault(during: "writing PEM"))
    }
    defer { unsafe BIO_free(memory) }
    guard unsafe write(memory) == 1 else { throw HTTPError(TLSFault(during: "writing PEM")) }
    var bytes = [UInt8](repeating: 0, count: 8_192)
    var count = 0
    guard unsafe BIO_read_ex(memory, &bytes, bytes.count, &count) == 1, count < bytes.count else {
      throw HTTPError(TLSFault(during: "writing PEM"))
    }
    return Array(bytes.prefix(count))
  }
}
