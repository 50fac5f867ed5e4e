public import Cryptography

/// Who keeps the root key: a file, a passphrase, several persons with shares, a hardware token.
///
/// Calls may block for a second (a passphrase's derivation, a token's answer) and come only when the
/// ring is made, opened or handed to another custodian. Every custodian runs the same conformance
/// suite.
public protocol KeyCustodian: Sendable {
  /// Makes, or takes up, a root key and returns what the ring must say so that it is found again.
  ///
  /// Nothing secret is in the record: it stands in the ring in clear.
  ///
  /// - Throws: ``VaultError/Code/conflict`` where a root key stands that this must not replace.
  func enrol() throws(VaultError) -> CustodianRecord

  /// The 32-byte root key; the same for the same record.
  ///
  /// The record comes from a file and is not yet authenticated: it must not be obeyed beyond bounds.
  ///
  /// - Throws: ``VaultError/Code/sealed`` where the key cannot be had (no such file, another kind of
  ///   custodian). A wrong passphrase gives a wrong root, which the ring notices.
  func root(for record: CustodianRecord) throws(VaultError) -> SecretBytes

  /// Makes a root in place of the record's, which stays until ``destroyAll(but:)``.
  ///
  /// - Returns: nil where destroying a root would prove nothing, as with files: the root stays, and
  ///   anchors are what is destroyed.
  /// - Throws: ``VaultError/Code/unavailable``.
  func successor(of record: CustodianRecord) throws(VaultError) -> CustodianRecord?

  /// Destroys every root of this ring but the record's.
  ///
  /// - Throws: ``VaultError/Code/unavailable``; then nothing may be called erased.
  func destroyAll(but record: CustodianRecord) throws(VaultError)
}

extension KeyCustodian {
  public func successor(of record: CustodianRecord) throws(VaultError) -> CustodianRecord? { nil }

  public func destroyAll(but record: CustodianRecord) throws(VaultError) {}
}

/// What the ring file says about its custodian, in clear.
public struct CustodianRecord: Equatable, Sendable {
  public enum Kind: UInt8, Sendable {
    /// A file with a random root key, or a passphrase.
    case file = 1
    /// A PKCS#11 token.
    case token = 2
    /// A key service of another machine.
    case service = 3
    /// Several persons, each with a share on paper: `Documentation/formats/shares.md`.
    case shares = 4
  }

  /// What destroying a root key means there.
  public enum Destruction: UInt8, Sendable {
    /// An old copy and the same passphrase still open it: erasure is not proven without an anchor.
    case file = 1
    /// A token object that cannot leave the token.
    case resident = 2
    /// A key service, after its pending window.
    case provider = 3
  }

  /// How the root key comes from what the custodian holds.
  public enum Derivation: Equatable, Sendable {
    /// It is the root key itself.
    case none
    /// Argon2id of a passphrase, with a 16-byte salt; costs within ``Argon2id``'s bounds.
    case argon2id(operations: Int, memoryKiB: Int, salt: [UInt8])
  }

  public let kind: Kind
  public let destruction: Destruction
  public let derivation: Derivation
  /// What the custodian wrote for itself, such as a token object's label; at most 1024 bytes.
  public let reference: [UInt8]

  public init(
    kind: Kind, destruction: Destruction, derivation: Derivation, reference: [UInt8] = []
  ) {
    self.kind = kind
    self.destruction = destruction
    self.derivation = derivation
    self.reference = reference
  }
}

/// Where the ring's bytes lie.
public protocol KeyRingStore: Sendable {
  /// The bytes that were last put there, nil if none ever were.
  ///
  /// - Throws: ``VaultError/Code/unavailable`` when they cannot be read,
  ///   ``VaultError/Code/tampered`` when they are longer than any ring.
  func read() throws(VaultError) -> [UInt8]?

  /// Replaces the bytes whole and durably: a crash leaves the old ring or the new one.
  ///
  /// - Throws: ``VaultError/Code/unavailable`` or ``VaultError/Code/noSpace``.
  func replace(with bytes: [UInt8]) throws(VaultError)
}
