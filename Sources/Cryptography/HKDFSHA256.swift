import COpenSSL

/// HKDF with SHA-256 (RFC 5869): keys from a key.
public enum HKDFSHA256 {
  /// Derives `count` bytes.
  ///
  /// - Parameters:
  ///   - input: key material of any length.
  ///   - salt: may be empty, which the RFC defines as 32 zero bytes.
  ///   - info: what the key is for; at most 1024 bytes (OpenSSL's bound).
  ///   - count: 1…8160 (255 × 32).
  /// - Returns: a secret with an owner of its own.
  /// - Throws: ``CryptographyError/Code/invalidInput`` beyond these bounds.
  public static func derive(
    input: borrowing SecretBytes, salt: [UInt8], info: [UInt8], count: Int
  ) throws(CryptographyError) -> SecretBytes {
    try derive(input: input, salt: unsafe salt.span.bytes, info: info, count: count)
  }

  /// The same with a salt that must not lie on the ordinary heap.
  public static func derive(
    input: borrowing SecretBytes, salt: borrowing SecretBytes, info: [UInt8], count: Int
  ) throws(CryptographyError) -> SecretBytes {
    try salt.withBytes { (salt: RawSpan) throws(CryptographyError) in
      try derive(input: input, salt: salt, info: info, count: count)
    }
  }

  private static func derive(
    input: borrowing SecretBytes, salt: RawSpan, info: [UInt8], count: Int
  ) throws(CryptographyError) -> SecretBytes {
    guard (1...8160).contains(count), info.count <= 1024, salt.byteCount <= 1024 else {
      throw CryptographyError(.invalidInput, during: "deriving a key")
    }
    guard let context = unsafe EVP_KDF_CTX_new(Algorithms.shared.hkdf) else {
      throw CryptographyError(.libraryFailure, during: "deriving a key")
    }
    defer { unsafe EVP_KDF_CTX_free(context) }
    return try SecretBytes(count: count) {
      (output: inout MutableRawSpan) throws(CryptographyError) in
      let status = unsafe output.withUnsafeMutableBytes { output in
        input.withBytes { (key: RawSpan) in
          unsafe key.withUnsafeBytes { key in
            unsafe salt.withUnsafeBytes { salt in
              unsafe info.withUnsafeBytes { info in
                unsafe derive(context, key: key, salt: salt, info: info, into: output)
              }
            }
          }
        }
      }
      guard status == 1 else {
        throw CryptographyError(.libraryFailure, during: "deriving a key")
      }
    }
  }

  private static func derive(
    _ context: OpaquePointer, key: UnsafeRawBufferPointer, salt: UnsafeRawBufferPointer,
    info: UnsafeRawBufferPointer, into output: UnsafeMutableRawBufferPointer
  ) -> Int32 {
    // OpenSSL keeps the addresses until it has derived: names that stay, and bytes that are lent for
    // as long. Its parameters are not const, but it only reads these.
    func octets(_ name: StaticString, _ bytes: UnsafeRawBufferPointer) -> OSSL_PARAM {
      unsafe OSSL_PARAM_construct_octet_string(
        UnsafeRawPointer(name.utf8Start).assumingMemoryBound(to: CChar.self),
        UnsafeMutableRawPointer(mutating: bytes.baseAddress), bytes.count)
    }
    let (digest, sha256): (StaticString, StaticString) = ("digest", "SHA256")
    var parameters = unsafe [
      OSSL_PARAM_construct_utf8_string(
        UnsafeRawPointer(digest.utf8Start).assumingMemoryBound(to: CChar.self),
        UnsafeMutableRawPointer(mutating: sha256.utf8Start).assumingMemoryBound(to: CChar.self), 0),
      octets("key", key),
    ]
    // An absent salt is one of zeros (RFC 5869, 2.2); OpenSSL refuses an empty one.
    if salt.count > 0 { unsafe parameters.append(octets("salt", salt)) }
    if info.count > 0 { unsafe parameters.append(octets("info", info)) }
    unsafe parameters.append(OSSL_PARAM_construct_end())
    return unsafe EVP_KDF_derive(
      context, output.baseAddress?.assumingMemoryBound(to: UInt8.self), output.count, parameters)
  }
}
