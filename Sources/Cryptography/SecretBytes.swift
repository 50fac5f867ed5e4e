import COpenSSL

/// Secret bytes with one owner, wiped when the owner lets go.
///
/// They lie in locked memory that is left out of core dumps (`mlock` checked) and are never in a
/// `String` or an array: whoever needs a copy asks for one by ``duplicate()``.
@safe
public struct SecretBytes: ~Copyable, @unchecked Sendable {
  private let block: UnsafeMutableRawPointer
  /// 1…65 536.
  public let count: Int

  /// Makes a secret of `count` bytes that `filling` writes; they are zero before.
  ///
  /// - Throws: ``CryptographyError/Code/invalidInput`` for a count outside 1…65 536,
  ///   ``CryptographyError/Code/lockedMemoryUnavailable``, or what `filling` throws.
  public init(
    count: Int,
    filling: (inout MutableRawSpan) throws(CryptographyError) -> Void
  ) throws(CryptographyError) {
    let block = unsafe try SecretArena.shared.allocate(count)
    do throws(CryptographyError) {
      var span = unsafe MutableRawSpan(_unsafeStart: block, byteCount: count)
      try filling(&span)
    } catch {
      unsafe SecretArena.shared.deallocate(block, count)
      throw error
    }
    unsafe self.block = block
    self.count = count
  }

  /// Copies an array; wiping it is the caller's duty.
  public init(copying bytes: [UInt8]) throws(CryptographyError) {
    let block = unsafe try SecretArena.shared.allocate(bytes.count)
    unsafe bytes.withUnsafeBytes { source in
      unsafe UnsafeMutableRawBufferPointer(start: block, count: source.count)
        .copyMemory(from: source)
    }
    unsafe self.block = block
    count = bytes.count
  }

  /// Copies an array and wipes it, where nobody else holds it.
  public init(moving bytes: inout [UInt8]) throws(CryptographyError) {
    let block = unsafe try SecretArena.shared.allocate(bytes.count)
    let count = bytes.count
    unsafe bytes.withUnsafeMutableBytes { source in
      unsafe UnsafeMutableRawBufferPointer(start: block, count: count)
        .copyMemory(from: UnsafeRawBufferPointer(source))
      unsafe OPENSSL_cleanse(source.baseAddress, count)
    }
    unsafe self.block = block
    self.count = count
  }

  /// Copies bytes that already lie elsewhere; wiping that place is the caller's duty.
  public init(copying bytes: RawSpan) throws(CryptographyError) {
    let block = unsafe try SecretArena.shared.allocate(bytes.byteCount)
    unsafe bytes.withUnsafeBytes { source in
      unsafe UnsafeMutableRawBufferPointer(start: block, count: source.count)
        .copyMemory(from: source)
    }
    unsafe self.block = block
    count = bytes.byteCount
  }

  deinit {
    unsafe SecretArena.shared.deallocate(block, count)
  }

  /// Fresh random bytes from the generator that OpenSSL keeps for keys.
  public static func random(count: Int) throws(CryptographyError) -> SecretBytes {
    try SecretBytes(count: count) { (span: inout MutableRawSpan) throws(CryptographyError) in
      let status = unsafe span.withUnsafeMutableBytes { buffer in
        unsafe RAND_priv_bytes(
          buffer.baseAddress?.assumingMemoryBound(to: UInt8.self), Int32(buffer.count))
      }
      guard status == 1 else {
        throw CryptographyError(.libraryFailure, during: "making a random key")
      }
    }
  }

  /// Lends the bytes for the time of the call.
  public borrowing func withBytes<Result: ~Copyable, Failure: Error>(
    _ body: (RawSpan) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    try body(unsafe RawSpan(_unsafeStart: block, byteCount: count))
  }

  /// A second secret with the same bytes and an owner of its own.
  public borrowing func duplicate() throws(CryptographyError) -> SecretBytes {
    try SecretBytes(copying: unsafe RawSpan(_unsafeStart: block, byteCount: count))
  }

  /// Compares in time that depends on the length only.
  public borrowing func equals(_ other: borrowing SecretBytes) -> Bool {
    guard count == other.count else { return false }
    return unsafe CRYPTO_memcmp(block, other.block, count) == 0
  }
}
