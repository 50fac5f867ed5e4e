import Audit
import CAssets
import Cryptography
import Drivers
import Durable
import Encoding
import Glibc
import Host
import Threading
import Vault

/// `init`: makes a vault.
enum InitCommand {
  static let initialise = Command(
    name: "init",
    summary: "make a vault: keys, log, catalog and settings",
    options: [
      .value("keys", "DIR", "where root.key goes; it belongs on another volume than the data"),
      .value(
        "root-key", "FILE",
        "where the log's own root key goes, to be taken off the machine; KEYS/log-root.key if not given"
      ),
      .value(
        "anchor", "DIR", "a folder on a small volume that no backup reads; give two or more",
        repeated: true),
      .value("ring-copy", "DIR", "where the key ring lies besides", repeated: true),
      .value("passphrase-file", "FILE", "derive the root key from this file's first line instead"),
      .value(
        "ceremony", "M-of-N", "share the root key out among N persons, any M of whom open the vault"
      ),
      .flag("prove", "go on with a ceremony whose shares have not all been typed back"),
      .value("out", "DIR", "where the pages of a ceremony go; not in the vault's own folders"),
      .value("pkcs11-module", "FILE", "keep the root key under a token's key: the token's library"),
      .value("pkcs11-token", "NAME", "the token's label"),
      .value("pin-file", "FILE", "the token's PIN, on the first line"),
      .value(
        "host", "NAME", "the host name in the log's name for ever; this machine's if not given"),
    ],
    examples: [
      (
        "callvault init --data /var/lib/callvault --keys /mnt/keys/callvault",
        "the usual way: data here, the key there"
      ),
      (
        "callvault init --data /var/lib/callvault --ceremony 3-of-5 --out /media/stick",
        "no key on this machine: five pages, three of which open the vault"
      ),
      (
        "callvault init --prove --data /var/lib/callvault",
        "the five pages are printed, and the machine went down before all were typed back"
      ),
    ],
    discussion: [
      "Prints the log's name and its verifier key. Give the verifier key to whoever will audit you, "
        + "now and by another way than this machine. Give them the root's as well, and take its file "
        + "(--root-key) off this machine: it is needed once a year, and after a restore.",
      "Whoever runs this is the administrator on this machine, by user id.",
    ]
  ) { arguments, terminal in
    let root = try dataDirectory(arguments)
    let layout = StorageLayout(root: root)
    if arguments.has("prove") { return try await prove(layout, terminal) }
    let host = try arguments.value("host") ?? machineName()
    guard isHostName(host) else {
      throw CommandFailure(
        .usage, "--host must be a host name: lower-case letters, digits, dots and hyphens")
    }
    let passphraseFile = try arguments.value("passphrase-file").map { path throws(CommandFailure) in
      try Unsealing.checkNewPassphrase(path)
      return try absolutePath(path)
    }
    let keys = arguments.value("keys") ?? layout.keys
    let token = try tokenSettings(arguments)
    let ceremony = try arguments.value("ceremony").map { text throws(CommandFailure) in
      guard let size = Ceremony.Size(text) else {
        throw CommandFailure(
          .usage, "--ceremony must be M-of-N such as 3-of-5, with M from 2 and N up to 16")
      }
      guard let out = arguments.value("out") else {
        throw CommandFailure(.usage, "--ceremony needs --out DIR, where the pages go")
      }
      return try Ceremony(
        size, pagesIn: out, outside: [root, keys], origin: host + "/callvault")
    }
    guard [passphraseFile != nil, token != nil, ceremony != nil].count(where: { $0 }) <= 1 else {
      throw CommandFailure(
        .usage, "--passphrase-file, --ceremony and --pkcs11-module exclude each other")
    }
    let rootKey = arguments.value("root-key") ?? keys + "/log-root.key"
    try checkThatNothingIsThere(layout, keys: keys)
    guard MachineFacts.file(rootKey) == nil else {
      throw CommandFailure(.conflict, "\(rootKey) exists already; nothing was changed")
    }
    try ProcessHardening.required()
    let anchors = try arguments.all("anchor").map(absolutePath)
    let copies = try arguments.all("ring-copy").map(absolutePath)
    do {
      return try await make(
        layout, host: host, keys: keys, rootKey: rootKey, passphraseFile: passphraseFile,
        token: token, ceremony: ceremony, anchors: anchors, copies: copies, telling: terminal)
    } catch {
      // Of a ceremony whose pages may be there, the error says what to do.
      if MachineFacts.file(layout.configuration) == nil {
        // The place was empty, so whatever is in it now was begun here; deleting a key by itself is
        // nothing a program should do.
        terminal.note(
          "What was begun in \(root) and \(keys) protects nothing yet: remove it, then run init again."
        )
      }
      throw error
    }
  }

  private static func make(
    _ layout: StorageLayout, host: String, keys: String, rootKey: String,
    passphraseFile: String?, token: TokenSettings?, ceremony: Ceremony?, anchors: [String],
    copies: [String],
    telling terminal: Terminal
  ) async throws -> Int32 {
    let root = layout.root
    try makeFolder(root)
    // Made by somebody else, it may be open to others.
    guard unsafe chmod(root, 0o700) == 0 else {
      throw CommandFailure(.usage, "\(root) cannot be made private: \(UserFile.reason(errno))")
    }
    let files = LinuxFileSystem()
    let lock = try OwnedLock(layout)
    try Directory.make(layout.keys, below: root, on: files)
    try makeFolder(keys)
    let settings = Settings(
      tenant: .random(), origin: host + "/callvault", administrator: MachineFacts.user,
      hosts: host == "localhost"
        ? ["localhost", "127.0.0.1", "::1"] : ["localhost", "127.0.0.1", "::1", host],
      keys: try absolutePath(keys), passphraseFile: passphraseFile, token: token,
      anchors: anchors, copies: copies)
    for folder in [layout.policies, layout.objects, layout.root + "/run"] {
      try Directory.make(folder, below: root, on: files)
    }
    try AtomicFile.write(
      unsafe asset(callvault_access_yaml()), to: layout.policies + "/access.yaml", on: files)
    try AtomicFile.write(
      unsafe asset(callvault_retention_yaml()), to: layout.policies + "/retention.yaml", on: files)
    try AtomicFile.write(
      unsafe asset(callvault_consent_yaml()), to: layout.policies + "/consent.yaml", on: files)
    let custodian: any KeyCustodian =
      if let ceremony {
        ceremony.custodian
      } else if let token {
        try token.custodian(of: settings.tenant)
      } else {
        try Unsealing.custodian(keys: settings.keys, passphraseFile: passphraseFile)
      }
    let ring = try KeyRing.create(
      tenant: settings.tenant, custodian: custodian,
      store: Unsealing.store(layout), copies: settings.keyPlaces.copyStores(),
      anchors: settings.keyPlaces.anchorStores(layout),
      at: Timestamp(milliseconds: SystemClock().read().milliseconds))
    let logRoot = try LogRootFile.make(rootKey, for: settings.origin, in: layout)
    // Opening it once writes the genesis of the log; closing it, log.stop.
    let opened = try await OpenedVault(root: root, lock: lock, settings: settings, ring: ring)
    do {
      // Of shares it is said when they are proven.
      if ceremony == nil { try await record(ring, in: opened.log) }
      try UnsealingLog.certify(with: logRoot, layout, origin: settings.origin)
      try await opened.log.publish()
      _ = try LogRootFile.certify(with: logRoot, layout)
      try await opened.log.takeUpCertification()
    } catch {
      await opened.close()
      throw error
    }
    await opened.close()
    // Before the settings: there is no moment in which shares that nobody proved open a vault.
    try ceremony?.unfinished(.printing).write(layout)
    // Last: a directory with settings is a vault, and one without is not.
    try AtomicFile.write(
      Array(settings.text.utf8), to: layout.configuration, mode: .privateFile, on: files)
    if let ceremony {
      try ceremony.printPages()
      try ceremony.unfinished(.printed).write(layout)
      try await prove(layout, settings, lock, terminal)
    }
    let verifierKey = opened.log.verifierKey.description
    let rootVerifierKey = logRoot.verifierKey.description
    terminal.note(
      "Take \(rootKey) off this machine: it vouches for the log's daily keys, and nothing here needs "
        + "it before next year.")
    if passphraseFile == nil, token == nil, ceremony == nil { warn(layout, settings, terminal) }
    if let why = try ring.unprovenReason() {
      terminal.note(
        "Erasure will not be proven: \(why). Give two volumes of their own with --anchor.")
    }
    terminal.result(
      "origin        \(settings.origin)\nverifier key  \(verifierKey)\n"
        + "root key      \(rootVerifierKey)\n\n"
        + "Next: callvault serve --data \(root)",
      [
        "origin": .string(settings.origin), "verifier_key": .string(verifierKey),
        "root_key": .string(rootVerifierKey), "root_key_file": .string(rootKey),
        "tenant": .string(settings.tenant.description), "data": .string(root),
        "keys": .string(settings.keys),
      ])
    return ExitCode.success.rawValue
  }

  /// Goes on with a ceremony whose pages are all there.
  private static func prove(_ layout: StorageLayout, _ terminal: Terminal) async throws -> Int32 {
    let lock = try OwnedLock(layout)
    guard let unfinished = try UnfinishedCeremony.read(layout) else {
      let settings = try Settings.read(layout)
      throw CommandFailure(.conflict, "no ceremony of \(settings.origin) is unfinished")
    }
    guard unfinished.state == .printed else { throw unfinished.refusal(layout) }
    try ProcessHardening.required()
    let settings = try Settings.readUnproven(layout)
    try await prove(layout, settings, lock, terminal)
    terminal.result(
      "\(settings.origin): every share is proven\n\nNext: callvault serve --data \(layout.root)",
      ["origin": .string(settings.origin), "data": .string(layout.root)])
    return ExitCode.success.rawValue
  }

  /// Has every share typed back, puts that on record, and lets the vault be one.
  private static func prove(
    _ layout: StorageLayout, _ settings: Settings, _ lock: OwnedLock, _ terminal: Terminal
  ) async throws {
    guard let unfinished = try UnfinishedCeremony.read(layout),
      let shares = try RootKeeper(layout, settings).ceremony
    else {
      throw CommandFailure(.damaged, "the key ring of \(layout.root) is not one of shares")
    }
    let ring: KeyRing
    do {
      ring = try Ceremony.prove(
        shares, pagesIn: unfinished.pages, { try Unsealing.open(layout, settings, with: $0) },
        SecretPrompt(terminal: terminal), terminal)
    } catch {
      terminal.note(unfinished.refusal(layout).sentence)
      throw error
    }
    let opened = try await OpenedVault(
      root: layout.root, lock: lock, settings: settings, ring: ring)
    do {
      try await record(ring, in: opened.log)
      try await opened.log.publish()
    } catch {
      await opened.close()
      throw error
    }
    await opened.close()
    try UnfinishedCeremony.remove(layout)
  }

  /// Says in the log who keeps the root key, and, of a ceremony, that its shares were proven.
  private static func record(_ ring: KeyRing, in log: AuditLog) async throws {
    let (custodian, kek) = (try ring.facts().custodian, try ring.facts().kekID)
    var draft = EntryDraft(.keyCreate, .single, by: log.system, on: [log.configuration.tenant])
    draft.outcome = .success
    draft.keyID = kek
    draft.commits[.rule] =
      Array("custodian \(custodian.kind)".utf8)
      + (custodian.kind == .shares ? [0x20] + custodian.reference : [])
    _ = try await log.record(draft)
  }

  private static func tokenSettings(
    _ arguments: Arguments
  ) throws(CommandFailure) -> TokenSettings? {
    let values = ["pkcs11-module", "pkcs11-token", "pin-file"].map { arguments.value($0) }
    guard let module = values[0], let name = values[1], let pin = values[2] else {
      guard values.allSatisfy({ $0 == nil }) else {
        throw CommandFailure(.usage, "--pkcs11-module, --pkcs11-token and --pin-file go together")
      }
      return nil
    }
    return TokenSettings(
      module: try absolutePath(module), token: name, pinFile: try absolutePath(pin))
  }

  /// A vault is made in an empty place: nothing that is there is ever taken over or replaced.
  private static func checkThatNothingIsThere(
    _ layout: StorageLayout, keys: String
  ) throws(CommandFailure) {
    guard MachineFacts.file(layout.configuration) == nil else {
      if let unfinished = try UnfinishedCeremony.read(layout) { throw unfinished.refusal(layout) }
      throw CommandFailure(
        .conflict, "a vault exists in \(layout.root) already; nothing was changed")
    }
    guard MachineFacts.file(keys + "/root.key") == nil else {
      throw CommandFailure(
        .conflict,
        "a root key exists in \(keys) already, which another vault needs; give another --keys, or remove "
          + "it if it is of an init that did not come to its end")
    }
    guard MachineFacts.file(layout.root) != nil else { return }
    do {
      let names = try Directory.names(in: layout.root, on: LinuxFileSystem())
      guard names.allSatisfy({ $0 == "lost+found" }) else {
        guard MachineFacts.file(layout.keys) == nil else {
          throw CommandFailure(.usage, Settings.missing(layout))
        }
        throw CommandFailure(
          .usage, "\(layout.root) is not empty; name a folder that is, or one that does not exist")
      }
    } catch let failure as CommandFailure {
      throw failure
    } catch {
      throw CommandFailure(.usage, "\(layout.root) is no folder that you may read: \(error)")
    }
  }

  private static func warn(
    _ layout: StorageLayout, _ settings: Settings, _ terminal: Terminal
  ) {
    if let data = MachineFacts.file(layout.root), let keys = MachineFacts.file(settings.keys),
      data.device == keys.device
    {
      terminal.note(
        "Warning: root.key lies on the volume of the data (\(settings.keys)). Whoever takes the "
          + "volume takes both; move it and set `keys` in callvault.yaml.")
    }
  }

  static func asset(_ asset: callvault_asset) -> [UInt8] {
    unsafe Array(UnsafeBufferPointer(start: asset.bytes, count: asset.length))
  }

  private static func machineName() throws(CommandFailure) -> String {
    var name = [CChar](repeating: 0, count: 256)
    guard unsafe gethostname(&name, name.count - 1) == 0 else { return "localhost" }
    let text = String(
      decoding: name.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self
    ).lowercased()
    return isHostName(text) ? text : "localhost"
  }

  private static func isHostName(_ name: String) -> Bool {
    (1...200).contains(name.utf8.count)
      && name.split(separator: ".", omittingEmptySubsequences: false).allSatisfy { label in
        (1...63).contains(label.utf8.count) && label.first != "-" && label.last != "-"
          && label.utf8.allSatisfy {
            (0x30...0x39).contains($0) || (0x61...0x7A).contains($0) || $0 == 0x2D
          }
      }
  }

  /// A path that means the same from every directory.
  private static func absolutePath(_ path: String) throws(CommandFailure) -> String {
    guard let resolved = unsafe realpath(path, nil) else {
      throw CommandFailure(.usage, "\(path): \(UserFile.reason(errno))")
    }
    defer { unsafe free(resolved) }
    return unsafe String(cString: resolved)
  }
}
