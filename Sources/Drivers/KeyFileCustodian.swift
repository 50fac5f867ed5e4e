public import Cryptography
public import Durable
public import Vault

/// Keeps the root key in a file, or gets it from a passphrase.
///
/// `Documentation/formats/keys.md`, section 6. A plain file cannot forget: an old copy of it and an
/// old ring still open what was purged since, and the record says so
/// (``CustodianRecord/Destruction/file``).
public final class KeyFileCustodian: KeyCustodian {
  /// What a passphrase costs whoever guesses it.
  public struct Cost: Sendable {
    public let operations: Int
    public let memoryKiB: Int

    public init(operations: Int, memoryKiB: Int) {
      self.operations = operations
      self.memoryKiB = memoryKiB
    }

    /// Three passes over 256 MiB: half a second on the machines this is made for.
    public static let standard = Cost(operations: 3, memoryKiB: 262_144)
  }

  /// Bytes of a root key file: the key and nothing else.
  public static let rootKeyByteCount = 32
  /// The longest passphrase that is read.
  public static let longestPassphrase = 1024

  private enum Source: Sendable {
    case file(String)
    case passphrase(SharedSecret, Cost)
  }

  private let source: Source
  private let fileSystem: any FileSystem

  /// Keeps a random root key in the file `path`, mode 0600, made by the first ``enrol()``.
  public init(rootKeyFile path: String, on fileSystem: any FileSystem = LinuxFileSystem()) {
    source = .file(path)
    self.fileSystem = fileSystem
  }

  /// Derives the root key from a passphrase by Argon2id; nothing is written.
  ///
  /// `cost` is for new rings; an existing one says its own.
  public init(
    passphrase: consuming SecretBytes, cost: Cost = .standard,
    on fileSystem: any FileSystem = LinuxFileSystem()
  ) {
    source = .passphrase(SharedSecret(passphrase), cost)
    self.fileSystem = fileSystem
  }

  /// Reads a passphrase from a file: the first line, without its end.
  ///
  /// - Throws: ``VaultError/Code/sealed`` where there is no such file, it is empty or longer than
  ///   ``longestPassphrase``, or others than its owner may read it.
  public static func passphrase(
    in path: String, on fileSystem: any FileSystem = LinuxFileSystem()
  ) throws(VaultError) -> SecretBytes {
    try firstLine(of: path, called: "the passphrase file", on: fileSystem)
  }

  static func firstLine(
    of path: String, called name: String, on fileSystem: any FileSystem
  ) throws(VaultError) -> SecretBytes {
    let whole = try secret(
      in: path, atMost: longestPassphrase + 2, called: name, on: fileSystem)
    let length = whole.withBytes { (bytes: RawSpan) in
      unsafe bytes.withUnsafeBytes { bytes in
        let line = unsafe bytes.prefix { $0 != 0x0A }
        return unsafe line.last == 0x0D ? line.count - 1 : line.count
      }
    }
    guard (1...longestPassphrase).contains(length) else {
      throw VaultError(
        .sealed, during: "reading a secret file",
        detail: "\(name) must begin with a line of 1 to 1024 bytes")
    }
    do throws(CryptographyError) {
      return try whole.withBytes { (bytes: RawSpan) throws(CryptographyError) in
        try SecretBytes(copying: bytes.extracting(0..<length))
      }
    } catch {
      throw VaultError(describing: error, during: "reading a secret file")
    }
  }

  /// Takes up the root key file, or makes it; for a passphrase a fresh salt.
  ///
  /// A file that is there already is kept: it may be the root of a ring that is elsewhere now, and
  /// after a crash between key and ring it is the one just made.
  public func enrol() throws(VaultError) -> CustodianRecord {
    switch source {
    case .file(let path):
      try makeRootKey(path)
      return CustodianRecord(kind: .file, destruction: .file, derivation: .none)
    case .passphrase(_, let cost):
      do throws(CryptographyError) {
        let salt = try Random.bytes(Argon2id.saltByteCount)
        return CustodianRecord(
          kind: .file, destruction: .file,
          derivation: .argon2id(
            operations: cost.operations, memoryKiB: cost.memoryKiB, salt: salt))
      } catch {
        throw VaultError(describing: error, during: "enrolling a passphrase")
      }
    }
  }

  public func root(for record: CustodianRecord) throws(VaultError) -> SecretBytes {
    switch (record.kind, source, record.derivation) {
    case (.file, .file(let path), .none):
      let root = try KeyFileCustodian.secret(
        in: path, atMost: KeyFileCustodian.rootKeyByteCount + 1, called: "the root key file",
        on: fileSystem)
      guard root.count == KeyFileCustodian.rootKeyByteCount else {
        throw VaultError(
          .sealed, during: "reading the root key",
          detail: "the root key file must hold exactly 32 bytes")
      }
      return root
    case (.file, .passphrase(let passphrase, _), .argon2id(let operations, let memoryKiB, let salt)):
      do throws(CryptographyError) {
        return try passphrase.withSecret { (passphrase) throws(CryptographyError) in
          try Argon2id.derive(
            passphrase: passphrase, salt: salt, operations: operations, memoryKiB: memoryKiB,
            count: KeyFileCustodian.rootKeyByteCount)
        }
      } catch {
        throw VaultError(.sealed, during: "deriving the root key", cause: error)
      }
    case (.file, .file, .argon2id):
      throw VaultError(
        .sealed, during: "looking for the root key",
        detail: "this key ring was sealed with a passphrase; give it with --passphrase-file")
    case (.file, .passphrase, .none):
      throw VaultError(
        .sealed, during: "looking for the root key",
        detail: "this key ring was sealed with a root key file, not a passphrase")
    case (.token, _, _), (.service, _, _), (.shares, _, _):
      throw VaultError(
        .sealed, during: "looking for the root key",
        detail: "this key ring is kept by another kind of custodian")
    }
  }

  private func makeRootKey(_ path: String) throws(VaultError) {
    let key: SecretBytes
    do throws(CryptographyError) {
      key = try SecretBytes.random(count: KeyFileCustodian.rootKeyByteCount)
    } catch {
      throw VaultError(describing: error, during: "making the root key")
    }
    do throws(DurableError) {
      var file = try StagedFile(stagedIn: directory(of: path), named: "root.key", on: fileSystem)
      try key.withBytes { (bytes: RawSpan) throws(DurableError) in try file.append(bytes) }
      try file.commit(to: path)
    } catch {
      if error.code == .exists { return }
      throw VaultError(
        .unavailable, during: "writing the root key",
        detail: "the folder for keys cannot be written", cause: error)
    }
  }

  /// Reads a small file straight into locked memory: nothing of it is ever on the heap.
  static func secret(
    in path: String, atMost limit: Int, called name: String, on fileSystem: any FileSystem
  ) throws(VaultError) -> SecretBytes {
    let status: FileStatus
    do throws(SystemCallError) {
      status = try fileSystem.status(at: path)
    } catch {
      throw VaultError(
        .sealed, during: "reading a secret file", detail: "\(name) cannot be found",
        cause: error)
    }
    // As ssh does: a key that others can read is refused before it is used.
    guard status.permissions & 0o077 == 0 else {
      throw VaultError(
        .sealed, during: "reading a secret file",
        detail: "\(name) may be read by others; make it yours alone (chmod 600)")
    }
    let file: InputFile
    do throws(DurableError) {
      file = try InputFile(path, on: fileSystem)
      guard file.length > 0, file.length <= Int64(limit) else {
        throw DurableError(.malformed, during: "reading a secret file")
      }
    } catch {
      throw unreadable(name, error)
    }
    return try read(file, called: name)
  }

  private static func read(_ file: InputFile, called name: String) throws(VaultError) -> SecretBytes
  {
    var failure: DurableError?
    do throws(CryptographyError) {
      return try SecretBytes(count: Int(file.length)) {
        (buffer: inout MutableRawSpan) throws(CryptographyError) in
        do throws(DurableError) {
          guard try file.read(into: &buffer, at: 0) == buffer.byteCount else {
            throw DurableError(.malformed, during: "reading a secret file")
          }
        } catch {
          failure = error
          throw CryptographyError(.libraryFailure, during: "reading a secret file")
        }
      }
    } catch {
      guard let failure else {
        throw VaultError(describing: error, during: "reading a secret file")
      }
      throw unreadable(name, failure)
    }
  }

  private static func unreadable(_ name: String, _ cause: DurableError) -> VaultError {
    VaultError(
      .sealed, during: "reading a secret file", detail: "\(name) cannot be read or is too long",
      cause: cause)
  }
}

private func directory(of path: String) -> String {
  guard let slash = path.lastIndex(of: "/") else { return "." }
  return slash == path.startIndex ? "/" : String(path[..<slash])
}
