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
    do {
      let left = try await OpenedVault.stopped(arguments, terminal) { opened in
        let index = try await index(arguments.required("before"), in: opened.log)
        return try await opened.vault.pruneLog(
          before: index, as: try await LocalCaller.prove(arguments, to: opened.vault))
      }
      terminal.result("entries below \(left) are gone", ["minimum": .integer(left)])
      return ExitCode.success.rawValue
    } catch let refusal as PruningRefusal {
      throw CommandFailure(.conflict, "nothing was removed: \(refusal.sentence)")
    }
  }

  private static func index(_ text: String, in log: AuditLog) async throws -> Int64 {
    if let index = Int64(text), index >= 0 { return index }
    guard let day = Timestamp(rfc3339: text + "T00:00:00.000Z") else {
      throw CommandFailure(.usage, "--before must be an index or a day such as 2016-01-01")
    }
    return try await log.index(before: day) ?? 0
  }

}

extension PruningRefusal {
  /// Why entries, or what they commit to, stay.
  var sentence: String {
    switch self {
    case .nothingToPrune: "no whole bundle of 256 entries below that is left to remove"
    case .tooYoung(let index, let until): "entry \(index) must stay until \(until.rfc3339)"
    case .held(let object): "what was logged about \(object) must stay"
    case .openIntent(let index): "entry \(index) is an intent without an outcome"
    case .clockUnsound: "the machine's clock is not in step, so no age is sure"
    }
  }
}
