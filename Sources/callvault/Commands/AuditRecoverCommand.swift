import Audit
import Drivers
import Encoding
import Host
import Service
import Threading
import Vault

/// `audit recover`: begins a new log where the old one was cut or contradicted for good.
enum AuditRecoverCommand {
  static let recover = Command(
    name: "audit recover",
    summary: "begin a new log after a start refused: behind-anchor, forked",
    options: [
      .value("reason", "TEXT", "why; the log commits to it, and keeps it sealed", required: true),
      .value("root-key", "FILE", "the log's root key, brought here for this", required: true),
      .value(
        "anchor", "FILE", "a head that somebody kept; may be repeated. Others come from anchors",
        repeated: true),
      .flag("keep-tokens", "let tokens live; else all end, for some may have been revoked since"),
      .value("keys", "DIR", "the folder of root.key; else as in callvault.yaml"),
      .value("passphrase-file", "FILE", "the passphrase, if the vault was made with one"),
    ],
    examples: [
      (
        "callvault audit recover --root-key /mnt/stick/log-root.key --reason 'disk died, backup of Monday'",
        "when the newer data is lost for good"
      )
    ],
    discussion: [
      "Bring back the newer data if there is any: what is lost here is lost for ever, and every check of "
        + "the new log says so. The old log stays in DATA/earlier/N/log, and verifies as before. Calls "
        + "that were opened in what is lost are possibly disclosed.",
      "The new log has a new name and new verifier keys, which are printed: give them to your auditors "
        + "and witnesses, and put them into the policy file. Interrupted, it is held again.",
      "Where the root key was shared out, its keepers come and type their shares, one after the other; they "
        + "are not shown. A token is plugged in, with its PIN where callvault.yaml says.",
    ]
  ) { arguments, terminal in
    let reason = try arguments.required("reason")
    guard (1...Commitment.maximumValueLength).contains(reason.utf8.count) else {
      throw CommandFailure(
        .usage, "--reason must be text of 1 to \(Commitment.maximumValueLength) bytes")
    }
    let layout = StorageLayout(root: try dataDirectory(arguments))
    let lock = try OwnedLock(layout)
    let settings = try Settings.read(layout)
    guard MachineFacts.user == settings.administrator else {
      throw CommandFailure(.refused, "only the user who ran init may hold this ceremony")
    }
    let keeper = try RootKeeper(layout, settings, arguments)
    let ring = try await UnsealingHere(layout, settings, keeper, terminal).ring()
    let catalog = try SQLiteCatalog(layout.catalog)
    try await LogSwitch.finish(layout, catalog: catalog)
    let clock = SystemClock()
    let signer = try NoteSigner(name: settings.origin, seed: ring.logSigningSeed())
    let heads = try await heads(
      of: signer.verifierKey, arguments.all("anchor"), settings, layout, clock: clock)
    let ceremony = try RecoveryCeremony(
      layout, settings.logConfiguration(), ring: ring, catalog: catalog,
      blobs: FileBlobStore(root: layout.objects), clock: clock)
    let outcome = try await ceremony.hold(
      because: reason, by: MachineFacts.user, rootFile: arguments.required("root-key"),
      anchors: heads, endsTokens: !arguments.has("keep-tokens"))
    do {
      let origin = outcome.note.log.name
      try UnsealingLog.certify(
        with: LogRootFile.signer(in: arguments.required("root-key"), for: origin), layout,
        origin: origin)
    } catch {
      // The new log is the log by now, whatever comes of this.
      terminal.note(
        "Nobody vouches for this machine's log of attempts to unseal (\(CommandFailure.chain(error))): "
          + "callvault keys certify")
    }
    withExtendedLifetime(lock) {}
    tell(outcome, settings, terminal)
    return ExitCode.success.rawValue
  }

  /// What the anchors of the settings hold, and what was given.
  private static func heads(
    of key: VerifierKey, _ given: [String], _ settings: Settings, _ layout: StorageLayout,
    clock: any WallClock
  ) async throws -> [VerifiedCheckpoint] {
    var heads: [VerifiedCheckpoint] = []
    for path in given {
      let bytes = try UserFile.whole(path, limit: 65_536)
      do {
        heads.append(try VerifiedCheckpoint(SignedNote(parsing: bytes), key: key))
      } catch {
        throw CommandFailure(.usage, "\(path) is no head that this log signed")
      }
    }
    let outside = try settings.anchors.map { try OutsideAnchors(layout, $0, clock: clock) }
    let found = await outside?.found(of: key) ?? OutsideAnchors.Found()
    // What the new log says of the loss stays for ever: it must not be less than what is known.
    guard found.alarms.isEmpty || !given.isEmpty else {
      let names = found.alarms.map { "\($0.anchor): \($0.cause)" }.joined(separator: "; ")
      throw CommandFailure(
        .conflict,
        "anchors could not be asked (\(names)); see that they can, or bring the newest head that they "
          + "hold with --anchor FILE")
    }
    return heads + found.heads
  }

  private static func tell(
    _ outcome: RecoveryCeremony.Outcome, _ settings: Settings, _ terminal: Terminal
  ) {
    let (note, carried) = (outcome.note, outcome.carried)
    terminal.note("\(note.loss): whatever was opened in them is possibly disclosed.")
    if carried.openIntents > 0 {
      terminal.note("\(carried.openIntents) attempts without an outcome were closed.")
    }
    if carried.endedTokens > 0 {
      terminal.note("\(carried.endedTokens) tokens have ended: make new ones (token create).")
    }
    if settings.anchors?.policy != nil {
      terminal.note(
        "Witnesses must learn the new verifier key (witness add-log), and so must the policy's `log` line."
      )
    }
    terminal.result(
      "origin        \(note.log.name)\nverifier key  \(note.log)\nroot key      \(note.root)\n"
        + "the old log   earlier/\(outcome.number)/log",
      [
        "origin": .string(note.log.name), "verifier_key": .string(note.log.description),
        "root_key": .string(note.root.description),
        "old_verifier_key": .string(note.old.description),
        "anchored_size": .integer(note.anchored.size), "kept_size": .integer(note.kept.size),
        "loss": .string(note.loss), "earlier": .integer(outcome.number),
        "carried": .object([
          "identities": .integer(Int64(carried.identities)),
          "patients": .integer(Int64(carried.patients)), "links": .integer(Int64(carried.links)),
          "tokens_ended": .integer(Int64(carried.endedTokens)),
          "open_intents": .integer(Int64(carried.openIntents)),
        ]),
      ])
  }
}
