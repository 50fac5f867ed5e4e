import COpenSSL
import CSodium

/// OpenSSL's implementations, looked up once: a lookup costs more than hashing a short message.
@safe
final class Algorithms: @unchecked Sendable {
  static let shared = Algorithms()

  let sha256: OpaquePointer
  let aes256GCM: OpaquePointer
  let hkdf: OpaquePointer

  private init() {
    guard
      let sha256 = unsafe EVP_MD_fetch(nil, "SHA256", nil),
      let aes256GCM = unsafe EVP_CIPHER_fetch(nil, "AES-256-GCM", nil),
      let hkdf = unsafe EVP_KDF_fetch(nil, "HKDF", nil)
    else {
      preconditionFailure("OpenSSL is installed without SHA-256, AES-256-GCM or HKDF")
    }
    unsafe self.sha256 = sha256
    unsafe self.aes256GCM = aes256GCM
    unsafe self.hkdf = hkdf
  }
}

/// libsodium, started.
enum Sodium {
  /// Has no effect after the first time; every use of libsodium goes through it.
  static func start() {
    precondition(isStarted, "libsodium found no source of randomness")
  }

  private static let isStarted = sodium_init() >= 0
}
