import CSodium

/// Argon2id (RFC 9106, version 1.3, one lane): a key from a passphrase.
public enum Argon2id {
  public static let saltByteCount = 16
  /// Passes over the memory that are accepted; a file from outside must not ask for more.
  public static let operations = 1...16
  /// Memory that is accepted, in KiB: 8 KiB to 1 GiB.
  public static let memoryKiB = 8...1_048_576

  /// Derives a key of `count` bytes, 16…64, with a salt of 16 bytes.
  ///
  /// Blocks its thread for as long as the cost asks: about a second at three passes over 256 MiB.
  ///
  /// - Throws: ``CryptographyError/Code/invalidInput`` outside these bounds,
  ///   ``CryptographyError/Code/libraryFailure`` where the memory cannot be had.
  public static func derive(
    passphrase: borrowing SecretBytes, salt: [UInt8], operations: Int, memoryKiB: Int, count: Int
  ) throws(CryptographyError) -> SecretBytes {
    guard
      salt.count == saltByteCount, (16...64).contains(count),
      Argon2id.operations.contains(operations), Argon2id.memoryKiB.contains(memoryKiB)
    else { throw CryptographyError(.invalidInput, during: "deriving a key from a passphrase") }
    Sodium.start()
    var status: Int32 = -1
    let key = try SecretBytes(count: count) { (output: inout MutableRawSpan) in
      passphrase.withBytes { (passphrase: RawSpan) in
        unsafe passphrase.withUnsafeBytes { passphrase in
          unsafe output.withUnsafeMutableBytes { output in
            if let target = unsafe output.baseAddress?.assumingMemoryBound(to: UInt8.self),
              let source = unsafe passphrase.baseAddress?.assumingMemoryBound(to: CChar.self)
            {
              status = unsafe crypto_pwhash_argon2id(
                target, UInt64(count), source, UInt64(passphrase.count), salt,
                UInt64(operations), memoryKiB * 1024, crypto_pwhash_argon2id_ALG_ARGON2ID13)
            }
          }
        }
      }
    }
    guard status == 0 else {
      throw CryptographyError(.libraryFailure, during: "deriving a key from a passphrase")
    }
    return key
  }
}
