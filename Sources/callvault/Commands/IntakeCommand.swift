import Encoding

/// `intake status`: how the watched folders go.
enum IntakeCommand {
  static let status = Command(
    name: "intake status",
    summary: "how the watched folders go: what waits, what was taken, what lies in quarantine",
    options: Command.client,
    examples: [("callvault intake status --json", "for a monitoring system")],
    discussion: [
      "Folders are set in callvault.yaml under `intake`. Counts are since the service started; "
        + "Documentation/formats/intake.md explains the reasons of a quarantine."
    ]
  ) { arguments, terminal in
    let client = try ServiceClient(arguments, administers: true)
    let answer = try await client.get("/v1/intake").object()
    let folders = answer["folders"]?.array?.compactMap { $0.object } ?? []
    let lines = folders.map { folder in
      func count(_ name: String) -> String {
        folder[name]?.integer.map(String.init) ?? "unknown"
      }
      let reasons = folder["quarantined"]?.object?.members
        .map { "\($0.key) \($0.value.integer ?? 0)" }
      return [
        folder["source"]?.string ?? "", folder["state"]?.string ?? "",
        "waiting \(count("waiting"))", "retrying \(count("retrying"))",
        "taken \(count("taken"))", "in quarantine \(count("in_quarantine"))",
      ].joined(separator: "  ")
        + (reasons.map { $0.isEmpty ? "" : "  (\($0.joined(separator: ", ")))" } ?? "")
    }
    terminal.result(
      folders.isEmpty ? "no folder is watched" : lines.joined(separator: "\n"), answer)
    return ExitCode.success.rawValue
  }
}
