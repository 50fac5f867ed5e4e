import Audit
import Drivers
import Encoding
import Vault

/// `audit prune`: removes what the log has kept long enough.
enum AuditPruneCommand {
  static let prune = Command(
    name: "audit prune",
    summary: "remove entries older than ten years from the log, for ever",
    options: [
      .value("before", "N|DATE", "entries below this index, or before this day", required: true),
      .value("keys", "DIR", "the folder of root.key; else as in callvault.yaml"),
      .value("passphrase-file", "FILE", "the passphrase, if the vault was made with one"),
      .value(
        "token-file", "FILE", "an administrator's token, if you are not the user who ran init"),
    ],
    examples: [
      ("callvault audit prune --before 2016-01-01", "whole bundles of 256 entries below that day")
    ],
    discussion: [
      "Stop the service first. An entry says beforehand what goes and who asked: the user who ran init, "
        + "or the holder of the token. What is left verifies as before, with the note `pruned`; nothing "
        + "brings back what went.",
      "Refused while an entry is younger than ten years, is of a call that is younger, or is an "
        + "intent without an outcome, and while the machine's clock is not in step.",
    ]
  ) { arguments, terminal in
    let layout = StorageLayout(root: try dataDirectory(arguments))
    let lock = try OwnedLock(layout)
    let settings = try Settings.read(layout)
    let opened = try await OpenedVault(
      root: layout.root, keys: arguments.value("keys"),
      passphraseFile: arguments.value("passphrase-file"), lock: lock, settings: settings)
    do {
      let index = try await index(arguments.required("before"), in: opened.log)
      let left = try await opened.vault.pruneLog(
        before: index, as: try await LocalCaller.prove(arguments, to: opened.vault))
      await opened.close()
      terminal.result("entries below \(left) are gone", ["minimum": .integer(left)])
      return ExitCode.success.rawValue
    } catch let refusal as PruningRefusal {
      await opened.close()
      throw CommandFailure(.conflict, sentence(refusal))
    } catch {
      await opened.close()
      throw error
    }
  }

  private static func index(_ text: String, in log: AuditLog) async throws -> Int64 {
    if let index = Int64(text), index >= 0 { return index }
    guard let day = Timestamp(rfc3339: text + "T00:00:00.000Z") else {
      throw CommandFailure(.usage, "--before must be an index or a day such as 2016-01-01")
    }
    return try await log.index(before: day) ?? 0
  }

  private static func sentence(_ refusal: PruningRefusal) -> String {
    let reason =
      switch refusal {
      case .nothingToPrune: "no whole bundle of 256 entries below that is left to remove"
      case .tooYoung(let index, let until): "entry \(index) must stay until \(until.rfc3339)"
      case .held(let object): "what was logged about \(object) must stay"
      case .openIntent(let index): "entry \(index) is an intent without an outcome"
      case .clockUnsound: "the machine's clock is not in step, so no age is sure"
      }
    return "nothing was removed: \(reason)"
  }
}
