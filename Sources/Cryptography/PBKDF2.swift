import CSodium
import Glibc

/// PBKDF2 with HMAC-SHA-256 (RFC 8018, 5.2), for outputs of one block.
///
/// Composed of libsodium's HMAC, because OpenSSL leaves a copy of the salt on the ordinary heap when
/// it is done, and shares of a secret have salts that are secret.
public enum PBKDF2 {
  /// Derives `count` bytes, 1…32.
  ///
  /// - Parameters:
  ///   - password: at least one byte.
  ///   - salt: at least one byte.
  ///   - iterations: 1…2^27; each costs about half a microsecond.
  ///   - count: bytes of the result.
  /// - Returns: a secret with an owner of its own.
  /// - Throws: ``CryptographyError/Code/invalidInput`` outside these bounds.
  public static func derive(
    password: borrowing SecretBytes, salt: borrowing SecretBytes, iterations: Int, count: Int
  ) throws(CryptographyError) -> SecretBytes {
    guard (1...32).contains(count), (1...1 << 27).contains(iterations) else {
      throw CryptographyError(.invalidInput, during: "deriving a key from a password")
    }
    Sodium.start()
    let stateSize = MemoryLayout<crypto_auth_hmacsha256_state>.stride
    var failure: Int32 = 0
    // All that the password and the salt make of the hash lies in locked memory, too.
    let room = try SecretBytes(count: 2 * stateSize + 64) { (room: inout MutableRawSpan) in
      unsafe room.withUnsafeMutableBytes { room in
        guard let start = room.baseAddress else { return }
        let keyed = unsafe start.assumingMemoryBound(to: crypto_auth_hmacsha256_state.self)
        let running = unsafe (start + stateSize).assumingMemoryBound(
          to: crypto_auth_hmacsha256_state.self)
        let link = unsafe (start + 2 * stateSize).assumingMemoryBound(to: UInt8.self)
        let sum = unsafe link + 32
        password.withBytes { (password: RawSpan) in
          unsafe password.withUnsafeBytes { bytes in
            guard let start = unsafe bytes.assumingMemoryBound(to: UInt8.self).baseAddress else {
              failure = -1
              return
            }
            failure |= unsafe crypto_auth_hmacsha256_init(keyed, start, bytes.count)
          }
        }
        // Keyed once: every link begins with a copy of this state.
        unsafe memcpy(running, keyed, stateSize)
        salt.withBytes { (salt: RawSpan) in
          unsafe salt.withUnsafeBytes { bytes in
            guard let start = unsafe bytes.assumingMemoryBound(to: UInt8.self).baseAddress else {
              failure = -1
              return
            }
            failure |= unsafe crypto_auth_hmacsha256_update(running, start, UInt64(bytes.count))
          }
        }
        failure |= unsafe crypto_auth_hmacsha256_update(running, [0, 0, 0, 1], 4)
        failure |= unsafe crypto_auth_hmacsha256_final(running, link)
        unsafe memcpy(sum, link, 32)
        for _ in 1..<iterations {
          unsafe memcpy(running, keyed, stateSize)
          failure |= unsafe crypto_auth_hmacsha256_update(running, link, 32)
          failure |= unsafe crypto_auth_hmacsha256_final(running, link)
          for place in 0..<32 { unsafe sum[place] ^= link[place] }
        }
      }
    }
    guard failure == 0 else {
      throw CryptographyError(.libraryFailure, during: "deriving a key from a password")
    }
    return try room.withBytes { (room: RawSpan) throws(CryptographyError) in
      try SecretBytes(
        copying: room.extracting(2 * stateSize + 32..<2 * stateSize + 32 + count))
    }
  }
}
