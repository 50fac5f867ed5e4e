import Cryptography
import Drivers
import Vault

/// Where the root key comes from: a key file in a folder, or a passphrase in a file.
enum Unsealing {
  static func custodian(
    keys: String, passphraseFile: String?
  ) throws(CommandFailure) -> KeyFileCustodian {
    if let passphraseFile {
      return KeyFileCustodian(passphrase: try passphrase(passphraseFile))
    }
    return KeyFileCustodian(rootKeyFile: keys + "/root.key")
  }

  static func store(_ layout: StorageLayout) -> FileKeyRingStore {
    FileKeyRingStore(layout.keys + "/ring")
  }

  /// Opens the ring wherever it lies, with the anchors of the settings.
  ///
  /// - Throws: as `KeyRing.open`.
  static func open(
    _ layout: StorageLayout, _ settings: Settings, with custodian: any KeyCustodian
  ) throws(VaultError) -> KeyRing {
    try KeyRing.open(
      custodian: custodian, store: store(layout), copies: settings.keyPlaces.copyStores(),
      anchors: settings.keyPlaces.anchorStores(layout))
  }

  /// A new passphrase that is long enough to seal a key ring with.
  static func checkNewPassphrase(_ path: String) throws(CommandFailure) {
    guard try passphrase(path).count >= shortestPassphrase else {
      throw CommandFailure(
        .usage,
        "\(path): the passphrase must have \(shortestPassphrase) bytes or more on the first line")
    }
  }

  /// The least that `init` takes; an existing vault takes what it was sealed with.
  private static let shortestPassphrase = 12

  /// The first line of a file, in locked memory.
  static func passphrase(_ path: String) throws(CommandFailure) -> SecretBytes {
    do {
      return try KeyFileCustodian.passphrase(in: path)
    } catch {
      throw CommandFailure(
        error.code == .sealed ? .usage : .internal,
        "\(path): \(error.detail ?? "the passphrase cannot be read")")
    }
  }
}
