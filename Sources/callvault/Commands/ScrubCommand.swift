import Encoding
import Vault

/// `scrub`: whether what is stored is still what was stored.
enum ScrubCommand {
  static let scrub = Command(
    name: "scrub",
    summary: "look at every stored object, and mend what is damaged from the backup",
    options: [
      .flag("now", "a whole pass now, as fast as it goes"),
      .value("level", "N", "1: there with its length; 2: its SHA-256; 3: every segment opens"),
    ] + BackupCommands.keyOptions + Command.client,
    examples: [
      ("callvault scrub", "how far the pass of these 30 days has come, and what it found"),
      ("callvault scrub --now --level 2", "compare every digest; needs no key"),
    ],
    exitCodes: [
      (0, "nothing is damaged"), (1, "a fault of the program, the machine or the connection"),
      (2, "wrong usage"), (4, "not allowed"), (5, "another one is running"),
      (7, "something is damaged and has no second copy; each is listed"),
    ],
    discussion: [
      "The service does this by itself, slowly, within 30 days (`backup: { scrub_days: … }`). A damaged "
        + "object is replaced by that of the backup in callvault.yaml, after an entry in the log."
    ]
  ) { arguments, terminal in
    var level = ScrubLevel.tags
    if let text = arguments.value("level") {
      guard arguments.has("now") else {
        throw CommandFailure(.usage, "--level goes with --now")
      }
      guard let chosen = Int(text).flatMap({ ScrubLevel(rawValue: $0) }) else {
        throw CommandFailure(.usage, "--level must be 1, 2 or 3")
      }
      level = chosen
    }
    let state: JSONObject
    if arguments.has("now") {
      state = try await MaintenanceClient(arguments: arguments, terminal: terminal).run(
        .scrub(level), path: "/v1/maintenance/scrubs",
        body: ["level": .integer(Int64(level.rawValue))])
    } else {
      let client = try ServiceClient(arguments, administers: true)
      guard let scrub = try await client.get("/v1/maintenance").object()["scrub"]?.object else {
        terminal.result("no object was looked at yet", ["examined": .integer(0)])
        return ExitCode.success.rawValue
      }
      state = scrub
    }
    let damaged = state["damaged"]?.array?.compactMap(\.string) ?? []
    func count(_ name: String) -> Int64 { state[name]?.integer ?? 0 }
    terminal.result(
      (damaged.map { "damaged  \($0)" }
        + [
          "\(count("examined")) objects looked at (\(count("examined_bytes")) bytes) since "
            + "\(state["pass_began"]?.string ?? "")"
            + (state["pass_finished"]?.bool == true ? ", all of them" : "")
            + "; \(count("repaired")) repaired, \(damaged.count) damaged"
        ]).joined(separator: "\n"), state)
    return damaged.isEmpty ? ExitCode.success.rawValue : ExitCode.damaged.rawValue
  }
}
