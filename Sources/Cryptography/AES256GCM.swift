import COpenSSL

/// AES-256 in Galois/Counter Mode (NIST SP 800-38D) under one key, with 12-byte nonces and 16-byte
/// tags.
///
/// Holds an expanded key on the ordinary heap until it is let go: make one per object, use it for
/// each of the object's segments, and let it go. A nonce may be used once per key; that is the
/// caller's duty.
@safe
public struct AES256GCM: ~Copyable, @unchecked Sendable {
  public static let keyByteCount = 32
  public static let nonceByteCount = 12
  public static let tagByteCount = 16

  private let context: OpaquePointer

  /// - Throws: ``CryptographyError/Code/invalidInput`` unless `key` has 32 bytes.
  public init(key: borrowing SecretBytes) throws(CryptographyError) {
    guard key.count == AES256GCM.keyByteCount else {
      throw CryptographyError(.invalidInput, during: "taking an AES-256 key")
    }
    guard let context = unsafe EVP_CIPHER_CTX_new() else {
      throw CryptographyError(.libraryFailure, during: "taking an AES-256 key")
    }
    let status = key.withBytes { (key: RawSpan) in
      unsafe key.withUnsafeBytes { key in
        unsafe EVP_CipherInit_ex2(
          context, Algorithms.shared.aes256GCM,
          key.baseAddress?.assumingMemoryBound(to: UInt8.self), nil, 1, nil)
      }
    }
    guard status == 1 else {
      unsafe EVP_CIPHER_CTX_free(context)
      throw CryptographyError(.libraryFailure, during: "taking an AES-256 key")
    }
    unsafe self.context = context
  }

  deinit {
    // Wipes the expanded key too.
    unsafe EVP_CIPHER_CTX_free(context)
  }

  /// Returns ciphertext ‖ tag of a secret.
  ///
  /// - Throws: ``CryptographyError/Code/invalidInput`` for another nonce length.
  public mutating func seal(
    _ plaintext: RawSpan, nonce: Span<UInt8>, aad: Span<UInt8> = Span()
  ) throws(CryptographyError) -> [UInt8] {
    guard nonce.count == AES256GCM.nonceByteCount else {
      throw CryptographyError(.invalidInput, during: "encrypting")
    }
    var sealed = [UInt8](repeating: 0, count: plaintext.byteCount + AES256GCM.tagByteCount)
    let done = unsafe plaintext.withUnsafeBytes { input in
      unsafe sealed.withUnsafeMutableBytes { output in
        unsafe encrypt(input, nonce: nonce, aad: aad, to: output)
      }
    }
    guard done else { throw CryptographyError(.libraryFailure, during: "encrypting") }
    return sealed
  }

  /// Appends ciphertext ‖ tag to `output`, which has room for 16 bytes more than `plaintext`.
  ///
  /// - Throws: ``CryptographyError/Code/invalidInput`` for less room or another nonce length.
  public mutating func seal(
    _ plaintext: Span<UInt8>, nonce: Span<UInt8>, aad: Span<UInt8> = Span(),
    appendingTo output: inout OutputSpan<UInt8>
  ) throws(CryptographyError) {
    let length = plaintext.count + AES256GCM.tagByteCount
    guard nonce.count == AES256GCM.nonceByteCount, output.freeCapacity >= length else {
      throw CryptographyError(.invalidInput, during: "encrypting")
    }
    let done = unsafe plaintext.withUnsafeBytes { input in
      unsafe output.withUnsafeMutableBufferPointer { buffer, initializedCount in
        let target = unsafe UnsafeMutableRawBufferPointer(
          rebasing: UnsafeMutableRawBufferPointer(buffer)[
            initializedCount..<initializedCount + length])
        guard unsafe encrypt(input, nonce: nonce, aad: aad, to: target) else { return false }
        initializedCount += length
        return true
      }
    }
    guard done else { throw CryptographyError(.libraryFailure, during: "encrypting") }
  }

  /// Encrypts where the plaintext lies.
  ///
  /// `buffer` holds the plaintext, then 16 bytes into which the tag is written.
  ///
  /// - Throws: ``CryptographyError/Code/invalidInput`` for a shorter buffer or another nonce length.
  public mutating func sealInPlace(
    _ buffer: inout MutableSpan<UInt8>, nonce: Span<UInt8>, aad: Span<UInt8> = Span()
  ) throws(CryptographyError) {
    guard
      nonce.count == AES256GCM.nonceByteCount, buffer.count >= AES256GCM.tagByteCount
    else { throw CryptographyError(.invalidInput, during: "encrypting") }
    let done = unsafe buffer.withUnsafeMutableBytes { buffer in
      let input = unsafe UnsafeRawBufferPointer(
        rebasing: UnsafeRawBufferPointer(buffer).dropLast(AES256GCM.tagByteCount))
      return unsafe encrypt(input, nonce: nonce, aad: aad, to: buffer)
    }
    guard done else { throw CryptographyError(.libraryFailure, during: "encrypting") }
  }

  /// Checks the tag of ciphertext ‖ tag and writes the plaintext into a secret.
  ///
  /// `output` is exactly 16 bytes shorter than `sealed`; it is zeroed where the tag does not match.
  ///
  /// - Throws: ``CryptographyError/Code/notAuthentic`` where the tag does not match or is cut off,
  ///   ``CryptographyError/Code/invalidInput`` for another length of nonce or output.
  public mutating func open(
    _ sealed: Span<UInt8>, nonce: Span<UInt8>, aad: Span<UInt8> = Span(),
    into output: inout MutableRawSpan
  ) throws(CryptographyError) {
    guard sealed.count >= AES256GCM.tagByteCount else {
      throw CryptographyError(.notAuthentic, during: "decrypting")
    }
    guard
      nonce.count == AES256GCM.nonceByteCount,
      output.byteCount == sealed.count - AES256GCM.tagByteCount
    else { throw CryptographyError(.invalidInput, during: "decrypting") }
    let authentic = unsafe sealed.withUnsafeBytes { input in
      unsafe output.withUnsafeMutableBytes { output in
        unsafe decrypt(input, nonce: nonce, aad: aad, to: output)
      }
    }
    guard authentic else { throw CryptographyError(.notAuthentic, during: "decrypting") }
  }

  /// Checks the tag of ciphertext ‖ tag and appends the plaintext to `output`, which has room for it.
  ///
  /// Nothing is appended, and no plaintext left behind, where the tag does not match.
  ///
  /// - Throws: ``CryptographyError/Code/notAuthentic`` where the tag does not match or is cut off,
  ///   ``CryptographyError/Code/invalidInput`` for less room or another nonce length.
  public mutating func open(
    _ sealed: Span<UInt8>, nonce: Span<UInt8>, aad: Span<UInt8> = Span(),
    appendingTo output: inout OutputSpan<UInt8>
  ) throws(CryptographyError) {
    let length = sealed.count - AES256GCM.tagByteCount
    guard length >= 0 else { throw CryptographyError(.notAuthentic, during: "decrypting") }
    guard nonce.count == AES256GCM.nonceByteCount, output.freeCapacity >= length else {
      throw CryptographyError(.invalidInput, during: "decrypting")
    }
    let authentic = unsafe sealed.withUnsafeBytes { input in
      unsafe output.withUnsafeMutableBufferPointer { buffer, initializedCount in
        let target = unsafe UnsafeMutableRawBufferPointer(
          rebasing: UnsafeMutableRawBufferPointer(buffer)[
            initializedCount..<initializedCount + length])
        guard unsafe decrypt(input, nonce: nonce, aad: aad, to: target) else { return false }
        initializedCount += length
        return true
      }
    }
    guard authentic else { throw CryptographyError(.notAuthentic, during: "decrypting") }
  }

  /// Decrypts where the ciphertext lies: afterwards all but the last 16 bytes are plaintext.
  ///
  /// `buffer` is zeroed where the tag does not match.
  ///
  /// - Throws: as ``open(_:nonce:aad:into:)``.
  public mutating func openInPlace(
    _ buffer: inout MutableSpan<UInt8>, nonce: Span<UInt8>, aad: Span<UInt8> = Span()
  ) throws(CryptographyError) {
    guard buffer.count >= AES256GCM.tagByteCount else {
      throw CryptographyError(.notAuthentic, during: "decrypting")
    }
    guard nonce.count == AES256GCM.nonceByteCount else {
      throw CryptographyError(.invalidInput, during: "decrypting")
    }
    let authentic = unsafe buffer.withUnsafeMutableBytes { buffer in
      unsafe decrypt(UnsafeRawBufferPointer(buffer), nonce: nonce, aad: aad, to: buffer)
    }
    guard authentic else { throw CryptographyError(.notAuthentic, during: "decrypting") }
  }

  /// `output` is 16 bytes longer than `input` and may start at the same address.
  private func encrypt(
    _ input: UnsafeRawBufferPointer, nonce: Span<UInt8>, aad: Span<UInt8>,
    to output: UnsafeMutableRawBufferPointer
  ) -> Bool {
    guard let length = Int32(exactly: input.count) else { return false }
    let start = unsafe output.baseAddress?.assumingMemoryBound(to: UInt8.self)
    guard let start = unsafe start, begin(nonce: nonce, aad: aad, encrypting: 1) else {
      return false
    }
    if length > 0 {
      var written: Int32 = 0
      guard
        unsafe EVP_CipherUpdate(
          context, start, &written, input.baseAddress?.assumingMemoryBound(to: UInt8.self), length)
          == 1,
        written == length
      else { return false }
    }
    let tag = unsafe start + input.count
    var rest: Int32 = 0
    return unsafe EVP_CipherFinal_ex(context, tag, &rest) == 1
      && rest == 0
      && EVP_CIPHER_CTX_ctrl(
        context, EVP_CTRL_AEAD_GET_TAG, Int32(AES256GCM.tagByteCount), tag) == 1
  }

  /// `input` has at least 16 bytes; `output` may be it, or be 16 bytes shorter.
  private func decrypt(
    _ input: UnsafeRawBufferPointer, nonce: Span<UInt8>, aad: Span<UInt8>,
    to output: UnsafeMutableRawBufferPointer
  ) -> Bool {
    guard
      let length = Int32(exactly: input.count - AES256GCM.tagByteCount),
      let start = unsafe input.baseAddress?.assumingMemoryBound(to: UInt8.self),
      begin(nonce: nonce, aad: aad, encrypting: 0)
    else { return false }
    // OpenSSL reads the tag through a pointer to mutable bytes; it does not write there.
    let tag = unsafe UnsafeMutableRawPointer(mutating: start + Int(length))
    guard
      unsafe EVP_CIPHER_CTX_ctrl(
        context, EVP_CTRL_AEAD_SET_TAG, Int32(AES256GCM.tagByteCount), tag) == 1
    else { return false }
    let destination = unsafe output.baseAddress?.assumingMemoryBound(to: UInt8.self)
    var written: Int32 = 0
    if length > 0 {
      guard
        unsafe EVP_CipherUpdate(context, destination, &written, start, length) == 1,
        written == length
      else {
        unsafe wipe(output)
        return false
      }
    }
    // With nothing left to write, OpenSSL still wants an address.
    var rest: Int32 = 0
    var nothing: UInt8 = 0
    guard unsafe EVP_CipherFinal_ex(context, &nothing, &rest) == 1, rest == 0 else {
      unsafe wipe(output)
      return false
    }
    return true
  }

  /// Sets the nonce, keeps the key, and feeds the additional data.
  private func begin(nonce: Span<UInt8>, aad: Span<UInt8>, encrypting: Int32) -> Bool {
    let status = unsafe nonce.withUnsafeBytes { nonce in
      unsafe EVP_CipherInit_ex2(
        context, nil, nil, nonce.baseAddress?.assumingMemoryBound(to: UInt8.self), encrypting, nil)
    }
    guard status == 1 else { return false }
    guard aad.count > 0 else { return true }
    guard let length = Int32(exactly: aad.count) else { return false }
    return unsafe aad.withUnsafeBytes { aad in
      var taken: Int32 = 0
      return unsafe EVP_CipherUpdate(
        context, nil, &taken, aad.baseAddress?.assumingMemoryBound(to: UInt8.self), length) == 1
    }
  }

  private func wipe(_ output: UnsafeMutableRawBufferPointer) {
    unsafe OPENSSL_cleanse(output.baseAddress, output.count)
  }
}

extension AES256GCM {
  /// Encrypts one message that is all in memory: ciphertext ‖ tag.
  public static func seal(
    _ plaintext: [UInt8], key: borrowing SecretBytes, nonce: [UInt8], aad: [UInt8] = []
  ) throws(CryptographyError) -> [UInt8] {
    var cipher = try AES256GCM(key: key)
    var sealed = plaintext + [UInt8](repeating: 0, count: tagByteCount)
    var span = sealed.mutableSpan
    try cipher.sealInPlace(&span, nonce: nonce.span, aad: aad.span)
    return sealed
  }

  /// Opens ciphertext ‖ tag that is all in memory.
  ///
  /// - Throws: ``CryptographyError/Code/notAuthentic`` where key, nonce, data or tag do not match.
  public static func open(
    _ sealed: [UInt8], key: borrowing SecretBytes, nonce: [UInt8], aad: [UInt8] = []
  ) throws(CryptographyError) -> [UInt8] {
    var cipher = try AES256GCM(key: key)
    var plaintext = sealed
    var span = plaintext.mutableSpan
    try cipher.openInPlace(&span, nonce: nonce.span, aad: aad.span)
    plaintext.removeLast(tagByteCount)
    return plaintext
  }
}
