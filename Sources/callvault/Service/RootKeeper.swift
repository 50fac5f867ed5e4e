import Cryptography
import Drivers
import Durable
import Encoding
import Host
import PKCS11
import Vault

/// Who keeps the root key of this vault, by its settings and by its key ring.
struct RootKeeper: Sendable {
  let kind: CustodianRecord.Kind
  /// Of a vault whose root was shared out; nil for others.
  let ceremony: ShareCeremony?
  private let layout: StorageLayout
  private let settings: Settings
  private let keys: String
  private let passphraseFile: String?
  private let hasPassphrase: Bool
  /// Whether the place was typed: whoever names one and has nothing there has mistyped it.
  private let isNamed: Bool

  /// Reads the key ring's account of its custodian; `keys` and `passphraseFile` stand for what the
  /// settings say, where they were typed.
  ///
  /// - Throws: `VaultError` where the key ring is none.
  init(
    _ layout: StorageLayout, _ settings: Settings, keys: String? = nil,
    passphraseFile: String? = nil
  ) throws(VaultError) {
    self.layout = layout
    self.settings = settings
    self.keys = keys ?? settings.keys
    isNamed = keys != nil || passphraseFile != nil
    self.passphraseFile = passphraseFile ?? settings.passphraseFile
    var record = try KeyRing.custodian(in: Unsealing.store(layout))
    for copy in settings.keyPlaces.copyStores() where record == nil {
      record = try KeyRing.custodian(in: copy)
    }
    kind = record?.kind ?? .file
    ceremony = record.flatMap { $0.kind == .shares ? ShareCeremony($0.reference) : nil }
    if case .argon2id = record?.derivation { hasPassphrase = true } else { hasPassphrase = false }
  }

  /// The same for a command that takes `--keys` and `--passphrase-file`.
  init(
    _ layout: StorageLayout, _ settings: Settings, _ arguments: Arguments
  ) throws(VaultError) {
    try self.init(
      layout, settings, keys: arguments.value("keys"),
      passphraseFile: arguments.value("passphrase-file"))
  }

  /// One word for people and for JSON.
  var kindName: String {
    switch kind {
    case .file: hasPassphrase ? "passphrase" : "file"
    case .token: "token"
    case .service: "service"
    case .shares: "shares"
    }
  }

  /// What has to happen so that the root key can be had.
  var hint: String {
    switch kind {
    case .file where hasPassphrase:
      "put the passphrase file where callvault.yaml says, then: callvault unseal"
    case .file: "mount the key volume (\(keys)/root.key), then: callvault unseal"
    case .token: "plug the token in, then: callvault unseal"
    case .service: "this program knows no key service"
    case .shares:
      "\(ceremony.map { "\($0.threshold) of \($0.count)" } ?? "the") keepers of shares come and each run: "
        + "callvault unseal"
    }
  }

  /// The custodian that the settings name.
  ///
  /// - Throws: `VaultError` where it cannot be asked.
  func custodian() throws(VaultError) -> any KeyCustodian {
    switch kind {
    case .shares, .service: return ShareCustodian(shares: [])
    case .token:
      guard let token = settings.token else {
        throw VaultError(
          .invalid, during: "looking for the token",
          detail:
            "the root key is under a token's key; name the token with `pkcs11` in callvault.yaml")
      }
      return try token.custodian(of: settings.tenant)
    case .file:
      if let passphraseFile {
        return KeyFileCustodian(passphrase: try KeyFileCustodian.passphrase(in: passphraseFile))
      }
      return KeyFileCustodian(rootKeyFile: keys + "/root.key")
    }
  }

  /// Opens the ring.
  ///
  /// - Throws: as `KeyRing.open`.
  func open(with custodian: any KeyCustodian) throws(VaultError) -> KeyRing {
    try Unsealing.open(layout, settings, with: custodian)
  }

  /// Opens the ring with the custodian that the settings name, for a command on this machine.
  ///
  /// - Throws: as `KeyRing.open`; the detail says where the root key was looked for.
  func open() throws(VaultError) -> KeyRing {
    do throws(VaultError) {
      return try open(with: custodian())
    } catch {
      guard kind == .file, error.code == .sealed else { throw error }
      let place =
        hasPassphrase
        ? "the passphrase is in \(passphraseFile ?? "no file of callvault.yaml"); "
          + "--passphrase-file FILE names another"
        : "the root key is \(keys)/root.key; --keys DIR names another folder"
      throw VaultError(
        .sealed, during: error.operation, detail: "\(error.detail ?? "no root key") (\(place))",
        cause: error.cause)
    }
  }

  /// Opens the ring, if the root key can be had now.
  ///
  /// - Returns: nil where it is only not there: a volume that is not mounted, persons who have not come, a
  ///   token that is not plugged in.
  /// - Throws: where something is there and is wrong; that mends itself by nobody's coming.
  func openIfThere() throws(VaultError) -> KeyRing? {
    if isAway { return nil }
    do throws(VaultError) {
      return try open()
    } catch {
      if let cause = error.cause as? TokenError,
        [.noToken, .noModule, .removed].contains(cause.code)
      {
        return nil
      }
      throw error
    }
  }

  private var isAway: Bool {
    switch kind {
    case .shares: true
    case .service: false
    case .token: settings.token.map { MachineFacts.file($0.pinFile) == nil } ?? false
    case .file where hasPassphrase:
      !isNamed && (passphraseFile.map { MachineFacts.file($0) == nil } ?? true)
    case .file: !isNamed && passphraseFile == nil && MachineFacts.file(keys + "/root.key") == nil
    }
  }
}

/// The token of callvault.yaml: `pkcs11: { module: …, token: …, pin_file: … }`.
struct TokenSettings: Sendable, Equatable {
  let module: String
  let token: String
  let pinFile: String

  func custodian(of tenant: Identifier) throws(VaultError) -> TokenCustodian {
    TokenCustodian(
      token: Token(
        module: module, name: token, pin: SharedSecret(try TokenCustodian.pin(in: pinFile))),
      label: "callvault \(tenant)")
  }
}
