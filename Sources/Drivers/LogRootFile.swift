public import Audit
import Cryptography
public import Durable
import Encoding
public import Vault

/// The file of a log's private root key, on its way off the machine or back for a day.
///
/// `Documentation/formats/keyring.md`, 7.1.
public enum LogRootFile {
  /// Makes a root key and its file, which must not exist, and writes the verifier key where the
  /// service looks for it.
  ///
  /// The private half comes first: a verifier key without it would be under no one.
  ///
  /// - Throws: ``VaultError/Code/conflict`` where the file exists; ``VaultError/Code/unavailable``.
  public static func make(
    _ path: String, for origin: String, in layout: StorageLayout
  ) throws(VaultError) -> NoteSigner {
    let files = LinuxFileSystem()
    do {
      let root = try RootKeyFile.make(for: origin)
      try root.fileContent.withBytes { bytes in
        var file = try StagedFile(stagedIn: parent(of: path), named: "log-root", on: files)
        try file.append(bytes)
        try file.commit(to: path)
      }
      try AtomicFile.write(
        Array("\(root.signer.verifierKey)\n".utf8), to: layout.logRoot, on: files)
      return try signer(in: path)
    } catch let error as DurableError where error.code == .exists {
      throw VaultError(
        .conflict, during: "making the log's root key", detail: "a file of that name exists")
    } catch let error as VaultError {
      throw error
    } catch {
      throw VaultError(
        .unavailable, during: "making the log's root key",
        detail: "the root key's file cannot be written", cause: error)
    }
  }

  /// Reads the file.
  ///
  /// - Parameters:
  ///   - path: the file.
  ///   - origin: the log that the key is to sign for; nil for the one that the file names.
  /// - Returns: what signs as the root.
  /// - Throws: ``VaultError/Code/sealed`` when it is not there, not private to its owner or no root
  ///   key's file.
  public static func signer(
    in path: String, for origin: String? = nil
  ) throws(VaultError) -> NoteSigner {
    let content = try KeyFileCustodian.secret(
      in: path, atMost: RootKeyFile.maximumByteCount, called: "the root key's file",
      on: LinuxFileSystem())
    do throws(AuditError) {
      return try RootKeyFile.signer(from: content, for: origin)
    } catch {
      throw VaultError(
        .sealed, during: "reading the log's root key", detail: "it is no root key's file",
        cause: error)
    }
  }

  /// Signs the newest epoch of the published keyring, and leaves it where the service takes it up, which
  /// is an entry of the log.
  ///
  /// - Parameters:
  ///   - root: signs.
  ///   - layout: of the data directory.
  ///   - files: where the calls go.
  /// - Returns: the epoch that was signed; nil if the root had signed it.
  /// - Throws: ``VaultError/Code/notFound`` where there is no keyring; ``VaultError/Code/tampered``
  ///   if it is none, or another root's; ``VaultError/Code/unavailable``.
  public static func certify(
    with root: borrowing NoteSigner, _ layout: StorageLayout,
    on files: any FileSystem = LinuxFileSystem()
  ) throws(VaultError) -> Epoch? {
    let path = layout.log + "/" + Keyring.path
    do {
      var keyring = try Keyring(
        parsing: try AtomicFile.read(path, limit: Keyring.maximumByteCount, on: files))
      guard let epoch = try keyring.certify(with: root) else { return nil }
      try AtomicFile.write(keyring.encoded, to: layout.certified, on: files)
      return epoch
    } catch let error as DurableError where error.code == .notFound {
      throw VaultError(
        .notFound, during: "signing an epoch", detail: "this log has no keyring yet")
    } catch let error as AuditError where error.code == .mismatch {
      throw VaultError(
        .conflict, during: "signing an epoch",
        detail: "the newest epoch is under another root key; the next one will be under this")
    } catch let error as AuditError {
      throw VaultError(
        .tampered, during: "signing an epoch", detail: "the keyring cannot be read", cause: error)
    } catch {
      throw VaultError(.unavailable, during: "signing an epoch", cause: error)
    }
  }

  private static func parent(of path: String) -> String {
    guard let slash = path.lastIndex(of: "/") else { return "." }
    return slash == path.startIndex ? "/" : String(path[..<slash])
  }
}
