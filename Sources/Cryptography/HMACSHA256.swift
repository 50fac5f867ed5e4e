import COpenSSL

/// HMAC with SHA-256 (RFC 2104, RFC 4231).
public enum HMACSHA256 {
  /// Returns the 32-byte code of `message` under `key`, which may have any length.
  ///
  /// Compare codes with ``constantTimeEqual(_:_:)-([UInt8],_)``.
  ///
  /// - Throws: ``CryptographyError/Code/libraryFailure`` when memory is exhausted.
  public static func authenticate(
    _ message: [UInt8], key: RawSpan
  ) throws(CryptographyError) -> [UInt8] {
    guard let keyLength = Int32(exactly: key.byteCount) else {
      throw CryptographyError(.invalidInput, during: "computing a message code")
    }
    var code = [UInt8](repeating: 0, count: 32)
    let done = unsafe key.withUnsafeBytes { key in
      unsafe HMAC(
        Algorithms.shared.sha256, key.baseAddress, keyLength, message, message.count, &code, nil)
        != nil
    }
    guard done else {
      throw CryptographyError(.libraryFailure, during: "computing a message code")
    }
    return code
  }
}
