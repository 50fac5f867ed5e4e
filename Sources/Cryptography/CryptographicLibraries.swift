import COpenSSL
import CSodium

/// Which libraries do the work in this process, in their own words.
public struct CryptographicLibraries: Sendable, Equatable {
  /// Such as `OpenSSL 3.0.17 1 Jul 2025`.
  public let openSSL: String
  /// Such as `3.0.17`.
  public let openSSLVersion: String
  /// The OpenSSL provider that AES-256-GCM comes from.
  public let provider: String
  /// Such as `1.0.18`.
  public let sodium: String

  /// Those of this process.
  public static let current = CryptographicLibraries()

  private init() {
    openSSL = unsafe String(cString: OpenSSL_version(OPENSSL_VERSION))
    openSSLVersion = unsafe String(cString: OpenSSL_version(OPENSSL_VERSION_STRING))
    sodium = unsafe String(cString: sodium_version_string())
    let provider = unsafe EVP_CIPHER_get0_provider(Algorithms.shared.aes256GCM)
    let name = unsafe provider.flatMap { unsafe OSSL_PROVIDER_get0_name($0) }
    self.provider = unsafe name.map { unsafe String(cString: $0) } ?? "none"
  }
}
