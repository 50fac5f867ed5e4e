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
    guard (1...8160).contains(count), info.count <= 1024, salt.count <= 1024 else {
      throw CryptographyError(.invalidInput, during: "deriving a key")
    }
    guard let context = unsafe EVP_PKEY_CTX_new_id(EVP_PKEY_HKDF, nil) else {
      throw CryptographyError(.libraryFailure, during: "deriving a key")
    }
    defer { unsafe EVP_PKEY_CTX_free(context) }
    let ready = input.withBytes { (key: RawSpan) in
      unsafe key.withUnsafeBytes { key in
        unsafe EVP_PKEY_derive_init(context) == 1
          && EVP_PKEY_CTX_set_hkdf_md(context, Algorithms.shared.sha256) == 1
          && EVP_PKEY_CTX_set1_hkdf_key(
            context, key.baseAddress?.assumingMemoryBound(to: UInt8.self), Int32(key.count)) == 1
          && (salt.isEmpty
            || EVP_PKEY_CTX_set1_hkdf_salt(context, salt, Int32(salt.count)) == 1)
          && (info.isEmpty
            || EVP_PKEY_CTX_add1_hkdf_info(context, info, Int32(info.count)) == 1)
      }
    }
    guard ready else {
      throw CryptographyError(.libraryFailure, during: "deriving a key")
    }
    return try SecretBytes(count: count) {
      (output: inout MutableRawSpan) throws(CryptographyError) in
      var length = count
      let status = unsafe output.withUnsafeMutableBytes { buffer in
        unsafe EVP_PKEY_derive(
          context, buffer.baseAddress?.assumingMemoryBound(to: UInt8.self), &length)
      }
      guard status == 1, length == count else {
        throw CryptographyError(.libraryFailure, during: "deriving a key")
      }
    }
  }
}
