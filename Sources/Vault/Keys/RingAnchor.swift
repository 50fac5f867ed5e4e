public import Cryptography
public import Encoding

/// 32 random bytes without which a ring does not open, whoever has its root key.
///
/// `Documentation/formats/keys.md`, section 8. A file cannot forget, so the anchor is what is made to
/// be forgotten: it lies in the configured places alone, never in a backup, and each ratchet replaces
/// it everywhere.
public struct RingAnchor: Sendable {
  /// The length of what a place holds.
  public static let byteCount = 8 + 16 + 16 + 32
  private static let magic = Array("CVANCH1\n".utf8)

  public let id: Identifier
  public let tenant: Identifier
  let secret: SharedSecret

  /// A fresh anchor.
  ///
  /// - Throws: ``VaultError/Code/unavailable`` where no memory can be locked.
  init(tenant: Identifier) throws(VaultError) {
    id = .random()
    self.tenant = tenant
    secret = SharedSecret(try KeyRing.freshKey())
  }

  /// Reads what a place holds; whatever the bytes are, this returns or throws.
  ///
  /// - Throws: ``VaultError/Code/tampered`` where they are no anchor.
  public init(parsing file: borrowing SecretBytes) throws(VaultError) {
    guard file.count == Self.byteCount else { throw Self.damaged }
    let front = file.withBytes { (bytes: RawSpan) in
      unsafe bytes.extracting(0..<40).withUnsafeBytes { unsafe Array($0) }
    }
    guard front.starts(with: Self.magic), let id = Identifier(bytes: Array(front[8..<24])),
      let tenant = Identifier(bytes: Array(front[24..<40]))
    else { throw Self.damaged }
    self.id = id
    self.tenant = tenant
    do throws(CryptographyError) {
      secret = try file.withBytes { (bytes: RawSpan) throws(CryptographyError) in
        SharedSecret(try SecretBytes(copying: bytes.extracting(40..<Self.byteCount)))
      }
    } catch {
      throw VaultError(.unavailable, during: "reading a ring's anchor", cause: error)
    }
  }

  /// What a place holds.
  ///
  /// - Throws: ``VaultError/Code/unavailable`` where no memory can be locked.
  public func encoded() throws(VaultError) -> SecretBytes {
    let front = Self.magic + id.bytes + tenant.bytes
    do throws(CryptographyError) {
      return try SecretBytes(count: Self.byteCount) { (file: inout MutableRawSpan) in
        unsafe file.withUnsafeMutableBytes { file in
          unsafe file.copyBytes(from: front)
          let rest = unsafe UnsafeMutableRawBufferPointer(rebasing: file[front.count...])
          secret.withBytes { (bytes: RawSpan) in
            unsafe bytes.withUnsafeBytes { unsafe rest.copyMemory(from: $0) }
          }
        }
      }
    } catch {
      throw VaultError(.unavailable, during: "writing a ring's anchor", cause: error)
    }
  }

  private static var damaged: VaultError {
    VaultError(
      .tampered, during: "reading a ring's anchor",
      detail: "a ring's anchor is damaged; the other place has it, unless both are")
  }
}

/// A place that keeps anchors: a small volume of its own, which no backup reads.
///
/// Calls may block for a disk.
public protocol RingAnchorStore: Sendable {
  /// How the operator knows the place.
  var name: String { get }

  /// Whether what is destroyed here is gone.
  ///
  /// - Throws: ``VaultError/Code/unavailable`` where the place is not to be had.
  func standing() throws(VaultError) -> RingAnchorStanding

  /// The anchor with this id; nil if the place has none of it.
  ///
  /// - Throws: ``VaultError/Code/unavailable``, ``VaultError/Code/tampered``.
  func anchor(_ id: Identifier, of tenant: Identifier) throws(VaultError) -> RingAnchor?

  /// Keeps an anchor beside those that are there; it is durable when this returns.
  ///
  /// - Throws: ``VaultError/Code/unavailable`` or ``VaultError/Code/noSpace``.
  func keep(_ anchor: RingAnchor) throws(VaultError)

  /// Destroys all anchors of a tenant but one, also what a crash left unfinished; they are gone when this
  /// returns.
  ///
  /// - Throws: ``VaultError/Code/unavailable``; some may be gone.
  func destroyAll(but id: Identifier?, of tenant: Identifier) throws(VaultError)

  /// Whether nothing of a tenant but this anchor is there.
  ///
  /// - Throws: ``VaultError/Code/unavailable``.
  func holdsOnly(_ id: Identifier?, of tenant: Identifier) throws(VaultError) -> Bool
}

/// What a place is worth as proof of erasure.
public enum RingAnchorStanding: Hashable, Sendable {
  /// On a volume of its own; two places on one volume are one.
  case dedicated(volume: UInt64)
  /// Where the data lies: whatever copies the data copies the anchor.
  case besideTheData
}
