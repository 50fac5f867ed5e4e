import Adapters
import Audit
import Drivers
import Durable
import Encoding
import Glibc
import HTTP
import Host
import Intake
import Service
import Threading
import Vault
import Views

/// `serve`: owns a data directory and answers requests until it is told to stop.
enum ServeCommand {
  static let serve = Command(
    name: "serve",
    summary: "serve a vault: HTTPS for everyone, a socket for local commands",
    options: [
      .value("listen", "ADDR:PORT", "where clients connect; else as in callvault.yaml"),
      .value("tls-cert", "FILE", "the certificate and what leads to its root, in PEM"),
      .value("tls-key", "FILE", "its key, in PEM"),
      .value("keys", "DIR", "the folder of root.key; else as in callvault.yaml"),
      .value("passphrase-file", "FILE", "the passphrase, where the vault has one"),
      .value("ready-fd", "N", "write the address and a line end to this descriptor when ready"),
    ],
    examples: [
      ("callvault serve --data /var/lib/callvault", "as the unit in Documentation/ does"),
      (
        "callvault serve --data demo --listen 127.0.0.1:0 --ready-fd 3",
        "on a free port, which descriptor 3 tells"
      ),
    ],
    discussion: [
      "Without a certificate it makes a self-signed one for localhost in DATA/tls. Under systemd "
        + "(Type=notify) it tells when it is ready. SIGTERM and SIGINT stop it gently: what runs is "
        + "finished, and the log ends with log.stop. SIGHUP reads the certificate and its key again.",
      "Its own log is one JSON object a line on standard error, without caller details.",
    ]
  ) { arguments, terminal in
    StopSignals.expect()
    let hardening: ProcessHardening.Outcome
    do {
      hardening = try ProcessHardening.apply()
    } catch {
      throw CommandFailure(.internal, "core dumps cannot be forbidden: \(error)")
    }
    let layout = StorageLayout(root: try dataDirectory(arguments))
    let listen = try listenAddress(arguments)
    let ready = try readyDescriptor(arguments)
    guard (arguments.value("tls-cert") == nil) == (arguments.value("tls-key") == nil) else {
      throw CommandFailure(.usage, "--tls-cert and --tls-key go together")
    }
    let settings = try Settings.read(layout)
    let lock = try OwnedLock(layout)
    let opened = try await OpenedVault(
      root: layout.root, keys: arguments.value("keys"),
      passphraseFile: arguments.value("passphrase-file"), lock: lock, settings: settings)
    let operatorLog = OperatorLog.onStandardError
    tellStart(opened, hardening, operatorLog)
    let server: Server
    let intakes: [Intake]
    var sinks: [Forwarder] = []
    do {
      intakes = try makeIntakes(opened)
      for sink in settings.sinks { sinks.append(try await sink.forwarder(of: opened)) }
      server = try makeServer(
        opened, intakes: intakes, sinks: sinks, listen: listen ?? settings.listen,
        arguments: arguments,
        openFiles: hardening.openFiles, log: operatorLog)
    } catch {
      await opened.close()
      throw error
    }
    let hasServed = await run(
      server, intakes: intakes, sinks: sinks, opened: opened, log: operatorLog
    ) {
      let addresses = server.addresses.compactMap { address -> String? in
        guard case .tcp = address else { return nil }
        return "https://\(address)"
      }
      terminal.result(
        "listening on \(addresses.joined(separator: ", ")) and \(layout.socket)",
        [
          "listening": .array(addresses.map { .string($0) }), "socket": .string(layout.socket),
          "origin": .string(settings.origin),
        ])
      operatorLog.write(.info, "ready")
      if let ready { tell(addresses.first ?? "", to: ready) }
      do {
        try ServiceNotification.send("READY=1\nSTATUS=Listening on \(addresses.first ?? "")")
      } catch {
        operatorLog.write(.warning, "not-notified", ["cause": .string("\(error)")])
      }
    }
    return hasServed ? ExitCode.success.rawValue : ExitCode.internal.rawValue
  }

  /// Serves until a signal comes, the server fails, or the disk has failed the log or the catalog;
  /// then stops what takes requests first, and the log last, so that every outcome is in it.
  private static func run(
    _ server: Server, intakes: [Intake], sinks: [Forwarder], opened: OpenedVault, log: OperatorLog,
    ready: () -> Void
  ) async -> Bool {
    let hasServed = await withTaskGroup(of: Void.self) { background in
      background.addTask { await opened.log.run() }
      background.addTask { await opened.vault.run() }
      if let anchoring = opened.anchoring { background.addTask { await anchoring.run() } }
      let serving = Task {
        do {
          try await server.run()
          return true
        } catch {
          log.write(.error, "server-failed", ["cause": .string(OperatorLog.describe(error))])
          return false
        }
      }
      let takingIn = Task {
        await withTaskGroup(of: Void.self) { folders in
          for intake in intakes { folders.addTask { await intake.run() } }
        }
      }
      let delivering = Task {
        await withTaskGroup(of: Void.self) { group in
          for sink in sinks { group.addTask { await sink.run() } }
        }
      }
      let hasFailed = Lock(false)
      background.addTask {
        let watch = HealthWatch(
          vault: opened.vault, intakes: intakes, anchoring: opened.anchoring, sinks: sinks,
          log: log)
        guard let failure = await watch.run() else { return }
        log.write(.error, "vault-failed", ["cause": .string(OperatorLog.describe(failure))])
        hasFailed.withLock { $0 = true }
        serving.cancel()
      }
      ready()
      let stopping = Task {
        let signal = await StopSignals.wait()
        log.write(.info, "stopping", ["signal": .integer(Int64(signal))])
        do {
          try ServiceNotification.send("STOPPING=1")
        } catch {
          log.write(.warning, "not-notified", ["cause": .string("\(error)")])
        }
        serving.cancel()
      }
      let hasServed = await serving.value
      stopping.cancel()
      takingIn.cancel()
      await takingIn.value
      delivering.cancel()
      await delivering.value
      background.cancelAll()
      return hasServed && !hasFailed.withLock { $0 }
    }
    if let failure = await opened.log.status.upkeepFailures[.stop] {
      log.write(.error, "log-not-stopped", ["cause": .string(OperatorLog.describe(failure))])
    }
    log.write(.info, "stopped")
    return hasServed
  }

  private static func makeIntakes(_ opened: OpenedVault) throws -> [Intake] {
    try opened.settings.intake.map { folder in
      Intake(
        folder.configuration(recordingLimit: opened.settings.recordingLimit), vault: opened.vault,
        folder: try LocalDropFolder(
          folder.path, isRecursive: folder.isRecursive, quarantine: folder.quarantine))
    }
  }

  private static func makeServer(
    _ opened: OpenedVault, intakes: [Intake], sinks: [Forwarder], listen: ListenAddressText,
    arguments: Arguments,
    openFiles: UInt64, log: OperatorLog
  ) throws -> Server {
    let settings = opened.settings
    let metrics = MetricsRegistry()
    let api = CallVaultAPI(
      vault: opened.vault, auditLog: opened.log, intakes: intakes,
      anchoring: opened.anchoring, sinks: sinks, anchors: LogFolder(opened.layout.anchors),
      authenticators: [
        BearerAuthenticator(vault: opened.vault), PeerAuthenticator(vault: opened.vault),
      ], metrics: metrics, log: log)
    let certificate = try Certificate(
      given: (
        arguments.value("tls-cert") ?? settings.certificate,
        arguments.value("tls-key") ?? settings.certificateKey
      ), folder: opened.layout.tls, hosts: settings.hosts)
    let tls = try TLSContext(certificateFile: certificate.certificate, keyFile: certificate.key)
    StopSignals.onHangUp { reload(tls, log: log) }
    let files = LinuxFileSystem()
    try Directory.make(opened.layout.root + "/run", below: opened.layout.root, on: files)
    var hosts = settings.hosts
    if listen.address != "0.0.0.0", listen.address != "::", !hosts.contains(listen.address) {
      hosts.append(listen.address)
    }
    var configuration = ServerConfiguration(
      listeners: [
        .tcp(address: listen.address, port: listen.port, tls: tls),
        .unix(path: opened.layout.socket, mode: 0o666),
      ], hosts: hosts)
    configuration.limits.bodyBytes = max(settings.recordingLimit, 64 << 20)
    // Clients must not take the last descriptor: the log and the catalog need some, and Dispatch ends
    // the process when it gets none. A request holds two, its connection and its object.
    let spare = Int(clamping: openFiles) - 128
    configuration.limits.connections = min(configuration.limits.connections, max(16, spare / 2))
    configuration.refusal = CallVaultAPI.refusal
    let report = FloorReport(metrics: metrics, log: log)
    configuration.report = { report.take($0) }
    return try Server(configuration, handler: api)
  }

  /// Takes a renewed certificate into use, for connections that come from now on.
  static func reload(_ tls: TLSContext, log: OperatorLog) {
    do throws(HTTPError) {
      try tls.reload()
      log.write(.info, "certificate-reloaded")
    } catch {
      // The old one still serves: whoever replaces the files one by one may send SIGHUP again.
      log.write(
        .error, "certificate-not-reloaded", ["cause": .string(OperatorLog.describe(error))])
    }
  }

  private static func tellStart(
    _ opened: OpenedVault, _ hardening: ProcessHardening.Outcome, _ log: OperatorLog
  ) {
    var fields = JSONObject()
    fields["software"] = .string("callvault \(CallVault.version)")
    fields["origin"] = .string(opened.settings.origin)
    fields["memory_locked"] = .bool(hardening.isMemoryLocked)
    fields["open_files"] = .integer(Int64(clamping: hardening.openFiles))
    log.write(.info, "opened", fields)
    for alarm in opened.anchorAlarms {
      log.write(
        .warning, "anchor-not-compared",
        ["anchor": .string(alarm.anchor), "cause": .string(alarm.cause)])
    }
    let found = opened.vault.reconciliation
    if found.presumedDisclosed > 0 {
      log.write(
        .warning, "presumed-disclosed", ["count": .integer(Int64(found.presumedDisclosed))])
    }
  }

  private static func listenAddress(
    _ arguments: Arguments
  ) throws(CommandFailure) -> ListenAddressText? {
    guard let text = arguments.value("listen") else { return nil }
    guard let address = ListenAddressText(text) else {
      throw CommandFailure(
        .usage, "--listen must be an address and a port, such as 127.0.0.1:8443 or [::]:8443")
    }
    return address
  }

  /// Tells whoever waits where to connect.
  static func tell(_ address: String, to descriptor: Int32) {
    let line = Array(address.utf8) + [0x0A]
    _ = unsafe line.withUnsafeBytes { unsafe write(descriptor, $0.baseAddress, $0.count) }
    close(descriptor)
  }

  static func readyDescriptor(_ arguments: Arguments) throws(CommandFailure) -> Int32? {
    guard let text = arguments.value("ready-fd") else { return nil }
    guard let number = Int32(text), number > 2, fcntl(number, F_GETFD) >= 0 else {
      throw CommandFailure(.usage, "--ready-fd must be an open descriptor above 2")
    }
    // Children (the audio probe) must not hold the reader's end open.
    _ = fcntl(number, F_SETFD, FD_CLOEXEC)
    return number
  }
}

/// The certificate to serve with: the one that was given, or a self-signed one, made once.
struct Certificate {
  let certificate: String
  let key: String

  /// - Throws: ``CommandFailure`` when a given file is not there, or none can be made.
  init(given: (String?, String?), folder: String, hosts: [String]) throws {
    if let certificate = given.0, let key = given.1 {
      self.certificate = certificate
      self.key = key
      return
    }
    certificate = folder + "/certificate.pem"
    key = folder + "/key.pem"
    if MachineFacts.file(certificate) != nil, MachineFacts.file(key) != nil { return }
    let files = LinuxFileSystem()
    let root = String(folder.dropLast("/tls".count))
    try Directory.make(folder, below: root, on: files)
    let made = try SelfSignedCertificate.make(hosts: hosts)
    // The key first: a certificate without its key would be taken for a whole pair.
    try AtomicFile.write(made.key, to: key, mode: .privateFile, on: files)
    try AtomicFile.write(made.certificate, to: certificate, mode: .publicFile, on: files)
  }
}
