import Audit
import Drivers
import Durable
import Encoding
import Host
import Service
import Vault

/// `keys status`, `keys root`, `keys certify`: the keys that sign the log beside its own.
enum LogKeyCommands {
  static let status = Command(
    name: "keys status",
    summary: "show all keys: the ring's epochs and what hangs on them, and the log's",
    options: BackupCommands.keyOptions + Command.client,
    examples: [("callvault keys status", "how old keys are, and what destroying them would prove")],
    discussion: [
      "Reads DATA/log/keyring, which holds no secret, and asks the running service for the ring. Where none "
        + "runs, the vault is opened for this, which its log says; of shares no keeper is asked to come."
    ]
  ) { arguments, terminal in
    let layout = StorageLayout(root: try dataDirectory(arguments))
    let keyring = try readKeyring(layout)
    guard let root = keyring.epochs.last?.epoch.rootKey else { return ExitCode.internal.rawValue }
    let certified = keyring.certified(by: root)
    let newest = keyring.epochs.indices.suffix(10)
    var lines = ["log   \(keyring.logKey)", "root  \(root)"]
    lines += newest.map { number in
      let window = keyring.window(of: number)
      let end = window.upperBound == .max ? "now" : "\(window.upperBound)"
      return "epoch \(number): heads of \(window.lowerBound) to \(end) entries, "
        + (certified[number] ? "certified" : "not certified: run keys certify")
    }
    if newest.count < keyring.epochs.count {
      lines.append("\(keyring.epochs.count - newest.count) older epochs are not shown")
    }
    let ring = try await ring(layout, arguments, terminal)
    switch ring {
    case .known(let status): lines = KeyCommands.lines(of: status) + lines
    case .unknown(let reason): lines.insert("ring  unknown: \(reason)", at: 0)
    }
    var document: JSONObject = [
      "log": .string(keyring.logKey.description), "root": .string(root.description),
      "epochs": .array(
        keyring.epochs.indices.map { number in
          var members: JSONObject = [
            "number": .integer(Int64(number)), "certified": .bool(certified[number]),
            "from": .integer(keyring.window(of: number).lowerBound),
          ]
          if number + 1 < keyring.epochs.count {
            members["to"] = .integer(keyring.window(of: number).upperBound)
          }
          return .object(members)
        }),
    ]
    if case .known(let status) = ring { document["ring"] = .object(status) }
    terminal.result(lines.joined(separator: "\n"), document)
    return ExitCode.success.rawValue
  }

  /// What is known of the ring; the log's keys are known all the same.
  private enum RingStatus {
    case known(JSONObject)
    case unknown(String)
  }

  private static func ring(
    _ layout: StorageLayout, _ arguments: Arguments, _ terminal: Terminal
  ) async throws -> RingStatus {
    do throws(any Error) {
      // Whoever may not have the directory asks the service, which says what lacks.
      guard arguments.value("server") == nil, let lock = try? OwnedLock(layout) else {
        let client = try ServiceClient(arguments, administers: true)
        return .known(try await client.get("/v1/keys").object())
      }
      let settings = try Settings.read(layout)
      guard try RootKeeper(layout, settings, arguments).kind != .shares else {
        return .unknown("no service is running, and its keepers are not asked to come for this")
      }
      return try await OpenedVault.stopped(
        arguments, terminal, lock: lock, settings: settings
      ) { opened in
        let caller = try await LocalCaller.prove(arguments, to: opened.vault)
        return .known(try await opened.vault.keyStatus(as: caller).json)
      }
    } catch let failure as CommandFailure where failure.code == .sealed {
      return .unknown("the vault is sealed")
    } catch let error as VaultError where error.code == .sealed {
      return .unknown("no service is running, and the vault is sealed: \(error.detail ?? "")")
    }
  }

  static let certify = Command(
    name: "keys certify",
    summary: "sign the log's newest epoch, and this machine's log of attempts, with the root key",
    options: [
      .value("root-key", "FILE", "the log's root key, brought here for this", required: true)
    ],
    examples: [
      (
        "callvault keys certify --root-key /mnt/stick/log-root.key",
        "once a year, and after a restore or a lost epoch key"
      )
    ],
    discussion: [
      "A running service takes the signature up within a minute, a stopped one at its next start: an "
        + "entry of the log says so first. Take the file away again after."
    ]
  ) { arguments, terminal in
    let layout = StorageLayout(root: try dataDirectory(arguments))
    let settings = try Settings.read(layout)
    let root = try LogRootFile.signer(
      in: arguments.required("root-key"), for: settings.origin)
    let epoch = try LogRootFile.certify(with: root, layout)
    // A restored machine has another key for its log of attempts.
    try UnsealingLog.certify(with: root, layout, origin: settings.origin)
    let what =
      epoch.map { "signed epoch \($0.number), which begins at \($0.firstSize) entries" }
      ?? "the root signed the newest epoch before"
    var answer = JSONObject()
    answer["signed"] = .bool(epoch != nil)
    if let epoch { answer["epoch"] = .integer(epoch.number) }
    terminal.result(what, answer)
    return ExitCode.success.rawValue
  }

  static let makeRoot = Command(
    name: "keys root",
    summary: "make a root key for a log that has none, or whose root key was lost",
    options: [.value("root-key", "FILE", "the file to make", required: true)],
    examples: [
      (
        "callvault keys root --root-key /mnt/stick/log-root.key",
        "then start the service, then keys certify"
      )
    ],
    discussion: [
      "Prints the root's verifier key: give it to whoever audits you, by another way than this "
        + "machine. A log without epochs begins its first one at the next start; otherwise the next "
        + "epoch is under the new root."
    ]
  ) { arguments, terminal in
    let layout = StorageLayout(root: try dataDirectory(arguments))
    let settings = try Settings.read(layout)
    let root = try LogRootFile.make(
      arguments.required("root-key"), for: settings.origin, in: layout)
    let key = root.verifierKey.description
    terminal.result("root key  \(key)", ["root_key": .string(key)])
    return ExitCode.success.rawValue
  }

  private static func readKeyring(_ layout: StorageLayout) throws(CommandFailure) -> Keyring {
    let bytes: [UInt8]
    do {
      bytes = try AtomicFile.read(
        layout.log + "/" + Keyring.path, limit: Keyring.maximumByteCount, on: LinuxFileSystem())
    } catch {
      throw CommandFailure(
        error.code == .notFound ? .notFound : .internal,
        error.code == .notFound
          ? "this log has no keyring; make a root key with: callvault keys root"
          : "the keyring cannot be read: \(error)")
    }
    do {
      return try Keyring(parsing: bytes)
    } catch {
      throw CommandFailure(.damaged, "log/keyring is no keyring: \(error)")
    }
  }
}
