import CSodium

/// Ed25519 signatures (RFC 8032) through libsodium.
public enum Ed25519 {
  public static let seedByteCount = 32
  public static let signatureByteCount = 64

  /// A key that checks signatures.
  public struct PublicKey: Hashable, Sendable {
    public static let byteCount = 32

    public let bytes: [UInt8]

    /// Takes 32 bytes, else nil; whether they are a sound key shows when a signature is checked.
    public init?(bytes: [UInt8]) {
      guard bytes.count == PublicKey.byteCount else { return nil }
      self.bytes = bytes
    }

    /// Whether `signature` is this key's over `message`.
    ///
    /// Refuses every second spelling of a signature: S not below the group order, R or the key not
    /// canonical or of small order.
    public func verify(signature: [UInt8], message: [UInt8]) -> Bool {
      guard signature.count == Ed25519.signatureByteCount else { return false }
      Sodium.start()
      return unsafe crypto_sign_ed25519_verify_detached(
        signature, message, UInt64(message.count), bytes) == 0
    }
  }

  /// A key that signs, made from a 32-byte seed.
  public struct SigningKey: ~Copyable, Sendable {
    private let expanded: SecretBytes
    public let publicKey: PublicKey

    /// - Throws: ``CryptographyError/Code/invalidInput`` unless the seed has 32 bytes.
    public init(seed: borrowing SecretBytes) throws(CryptographyError) {
      guard seed.count == Ed25519.seedByteCount else {
        throw CryptographyError(.invalidInput, during: "taking a signing seed")
      }
      Sodium.start()
      var publicBytes = [UInt8](repeating: 0, count: PublicKey.byteCount)
      var status: Int32 = -1
      let expanded = try SecretBytes(count: 64) { (key: inout MutableRawSpan) in
        seed.withBytes { (seed: RawSpan) in
          unsafe seed.withUnsafeBytes { seed in
            unsafe key.withUnsafeMutableBytes { key in
              if let target = unsafe key.baseAddress?.assumingMemoryBound(to: UInt8.self),
                let source = unsafe seed.baseAddress?.assumingMemoryBound(to: UInt8.self)
              {
                status = unsafe crypto_sign_ed25519_seed_keypair(&publicBytes, target, source)
              }
            }
          }
        }
      }
      guard status == 0, let publicKey = PublicKey(bytes: publicBytes) else {
        throw CryptographyError(.libraryFailure, during: "taking a signing seed")
      }
      self.expanded = expanded
      self.publicKey = publicKey
    }

    /// Returns the 64-byte signature of `message`.
    public borrowing func sign(_ message: [UInt8]) throws(CryptographyError) -> [UInt8] {
      var signature = [UInt8](repeating: 0, count: Ed25519.signatureByteCount)
      let status: Int32 = expanded.withBytes { (key: RawSpan) in
        unsafe key.withUnsafeBytes { key in
          guard let key = unsafe key.baseAddress?.assumingMemoryBound(to: UInt8.self) else {
            return -1
          }
          return unsafe crypto_sign_ed25519_detached(
            &signature, nil, message, UInt64(message.count), key)
        }
      }
      guard status == 0 else {
        throw CryptographyError(.libraryFailure, during: "signing")
      }
      return signature
    }
  }
}
