import Audit
import Drivers
import Encoding
import Vault

/// `backup`, `backup verify`: a second copy of everything but keys.
enum BackupCommands {
  static let keyOptions: [Option] = [
    .value("keys", "DIR", "the folder of root.key, where no service runs"),
    .value("passphrase-file", "FILE", "the passphrase, where no service runs and there is one"),
  ]

  static let make = Command(
    name: "backup",
    summary: "bring a backup up to date, beside the running service",
    operands: [
      Operand(name: "DIR", summary: "the folder; else `backup` in callvault.yaml", isOptional: true)
    ],
    options: keyOptions + Command.client,
    examples: [
      ("callvault backup /mnt/backup", "what is there already is not copied again"),
      ("callvault backup --json", "into the folder of callvault.yaml, for a timer"),
    ],
    discussion: [
      "Everything of one instant, ciphertext only; calls are stored and heard meanwhile. Until the "
        + "last step the former backup counts. Documentation/formats/backup.md says what is in it.",
      "It is of no use without root.key or the passphrase, which are never in it.",
    ]
  ) { arguments, terminal in
    let folder = try arguments.operand(0).map { try absolute($0) }
    var body = JSONObject()
    if let folder { body["folder"] = .string(folder) }
    let run = try await MaintenanceClient(arguments: arguments, terminal: terminal).run(
      .backup(folder: folder), path: "/v1/maintenance/backups", body: body)
    let lost = run["lost"]?.integer ?? 0
    func count(_ name: String) -> Int64 { run[name]?.integer ?? 0 }
    terminal.result(
      "set \(count("set")): \(count("recordings")) recordings, \(count("copied")) of them new "
        + "(\(count("copied_bytes")) bytes); log of \(count("log_size")) entries; manifest "
        + "\(run["manifest"]?.string ?? "")", run)
    // Only a reminder: where the data lies elsewhere, or its settings cannot be read, the backup is
    // made all the same.
    if let data = try? dataDirectory(arguments),
      let settings = try? Settings.read(StorageLayout(root: data)), settings.backupHoldsRing
    {
      terminal.note(
        "callvault: the sealed key ring is in the backup, because it has no second place: keep the "
          + "root key away from it")
    }
    guard lost == 0 else {
      throw CommandFailure(
        .damaged, "\(lost) recordings are damaged or missing and not in the backup; callvault scrub"
      )
    }
    return ExitCode.success.rawValue
  }

  static let verify = Command(
    name: "backup verify",
    summary: "read a whole backup and say what is wrong with it",
    operands: [Operand(name: "DIR", summary: "the backup's folder")],
    options: [
      .value("key", "VKEY", "the log's verifier key, known by another way than the folder")
    ],
    examples: [("callvault backup verify /mnt/backup --key \"$VKEY\"", "needs no other key")],
    exitCodes: [
      (0, "every file is what was written"), (1, "the folder cannot be read"),
      (2, "wrong usage"), (7, "something is missing, changed or not listed; each is named"),
    ],
    discussion: [
      "Without --key it says whether the backup agrees with itself; whoever can write there could have "
        + "made another. `sha256sum -c sets/N/MANIFEST.sha256` in the folder reads the same files."
    ]
  ) { arguments, terminal in
    let key = try verifierKey(arguments)
    let report = try await BackupCheck(try arguments.requiredOperand(0), key: key).run()
    var members: JSONObject = [
      "sound": .integer(report.sound), "findings": .array(report.findings.map { .string($0) }),
      "verdict": .string(report.isSound ? "sound" : "damaged"),
    ]
    if let note = report.note {
      members["set"] = .integer(note.set)
      members["recordings"] = .integer(note.contents.recordings)
      members["lost"] = .integer(note.contents.lost)
      members["time"] = .string(note.time.rfc3339)
      members["log_size"] = .integer(note.contents.head.size)
    }
    let facts = report.note.map { note in
      "set \(note.set) of \(note.time.rfc3339), \(note.contents.recordings) recordings, log of "
        + "\(note.contents.head.size) entries"
    }
    terminal.result(
      (report.findings.map { "wrong  \($0)" }
        + [
          report.isSound
            ? "sound: \(report.sound) files (\(facts ?? ""))"
            : "\(report.count) things are wrong (\(facts ?? "no BACKUP"))"
        ]).joined(separator: "\n"), members)
    if report.isSound, key == nil {
      terminal.note("callvault: no key was given, so nobody vouches for who made this backup")
    }
    return report.isSound ? ExitCode.success.rawValue : ExitCode.damaged.rawValue
  }

  static func verifierKey(_ arguments: Arguments) throws(CommandFailure) -> VerifierKey? {
    guard let text = arguments.value("key") else { return nil }
    guard let key = VerifierKey(text), key.type == .ed25519 else {
      throw CommandFailure(.usage, "--key must be the log's verifier key, as `init` printed it")
    }
    return key
  }
}
