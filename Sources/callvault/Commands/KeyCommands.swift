import Encoding

/// `keys rotate`, `keys ratchet`: epochs of key-encryption keys, begun and destroyed by the service.
enum KeyCommands {
  static let rotate = Command(
    name: "keys rotate",
    summary: "begin a new epoch of keys, and wrap every key again under it",
    options: [.flag("no-wait", "return when the new key is kept everywhere")] + Command.client,
    examples: [("callvault keys rotate", "once a year, or when a key may have been seen")],
    discussion: [
      "The service goes on as before: no recording is touched, and old keys stay until the next "
        + "ratchet. Interrupted, it goes on at the next start."
    ]
  ) { arguments, terminal in
    try await carryOut("/v1/keys/rotations", arguments, terminal)
  }

  static let ratchet = Command(
    name: "keys ratchet",
    summary: "destroy the keys of everything that was purged",
    options: [.flag("no-wait", "return when it has begun")] + Command.client,
    examples: [("callvault keys ratchet", "after a purge; or set ratchet_days in callvault.yaml")],
    discussion: [
      "A new epoch begins, survivors are brought over and opened, and the old epochs are destroyed in "
        + "every place of the ring and its anchors. Nothing is destroyed while a place is out of "
        + "reach, a live key hangs on an old epoch, or a hold came after a purge.",
      "Without anchors in two places it ends with: access removed, erasure not proven.",
    ]
  ) { arguments, terminal in
    try await carryOut("/v1/keys/ratchets", arguments, terminal)
  }

  private static func carryOut(
    _ path: String, _ arguments: Arguments, _ terminal: Terminal
  ) async throws -> Int32 {
    let client = try ServiceClient(arguments, administers: true)
    var run = try await client.post(path).object()
    let id = try run.requiredString("id")
    while run["state"]?.string == "running", !arguments.has("no-wait") {
      try await Task.sleep(for: .milliseconds(200))
      let status = try await client.get("/v1/keys").object()
      guard let now = status["run"]?.object, now["id"]?.string == id else {
        throw CommandFailure(
          .internal, "the service has started anew meanwhile; callvault keys status tells how it is"
        )
      }
      run = now
    }
    let outcome = run["outcome"]?.string ?? "begun"
    guard run["state"]?.string != "failed" else {
      for key in (run["stuck"]?.array ?? []).compactMap({ $0.object }).prefix(10) {
        terminal.note(
          "does not open: the key of \(key["kind"]?.string ?? "") \(key["id"]?.string ?? "")")
      }
      throw CommandFailure(.conflict, outcome)
    }
    if let damaged = run["damaged_count"]?.integer, damaged > 0 {
      terminal.note(
        "\(damaged) calls have an object that does not open; their keys were kept: "
          + (run["damaged"]?.array ?? []).compactMap { $0.string }.prefix(10)
          .joined(separator: ", "))
    }
    terminal.result(outcome, run)
    return ExitCode.success.rawValue
  }

  /// What `keys status` says of the ring, from the running service.
  static func lines(of status: JSONObject) -> [String] {
    var lines = [
      "ring  generation \(status["generation"]?.integer ?? 0), custodian "
        + "\(status["custodian"]?.string ?? "") (destroying means: "
        + "\(status["destruction"]?.string ?? ""))"
    ]
    for epoch in status["epochs"]?.array?.compactMap({ $0.object }) ?? [] {
      let created = epoch["created"]?.string ?? ""
      let period =
        epoch["wrapped_until"]?.string.map { "wrapped from \(created) to \($0)" }
        ?? "wraps since \(created)"
      let (keys, own) = (epoch["keys"]?.integer ?? 0, epoch["ring_keys"]?.integer ?? 0)
      lines.append(
        "key epoch \(epoch["epoch"]?.integer ?? 0): \(period); "
          + (keys + own == 0
            ? "nothing hangs on it, and the next ratchet destroys it"
            : "\(keys) keys of calls and patients and \(own) of the ring hang on it"))
    }
    if let purged = status["purged"]?.object {
      lines.append(
        "purged: \(purged["access_removed"]?.integer ?? 0) wait for a ratchet, "
          + "\(purged["keys_destroyed"]?.integer ?? 0) have lost their keys here, of which "
          + "\(purged["cryptographically_erased"]?.integer ?? 0) are cryptographically erased")
    }
    if let excised = status["excised"]?.integer, excised > 0 {
      lines.append(
        "excised: the keys of \(excised) calls wait for a ratchet, which begins by itself "
          + "\(status["ratchet_due"]?.string ?? "")")
    }
    if let why = status["unproven"]?.string {
      lines.append("erasure is not proven: \(why)")
    } else {
      lines.append(
        "erasure is proven for keys made in epoch \(status["proven_from_epoch"]?.integer ?? 0) or later"
      )
    }
    lines.append("crypto  \(status["library"]?.string ?? "") seals; not a validated module")
    for parts in status["sealed"]?.array?.compactMap({ $0.object }) ?? [] {
      lines.append(
        "sealed by \(parts["by"]?.string ?? "a version that was not kept"): "
          + "\(parts["parts"]?.integer ?? 0) parts")
    }
    for trouble in status["troubles"]?.array?.compactMap({ $0.string }) ?? [] {
      lines.append("trouble: \(trouble)")
    }
    return lines
  }
}
