import CSodium

/// HMAC with SHA-256 (RFC 2104, RFC 4231).
public enum HMACSHA256 {
  private static let byteCount = 32

  /// Returns the 32-byte code of `message` under `key`, which may have any length.
  ///
  /// libsodium's, because OpenSSL 3 looks the algorithm up by name at every code, which takes
  /// longer than hashing the short messages here. Compare codes with
  /// ``constantTimeEqual(_:_:)-([UInt8],_)``.
  ///
  /// - Throws: ``CryptographyError/Code/libraryFailure``, which the library does not do today.
  public static func authenticate(
    _ message: [UInt8], key: RawSpan
  ) throws(CryptographyError) -> [UInt8] {
    Sodium.start()
    var state = crypto_auth_hmacsha256_state()
    // It holds what the key made of the hash: as good as the key.
    defer {
      unsafe withUnsafeMutableBytes(of: &state) { state in
        if let start = state.baseAddress { unsafe sodium_memzero(start, state.count) }
      }
    }
    var code = [UInt8](repeating: 0, count: Int(crypto_auth_hmacsha256_BYTES))
    let begun = unsafe key.withUnsafeBytes { key -> Int32 in
      guard let bytes = unsafe key.assumingMemoryBound(to: UInt8.self).baseAddress else {
        // An empty key has no address, and the library wants one.
        var nothing: UInt8 = 0
        return unsafe crypto_auth_hmacsha256_init(&state, &nothing, 0)
      }
      return unsafe crypto_auth_hmacsha256_init(&state, bytes, key.count)
    }
    guard begun == 0,
      unsafe crypto_auth_hmacsha256_update(&state, message, UInt64(message.count)) == 0,
      unsafe crypto_auth_hmacsha256_final(&state, &code) == 0
    else { throw CryptographyError(.libraryFailure, during: "computing a message code") }
    return code
  }

  /// The code of a message that is itself a secret, in locked memory; neither may be empty.
  ///
  /// - Throws: as ``authenticate(_:key:)``.
  public static func secretCode(
    of message: RawSpan, key: RawSpan
  ) throws(CryptographyError) -> SecretBytes {
    Sodium.start()
    let stateSize = MemoryLayout<crypto_auth_hmacsha256_state>.stride
    var failure: Int32 = 0
    let room = try SecretBytes(count: stateSize + byteCount) { (room: inout MutableRawSpan) in
      unsafe room.withUnsafeMutableBytes { room in
        guard let start = room.baseAddress else { return }
        let state = unsafe start.assumingMemoryBound(to: crypto_auth_hmacsha256_state.self)
        let code = unsafe (start + stateSize).assumingMemoryBound(to: UInt8.self)
        unsafe key.withUnsafeBytes { key in
          guard let bytes = unsafe key.assumingMemoryBound(to: UInt8.self).baseAddress else {
            failure = -1
            return
          }
          failure |= unsafe crypto_auth_hmacsha256_init(state, bytes, key.count)
        }
        unsafe message.withUnsafeBytes { message in
          guard let bytes = unsafe message.assumingMemoryBound(to: UInt8.self).baseAddress else {
            failure = -1
            return
          }
          failure |= unsafe crypto_auth_hmacsha256_update(state, bytes, UInt64(message.count))
        }
        failure |= unsafe crypto_auth_hmacsha256_final(state, code)
      }
    }
    guard failure == 0 else {
      throw CryptographyError(.libraryFailure, during: "computing a message code")
    }
    return try room.withBytes { (room: RawSpan) throws(CryptographyError) in
      try SecretBytes(copying: room.extracting(stateSize..<stateSize + byteCount))
    }
  }
}
