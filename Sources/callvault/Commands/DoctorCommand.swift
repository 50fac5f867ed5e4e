import Adapters
import Audit
import Cryptography
import Drivers
import Durable
import Encoding
import HTTP
import Host
import Intake
import Threading
import Vault

/// `doctor`: looks at what no request sees, and says what to do about it.
enum DoctorCommand {
  static let doctor = Command(
    name: "doctor",
    summary: "check the machine, the data directory and what lies in it",
    options: [
      .value("keys", "DIR", "the folder of root.key; else as in callvault.yaml")
    ],
    examples: [
      ("callvault doctor --data /var/lib/callvault", "each check, and what to do"),
      ("callvault doctor --json", "for a monitoring system"),
    ],
    exitCodes: [
      (0, "nothing red"), (1, "something red; the data are whole"),
      (2, "wrong usage, or no vault there"),
      (7, "the catalog or the log is damaged"),
    ],
    discussion: [
      "Needs no service; tries whether the root key opens the key ring. While a service runs the "
        + "catalog is not read in depth."
    ]
  ) { arguments, terminal in
    let layout = StorageLayout(root: try dataDirectory(arguments))
    let settings = try Settings.read(layout)
    let keys = arguments.value("keys") ?? settings.keys
    var findings: [Finding] = []
    let isFree = lock(layout, &findings)
    permissions(layout, keys: keys, &findings)
    machine(&findings)
    certificate(layout, settings, &findings)
    space(layout, &findings)
    pieces(layout, &findings)
    let ring = rootKey(layout, settings, keys: keys, &findings)
    for folder in settings.intake { await intake(folder, &findings) }
    if isFree {
      await catalog(layout, ring, &findings)
    } else {
      findings.append(
        Finding(
          "catalog", .skipped, "a service runs, which reads it all the time",
          "to check every page, stop the service and run doctor again"))
    }
    let size = await log(layout, &findings)
    epochs(layout, keys: keys, &findings)
    await backup(layout, settings, &findings)
    await anchors(layout, settings, &findings)
    for sink in settings.sinks {
      SinkExamination.look(sink, layout, origin: settings.origin, size: size, &findings)
    }
    tell(findings, terminal)
    if findings.contains(where: { $0.state == .damaged }) { return ExitCode.damaged.rawValue }
    return findings.contains { $0.state == .red }
      ? ExitCode.internal.rawValue : ExitCode.success.rawValue
  }

  enum State: String {
    case good = "ok"
    case skipped
    case warning
    case red
    /// Red, and what is stored is not what was written.
    case damaged
  }

  struct Finding {
    let check: String
    let state: State
    let what: String
    /// What to do about it; nil where nothing is to be done.
    let remedy: String?

    init(_ check: String, _ state: State, _ what: String, _ remedy: String? = nil) {
      self.check = check
      self.state = state
      self.what = what
      self.remedy = remedy
    }
  }

  private static func tell(_ findings: [Finding], _ terminal: Terminal) {
    let width = findings.map { $0.check.count }.max() ?? 0
    let lines = findings.flatMap { finding -> [String] in
      let name = finding.check + String(repeating: " ", count: width - finding.check.count)
      let state = finding.state.rawValue
      let mark = state + String(repeating: " ", count: 8 - state.count)
      var lines = ["\(mark) \(name)  \(finding.what)"]
      if let remedy = finding.remedy {
        lines.append(String(repeating: " ", count: width + 11) + "do: \(remedy)")
      }
      return lines
    }
    let worst =
      findings.contains { [.red, .damaged].contains($0.state) }
      ? "red" : findings.contains { $0.state == .warning } ? "warning" : "ok"
    terminal.result(
      lines.joined(separator: "\n"),
      [
        "state": .string(worst),
        "findings": .array(
          findings.map { finding in
            var members = JSONObject()
            members["check"] = .string(finding.check)
            members["state"] = .string(finding.state.rawValue)
            members["what"] = .string(finding.what)
            if let remedy = finding.remedy { members["do"] = .string(remedy) }
            return .object(members)
          }),
      ])
  }

  // MARK: Checks

  /// - Returns: whether no other process has the directory.
  private static func lock(_ layout: StorageLayout, _ findings: inout [Finding]) -> Bool {
    do {
      _ = try OwnedLock(layout)
      findings.append(Finding("lock", .good, "free: no service runs on \(layout.root)"))
      return true
    } catch {
      guard error.code == .locked else {
        findings.append(Finding("lock", .red, error.sentence, "give the data to this user"))
        return false
      }
      findings.append(Finding("lock", .good, "held: a service runs on \(layout.root)"))
      return false
    }
  }

  private static func permissions(
    _ layout: StorageLayout, keys: String, _ findings: inout [Finding]
  ) {
    var open: [String] = []
    var foreign: [String] = []
    let owner = MachineFacts.file(layout.root)?.owner
    let paths = [
      layout.root, layout.configuration, layout.catalog, layout.objects, layout.journal,
      layout.openings, layout.keys, layout.keys + "/ring", layout.tls + "/key.pem", keys,
      keys + "/root.key",
    ]
    for path in paths {
      guard let file = MachineFacts.file(path) else { continue }
      // Below a private directory it does not matter; the directory and the key must be private.
      let mustBePrivate = path == layout.root || path == keys || path.hasSuffix(".key")
      if mustBePrivate, file.mode & 0o077 != 0 { open.append(path) }
      if let owner, file.owner != owner { foreign.append(path) }
    }
    if open.isEmpty, foreign.isEmpty {
      findings.append(Finding("permissions", .good, "only the owner reads data and keys"))
    }
    for path in open {
      findings.append(
        Finding("permissions", .red, "others may read \(path)", "chmod go= '\(path)'"))
    }
    for path in foreign {
      findings.append(
        Finding(
          "permissions", .warning, "\(path) belongs to another user than the data",
          "chown it to the service's user"))
    }
  }

  /// What a vault cannot be without: `serve` refuses it too, but at a worse time.
  private static func pieces(_ layout: StorageLayout, _ findings: inout [Finding]) {
    let missing = [layout.catalog, layout.journal, layout.objects, layout.keys + "/ring"]
      .filter { MachineFacts.file($0) == nil }
    for path in missing {
      findings.append(
        Finding("pieces", .damaged, "\(path) is missing", "restore it from the last backup"))
    }
  }

  private static func machine(_ findings: inout [Finding]) {
    let swaps = MachineFacts.swaps()
    let plain = swaps?.filter { $0.isEncrypted != true }.map { $0.name }
    switch plain {
    case nil:
      findings.append(
        Finding("swap", .warning, "the kernel does not tell", "look at /proc/swaps yourself"))
    case .some(let names) where names.isEmpty:
      findings.append(Finding("swap", .good, "none in clear"))
    case .some(let names):
      findings.append(
        Finding(
          "swap", .red,
          "not encrypted: \(names.joined(separator: ", ")); memory can reach the disk",
          "swapoff, or encrypt it with a random key (crypttab: /dev/urandom, swap)"))
    }
    switch MachineFacts.lockableMemory() {
    case nil: findings.append(Finding("locked memory", .good, "no limit"))
    case .some(let bytes) where bytes >= 64 << 20:
      findings.append(Finding("locked memory", .good, "\(bytes >> 20) MiB may be locked"))
    case .some(let bytes):
      findings.append(
        Finding(
          "locked memory", .warning,
          "only \(bytes >> 10) KiB may be locked, and other memory may be swapped",
          "LimitMEMLOCK=infinity in the unit, or `ulimit -l unlimited`"))
    }
    let clock = SystemClock().read()
    findings.append(
      clock.state == .synced
        ? Finding("clock", .good, "synchronised")
        : Finding(
          "clock", .warning, "not synchronised: entries say so, and auditors will ask",
          "run chrony or systemd-timesyncd"))
  }

  private static func certificate(
    _ layout: StorageLayout, _ settings: Settings, _ findings: inout [Finding]
  ) {
    let path = settings.certificate ?? layout.tls + "/certificate.pem"
    guard MachineFacts.file(path) != nil else {
      findings.append(
        settings.certificate == nil
          ? Finding("certificate", .good, "none yet; serve makes a self-signed one")
          : Finding("certificate", .red, "there is no \(path)", "put it there, or correct `tls`"))
      return
    }
    do {
      let pem = try AtomicFile.read(path, limit: 1 << 20, on: LinuxFileSystem())
      let expires = try Certificates(pem: pem).expiry()
      let days = (expires.milliseconds - SystemClock().read().milliseconds) / 86_400_000
      let remedy =
        settings.certificate == nil
        ? "remove \(layout.tls) and restart: another is made" : "renew it, then restart"
      switch days {
      case ..<0:
        findings.append(Finding("certificate", .red, "ended \(expires.rfc3339)", remedy))
      case ..<14:
        findings.append(
          Finding("certificate", .warning, "ends in \(days) days", remedy))
      default: findings.append(Finding("certificate", .good, "valid for \(days) days"))
      }
    } catch {
      findings.append(
        Finding(
          "certificate", .red, "\(path) cannot be read as a certificate", "replace it"))
    }
  }

  private static func space(_ layout: StorageLayout, _ findings: inout [Finding]) {
    guard let space = MachineFacts.space(at: layout.root), space.total > 0 else {
      findings.append(
        Finding("disk", .warning, "its space is not known", "look at df yourself"))
      return
    }
    let percent = space.available * 100 / space.total
    let text = "\(space.available >> 20) MiB free (\(percent) %)"
    switch (space.available >> 20, percent) {
    case (..<512, _):
      findings.append(
        Finding("disk", .red, text, "make room: without it nothing is stored or released"))
    case (_, ..<10):
      findings.append(Finding("disk", .warning, text, "make room or enlarge the volume"))
    default: findings.append(Finding("disk", .good, text))
    }
  }

  private static func intake(_ folder: IntakeSettings, _ findings: inout [Finding]) async {
    let place = MachineFacts.file(folder.path)
    guard let place else {
      findings.append(
        Finding(
          "intake", .red, "there is no \(folder.path)",
          "mount it, or correct `intake` in callvault.yaml"))
      return
    }
    let before = findings.count
    if !MachineFacts.mayChange(folder.path) {
      findings.append(
        Finding(
          "intake", .red, "this user may not remove files from \(folder.path)",
          "run doctor as the service's user; give that user the folder's rights to read, write and enter"
        ))
    }
    let parent = String(
      folder.quarantine.prefix(
        upTo: folder.quarantine.lastIndex(of: "/") ?? folder.quarantine.startIndex))
    let shelf =
      MachineFacts.file(folder.quarantine) ?? MachineFacts.file(parent.isEmpty ? "/" : parent)
    if shelf?.device != place.device {
      findings.append(
        Finding(
          "intake", .red,
          "\(folder.quarantine) is on another volume than \(folder.path), or missing",
          "name a `quarantine` on the folder's own volume: files are moved there, never copied"))
    }
    // Of a folder that is somebody else's the files mostly are, too.
    var seesWriters = place.owner == MachineFacts.user
    do {
      let drop = try LocalDropFolder(
        folder.path, isRecursive: folder.isRecursive, quarantine: folder.quarantine)
      let listing = try await drop.survey()
      if let answer = await drop.seesWriters(of: listing.files) { seesWriters = answer }
      if let shortfall = listing.shortfall {
        findings.append(
          Finding(
            "intake", .warning,
            "not all of \(folder.path) was looked at: \(CommandFailure.chain(shortfall))",
            "let the service's user enter each folder in it, or move the folder out; of many names, see what stays there"
          ))
      }
      let lying = await drop.quarantined()
      if lying != 0 {
        findings.append(
          Finding(
            "intake", .warning,
            lying.map { "\($0) in quarantine: \(folder.quarantine)" }
              ?? "\(folder.quarantine) cannot be read",
            "see the reason beside each; what belongs in the vault goes in with `callvault put`"))
      }
    } catch {
      findings.append(Finding("intake", .red, CommandFailure.chain(error), "run doctor again"))
    }
    if findings.count == before {
      findings.append(Finding("intake", .good, "\(folder.path) can be taken from"))
    }
    if !seesWriters {
      // No warning: the service may have what whoever runs this has not.
      findings.append(
        Finding(
          "intake", .good,
          "who still writes to a file in \(folder.path) is not told to you: is it to the service, by CAP_LEASE?"
        ))
    }
  }

  private static func catalog(
    _ layout: StorageLayout, _ ring: KeyRing?, _ findings: inout [Finding]
  ) async {
    guard MachineFacts.file(layout.catalog) != nil else {
      findings.append(
        Finding(
          "catalog", .damaged, "there is no catalog.sqlite",
          "restore catalog and log from one instant"))
      return
    }
    do {
      let catalog = try SQLiteCatalog(layout.catalog)
      try await catalog.checkIntegrity()
      let counts = try await catalog.counts()
      findings.append(
        Finding(
          "catalog", .good, "whole: \(counts.calls) calls, \(counts.recordings) recordings"))
      try await catalogKeys(catalog, ring, &findings)
    } catch {
      findings.append(
        error.code == .tampered
          ? Finding(
            "catalog", .damaged, CommandFailure.chain(error),
            "stop the service and restore catalog and log from one instant")
          : Finding(
            "catalog", .red, CommandFailure.chain(error), "see that this user may read the data"))
    }
  }

  /// The root key must be away, and must have signed.
  private static func epochs(
    _ layout: StorageLayout, keys: String, _ findings: inout [Finding]
  ) {
    for path in Set([keys + "/log-root.key", layout.keys + "/log-root.key"]).sorted()
    where MachineFacts.file(path) != nil {
      findings.append(
        Finding(
          "log root", .warning, "the log's root key lies on this machine (\(path))",
          "take it away: whoever takes the machine could vouch for a second past"))
    }
    do {
      let keyring = try Keyring(
        parsing: try AtomicFile.read(
          layout.log + "/" + Keyring.path, limit: Keyring.maximumByteCount, on: LinuxFileSystem()))
      guard let last = keyring.epochs.last else { return }
      let isCertified = keyring.certified(by: last.epoch.rootKey).last == true
      findings.append(
        isCertified
          ? Finding(
            "log keys", .good, "epoch \(last.epoch.number) signs, and the root vouches for it")
          : Finding(
            "log keys", .warning,
            "the root has not signed epoch \(last.epoch.number), which signs the log",
            "bring the root key here for: callvault keys certify --root-key FILE"))
    } catch let error as DurableError where error.code == .notFound {
      findings.append(
        Finding(
          "log keys", .warning, "only the log's own key signs it; there is no root key",
          "make one: callvault keys root --root-key FILE"))
    } catch {
      findings.append(Finding("log keys", .red, "log/keyring cannot be read: \(error)"))
    }
  }

  /// - Returns: how many entries the log has; nil where nobody can tell.
  private static func log(
    _ layout: StorageLayout, _ findings: inout [Finding]
  ) async -> Int64? {
    do {
      let report = try await LogVerifier(key: nil).verify(LogFolder(layout.log))
      switch report.verdict {
      case .intact, .unanchored, .stale:
        findings.append(
          Finding(
            "log", .good, "\(report.size) entries match their own head"))
      case .unreadable, .verifierFault:
        findings.append(
          Finding(
            "log", .red, report.sentence, "see that this user may read \(layout.log)"))
      default:
        findings.append(
          Finding(
            "log", .damaged, report.sentence,
            "keep everything as it is, and compare with a copy or checkpoint kept elsewhere"))
      }
      return report.size
    } catch {
      findings.append(
        Finding("log", .red, "the verifier failed: \(error)", "run: callvault audit verify"))
      return nil
    }
  }
}
