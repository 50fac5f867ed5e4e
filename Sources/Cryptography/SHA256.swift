import COpenSSL
import Encoding

/// A SHA-256 value (RFC 6234).
public struct SHA256Digest: Hashable, Sendable {
  public static let byteCount = 32

  // The 32 bytes in memory order; four words hash and compare faster than an array and need no heap.
  fileprivate var words: (UInt64, UInt64, UInt64, UInt64) = (0, 0, 0, 0)

  /// Takes exactly 32 bytes, else nil.
  public init?(bytes: [UInt8]) {
    guard bytes.count == SHA256Digest.byteCount else { return nil }
    unsafe withUnsafeMutableBytes(of: &words) { unsafe $0.copyBytes(from: bytes) }
  }

  /// Takes the 32 bytes of `bytes` from `offset` on, without a copy on the heap.
  ///
  /// - Precondition: they are there.
  package init(_ bytes: Span<UInt8>, at offset: Int) {
    precondition(offset >= 0 && bytes.count - offset >= SHA256Digest.byteCount, "not 32 bytes")
    unsafe bytes.withUnsafeBytes { source in
      words = unsafe source.loadUnaligned(
        fromByteOffset: offset, as: (UInt64, UInt64, UInt64, UInt64).self)
    }
  }

  /// Takes the 32 bytes as four words in memory order.
  package init(words: (UInt64, UInt64, UInt64, UInt64)) {
    self.words = words
  }

  /// Takes 64 lower-case digits, else nil.
  public init?(hex: String) {
    guard let bytes = Hex.decode(hex) else { return nil }
    self.init(bytes: bytes)
  }

  /// For the hash functions: `write` puts 32 bytes at the address.
  fileprivate init(writing write: (UnsafeMutablePointer<UInt8>) -> Void) {
    unsafe withUnsafeMutableBytes(of: &words) { buffer in
      unsafe buffer.withMemoryRebound(to: UInt8.self) { bytes in
        if let start = bytes.baseAddress { unsafe write(start) }
      }
    }
  }

  public var bytes: [UInt8] {
    unsafe withUnsafeBytes(of: words) { unsafe Array($0) }
  }

  /// 64 lower-case digits.
  public var hex: String { Hex.encode(bytes) }

  public static func == (left: SHA256Digest, right: SHA256Digest) -> Bool {
    left.words == right.words
  }

  public func hash(into hasher: inout Hasher) {
    hasher.combine(words.0)
    hasher.combine(words.1)
  }
}

extension SHA256Digest: CustomStringConvertible {
  public var description: String { hex }
}

/// SHA-256 of a message that is all in memory.
public enum SHA256 {
  public static func hash(_ message: [UInt8]) -> SHA256Digest {
    unsafe message.withUnsafeBytes { unsafe hash($0) }
  }

  public static func hash(_ message: Span<UInt8>) -> SHA256Digest {
    unsafe message.withUnsafeBytes { unsafe hash($0) }
  }

  public static func hash(_ message: RawSpan) -> SHA256Digest {
    unsafe message.withUnsafeBytes { unsafe hash($0) }
  }

  private static func hash(_ message: UnsafeRawBufferPointer) -> SHA256Digest {
    unsafe SHA256Digest { digest in
      let status = unsafe EVP_Digest(
        message.baseAddress, message.count, digest, nil, Algorithms.shared.sha256, nil)
      precondition(status == 1, "hashing fails only when memory is exhausted")
    }
  }
}

/// SHA-256 of a message that comes in pieces.
@safe
public struct SHA256Hasher: ~Copyable, @unchecked Sendable {
  private let context: OpaquePointer

  /// - Throws: ``CryptographyError/Code/libraryFailure`` when memory is exhausted.
  public init() throws(CryptographyError) {
    guard let context = unsafe EVP_MD_CTX_new() else {
      throw CryptographyError(.libraryFailure, during: "starting a hash")
    }
    guard unsafe EVP_DigestInit_ex2(context, Algorithms.shared.sha256, nil) == 1 else {
      unsafe EVP_MD_CTX_free(context)
      throw CryptographyError(.libraryFailure, during: "starting a hash")
    }
    unsafe self.context = context
  }

  deinit {
    unsafe EVP_MD_CTX_free(context)
  }

  public mutating func update(_ bytes: Span<UInt8>) {
    unsafe bytes.withUnsafeBytes { unsafe update($0) }
  }

  public mutating func update(_ bytes: [UInt8]) {
    unsafe bytes.withUnsafeBytes { unsafe update($0) }
  }

  private func update(_ bytes: UnsafeRawBufferPointer) {
    let status = unsafe EVP_DigestUpdate(context, bytes.baseAddress, bytes.count)
    precondition(status == 1, "a started hash takes any bytes")
  }

  /// Adds the 32 bytes of a hash, without copying them to the heap.
  public mutating func update(_ digest: SHA256Digest) {
    let status = unsafe withUnsafeBytes(of: digest.words) { buffer in
      unsafe EVP_DigestUpdate(context, buffer.baseAddress, buffer.count)
    }
    precondition(status == 1, "a started hash takes any bytes")
  }

  /// Ends this message and starts the next, which is cheaper than another hasher.
  public mutating func finish() -> SHA256Digest {
    unsafe SHA256Digest { digest in
      let ended = unsafe EVP_DigestFinal_ex(context, digest, nil)
      let started = unsafe EVP_DigestInit_ex2(context, nil, nil)
      precondition(ended == 1 && started == 1, "a started hash can be ended and started again")
    }
  }

  public consuming func finalize() -> SHA256Digest {
    unsafe SHA256Digest { digest in
      let status = unsafe EVP_DigestFinal_ex(context, digest, nil)
      precondition(status == 1, "a started hash can be ended")
    }
  }
}
