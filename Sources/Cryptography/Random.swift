import COpenSSL
import CSodium
public import Encoding

/// Random bytes that are not secret: salts, nonces, ids.
public enum Random {
  /// Returns `count` fresh bytes.
  public static func bytes(_ count: Int) throws(CryptographyError) -> [UInt8] {
    guard count >= 0, let length = Int32(exactly: count) else {
      throw CryptographyError(.invalidInput, during: "making random bytes")
    }
    var bytes = [UInt8](repeating: 0, count: count)
    guard unsafe RAND_bytes(&bytes, length) == 1 else {
      throw CryptographyError(.libraryFailure, during: "making random bytes")
    }
    return bytes
  }
}

extension Identifier {
  /// A fresh random id.
  ///
  /// It ends the process where the system has no randomness at all: nothing could be kept safe there.
  public static func random() -> Identifier {
    Sodium.start()
    var bytes = [UInt8](repeating: 0, count: 16)
    unsafe randombytes_buf(&bytes, 16)
    bytes[6] = bytes[6] & 0x0F | 0x40
    bytes[8] = bytes[8] & 0x3F | 0x80
    guard let identifier = Identifier(bytes: bytes) else {
      preconditionFailure("16 bytes with version and variant set are an id")
    }
    return identifier
  }
}
