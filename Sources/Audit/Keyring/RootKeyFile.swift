public import Cryptography

/// The root's private key as its file holds it, for the day on which it is brought to the machine.
///
/// Specified in `Documentation/formats/keyring.md`, 7.1. The seed is in locked memory only.
public enum RootKeyFile {
  /// No root key file is longer.
  public static let maximumByteCount = 1024
  private static let header = "callvault/log-root/v1\n"
  private static let seedByteCount = 32

  /// Makes a root key for the log `origin`, and the bytes of its file.
  ///
  /// - Throws: ``AuditError/Code/unavailable`` when the machine gives no memory or randomness;
  ///   ``AuditError/Code/invalidDraft`` if the origin is no name.
  public static func make(for origin: String) throws(AuditError) -> RootKey {
    do throws(CryptographyError) {
      let seed = try SecretBytes.random(count: seedByteCount)
      let signer = try named(Epoch.rootName(in: origin), seed)
      let head = Array((header + signer.verifierKey.description + "\n").utf8)
      let content = try seed.withBytes { seed throws(CryptographyError) in
        try SecretBytes(count: head.count + seedByteCount) {
          (content: inout MutableRawSpan) throws(CryptographyError) in
          for (offset, byte) in head.enumerated() { write(byte, to: &content, at: offset) }
          for offset in 0..<seedByteCount {
            write(byte(of: seed, at: offset), to: &content, at: head.count + offset)
          }
        }
      }
      return RootKey(signer: signer, fileContent: content)
    } catch {
      throw AuditError(.unavailable, during: "making a root key", cause: error)
    }
  }

  /// Reads the bytes of a root key's file.
  ///
  /// - Parameters:
  ///   - content: what the file holds.
  ///   - origin: the log that the key is to sign for, where that is not the one in the file: the root
  ///     stays when a recovery gives the log another name. Nil for the one in the file.
  /// - Returns: what signs as the root.
  /// - Throws: ``AuditError/Code/malformed`` for any other spelling, or a seed that is not that of
  ///   the verifier key beside it; ``AuditError/Code/unavailable``.
  public static func signer(
    from content: borrowing SecretBytes, for origin: String? = nil
  ) throws(AuditError) -> NoteSigner {
    let malformed = AuditError(.malformed, during: "reading a root key's file")
    let count = content.count
    guard (header.utf8.count + seedByteCount...maximumByteCount).contains(count) else {
      throw malformed
    }
    let head = content.withBytes { content in
      String(decoding: (0..<count - seedByteCount).map { byte(of: content, at: $0) }, as: UTF8.self)
    }
    guard head.hasPrefix(header), head.last == "\n",
      let key = VerifierKey(String(head.dropFirst(header.count).dropLast()))
    else { throw malformed }
    let seed: SecretBytes
    do throws(CryptographyError) {
      seed = try content.withBytes { content throws(CryptographyError) in
        try SecretBytes(copying: content.extracting((count - seedByteCount)..<count))
      }
    } catch {
      throw AuditError(.unavailable, during: "reading a root key's file", cause: error)
    }
    let signer = try NoteSigner(name: key.name, seed: seed)
    guard signer.verifierKey == key else { throw malformed }
    guard let origin else { return signer }
    return try NoteSigner(name: Epoch.rootName(in: origin), seed: seed)
  }

  private static func named(
    _ name: String, _ seed: borrowing SecretBytes
  ) throws(CryptographyError) -> NoteSigner {
    do throws(AuditError) {
      return try NoteSigner(name: name, seed: seed)
    } catch {
      throw CryptographyError(.invalidInput, during: "naming a root key", cause: error)
    }
  }

  private static func byte(of span: RawSpan, at offset: Int) -> UInt8 {
    unsafe span.unsafeLoad(fromByteOffset: offset, as: UInt8.self)
  }

  private static func write(_ byte: UInt8, to span: inout MutableRawSpan, at offset: Int) {
    span.storeBytes(of: byte, toByteOffset: offset, as: UInt8.self)
  }
}

/// A root key that was just made: what signs, and what its file must hold.
public struct RootKey: ~Copyable, Sendable {
  public let signer: NoteSigner
  public let fileContent: SecretBytes
}
