import Audit
import Drivers
import Encoding
import Vault

/// `keys expire`: erases what commitments stand for, once the log has kept it long enough.
enum KeysExpireCommand {
  static let expire = Command(
    name: "keys expire",
    summary: "destroy the keys of openings that the log has kept for ten years",
    options: [
      .value("keys", "DIR", "the folder of root.key; else as in callvault.yaml"),
      .value("passphrase-file", "FILE", "the passphrase, if the vault was made with one"),
    ],
    examples: [("callvault keys expire", "once a month, with the service stopped")],
    discussion: [
      "What clients sent and what would reveal something lies beside the log, sealed under a key for "
        + "each month. When a month's key goes, nobody can read it any more, and every proof of the log "
        + "holds. An entry says so first; `audit verify --openings` counts what it erased.",
      "A month stays while one of its entries is younger than ten years, or names what is held, and "
        + "while the machine's clock is not in step.",
    ]
  ) { arguments, terminal in
    let erasures = try await OpenedVault.stopped(arguments, terminal) { opened in
      try await opened.vault.eraseExpiredOpenings()
    }
    let lines = erasures.map { erasure in
      switch erasure.result {
      case .success(let entries):
        "\(erasure.month): destroyed; \(entries) entries had openings under it"
      case .failure(let refusal): "\(erasure.month): stays: \(reason(refusal))"
      }
    }
    let stayed = erasures.count { if case .failure = $0.result { true } else { false } }
    terminal.result(
      lines.isEmpty ? "no month is over" : lines.joined(separator: "\n"),
      [
        "destroyed": .integer(Int64(erasures.count - stayed)),
        "months": .array(erasures.map { .object(json($0)) }),
      ])
    return (stayed == 0 ? ExitCode.success : .conflict).rawValue
  }

  private static func json(_ erasure: Vault.OpeningErasure) -> JSONObject {
    var members: JSONObject = [
      "month": .string(erasure.month), "key_id": .string(erasure.key.description),
    ]
    switch erasure.result {
    case .success(let entries): members["entries"] = .integer(entries)
    case .failure(let refusal): members["stays"] = .string(reason(refusal))
    }
    return members
  }

  private static func reason(_ refusal: PruningRefusal) -> String {
    switch refusal {
    case .nothingToPrune: "there is nothing to erase"
    default: refusal.sentence
    }
  }
}
