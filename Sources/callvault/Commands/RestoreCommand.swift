import Audit
import Drivers
import Encoding
import Host
import Vault

/// `restore`: a data directory from a backup, or a drill that shows that there would be one.
enum RestoreCommand {
  static let restore = Command(
    name: "restore",
    summary: "make a data directory of a backup, or drill it",
    operands: [
      Operand(
        name: "DIR", summary: "the backup's folder; a drill takes that of callvault.yaml",
        isOptional: true)
    ],
    options: [
      .value("key", "VKEY", "the log's verifier key, known by another way than the folder"),
      .flag("drill", "restore aside, open a sample, remove it again, and write a certificate"),
      .value("sample", "N", "recordings that a drill opens; 25 if not given"),
      .value("aside", "DIR", "where a drill restores; else beside the data directory"),
    ] + BackupCommands.keyOptions + Command.client,
    examples: [
      (
        "callvault restore /mnt/backup --data /var/lib/callvault",
        "after a loss; says what comes next"
      ),
      (
        "callvault restore /mnt/backup --drill --sample 100 --data /var/lib/callvault",
        "with the service running"
      ),
    ],
    discussion: [
      "A restore writes to a folder that is empty or not there, and never over a vault. Each file is "
        + "held against the manifest, and the log is verified, before anything is opened.",
      "A drill needs the running vault or its keys: what it opens is in the log.",
    ]
  ) { arguments, terminal in
    if arguments.has("drill") { return try await drill(arguments, terminal) }
    for name in ["sample", "aside"] where arguments.value(name) != nil {
      throw CommandFailure(.usage, "--\(name) goes with --drill")
    }
    guard let folder = arguments.operand(0) else {
      throw CommandFailure(.usage, "DIR is missing: the backup's folder")
    }
    let data = try dataDirectory(arguments)
    let key = try BackupCommands.verifierKey(arguments)
    let restore = BackupRestore(
      try absolute(folder), to: try absolute(data), key: key)
    let report = try await LogVerifier(key: key).verify(try restore.log())
    switch report.verdict {
    case .intact, .unanchored, .stale: break
    default: throw CommandFailure(.damaged, "the backup's log: \(report.sentence)")
    }
    let restored = try restore.run()
    let layout = StorageLayout(root: data)
    let settings = try Settings.read(layout)
    let contents = restored.note.contents
    let next = nextSteps(layout, settings)
    terminal.result(
      ([
        "\(data): \(contents.recordings) recordings, log of \(contents.head.size) entries, as of "
          + restored.note.time.rfc3339
      ] + next.map { "next   \($0)" }).joined(separator: "\n"),
      [
        "data": .string(data), "set": .integer(restored.note.set),
        "recordings": .integer(contents.recordings), "lost": .integer(contents.lost),
        "log_size": .integer(contents.head.size), "time": .string(restored.note.time.rfc3339),
        "next": .array(next.map { .string($0) }),
      ])
    if key == nil {
      terminal.note("callvault: no key was given, so nobody vouches for who made this backup")
    }
    return ExitCode.success.rawValue
  }

  private static func nextSteps(_ layout: StorageLayout, _ settings: Settings) -> [String] {
    var steps = [bringRoot(layout, settings)]
    if MachineFacts.file(layout.keys + "/ring") == nil {
      steps.append(
        "the key ring is not in the backup: bring the newest copy of it, to \(layout.keys)/ring if "
          + "callvault.yaml names no place for it")
    }
    steps += [
      "callvault doctor --data '\(layout.root)', then start the service; callvault unseal, if it is "
        + "sealed",
      "if it says behind-anchor, entries were logged after this backup: callvault audit recover",
      "callvault keys certify --root-key FILE: the log's daily key is a new one",
    ]
    return steps
  }

  /// How the root key comes to the restored directory; the ring says who keeps it, where there is a ring.
  private static func bringRoot(_ layout: StorageLayout, _ settings: Settings) -> String {
    let elsewhere = "correct the paths in callvault.yaml if this is another machine"
    // A ring that cannot be read here is told by the start; this only says more where it can.
    switch try? RootKeeper(layout, settings).kindName {
    case "shares":
      return "have the keepers of the shares come: each gives theirs to the started service, with "
        + "callvault unseal"
    case "token": return "plug the token in, and bring its PIN's file; \(elsewhere)"
    case "passphrase":
      return "bring the passphrase's file to where callvault.yaml says; \(elsewhere)"
    default:
      return "bring the root key to \(settings.keys) (or the passphrase's file, the keepers of "
        + "the shares, the token); \(elsewhere)"
    }
  }

  private static func drill(_ arguments: Arguments, _ terminal: Terminal) async throws -> Int32 {
    let folder = try arguments.operand(0).map { try absolute($0) }
    let aside = try arguments.value("aside").map { try absolute($0) }
    var sample: Int64 = 25
    if let text = arguments.value("sample") {
      guard let number = Int64(text), (1...100_000).contains(number) else {
        throw CommandFailure(.usage, "--sample must be a number from 1 to 100000")
      }
      sample = number
    }
    var body: JSONObject = ["sample": .integer(sample)]
    if let folder { body["folder"] = .string(folder) }
    if let aside { body["aside"] = .string(aside) }
    let run = try await MaintenanceClient(arguments: arguments, terminal: terminal).run(
      .drill(folder: folder, aside: aside, sample: Int(sample)), path: "/v1/maintenance/drills",
      body: body)
    func count(_ name: String) -> Int64 { run[name]?.integer ?? 0 }
    terminal.result(
      "restored and opened \(count("opened")) of \(count("sample")) recordings in "
        + "\(count("milliseconds")) ms"
        + (count("purged") > 0 ? ", \(count("purged")) purged since were not opened" : "")
        + "; certificate: \(run["certificate_file"]?.string ?? "")", run)
    guard count("damaged") == 0 else {
      throw CommandFailure(.damaged, "\(count("damaged")) recordings do not open; callvault scrub")
    }
    return ExitCode.success.rawValue
  }
}
