import COpenSSL

/// HMAC with SHA-1 (RFC 2202), which one vendor's webhooks are signed with.
///
/// The collisions of SHA-1 do not forge it, but nothing of ours is signed with it.
public enum HMACSHA1 {
  /// Returns the 20-byte code of `message` under `key`, which may have any length.
  ///
  /// - Throws: ``CryptographyError/Code/libraryFailure``, where the system's OpenSSL does without SHA-1.
  public static func authenticate(
    _ message: [UInt8], key: RawSpan
  ) throws(CryptographyError) -> [UInt8] {
    var code = [UInt8](repeating: 0, count: 20)
    var count: UInt32 = 0
    let made = unsafe key.withUnsafeBytes { key in
      unsafe HMAC(
        EVP_sha1(), key.baseAddress, Int32(key.count), message, message.count, &code, &count) != nil
    }
    guard made, count == 20 else {
      throw CryptographyError(.libraryFailure, during: "computing a message code")
    }
    return code
  }
}
