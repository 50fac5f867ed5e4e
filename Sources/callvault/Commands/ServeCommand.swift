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
      "Where the root key cannot be had (its volume is not mounted, the keepers of its shares have not come) "
        + "it starts sealed: content answers 423 and intake 503 until `callvault unseal`.",
      "Its own log is one JSON object a line on standard error, without caller details.",
    ]
  ) { arguments, terminal in
    StopSignals.expect()
    AllocationPools.share(4)
    let hardening = try ProcessHardening.required()
    let operatorLog = OperatorLog.onStandardError
    let layout = StorageLayout(root: try dataDirectory(arguments))
    let listen = try listenAddress(arguments)
    let ready = try readyDescriptor(arguments)
    guard (arguments.value("tls-cert") == nil) == (arguments.value("tls-key") == nil) else {
      throw CommandFailure(.usage, "--tls-cert and --tls-key go together")
    }
    let settings = try Settings.read(layout)
    let lock = try OwnedLock(layout)
    let keeper = try RootKeeper(
      layout, settings, keys: arguments.value("keys"),
      passphraseFile: arguments.value("passphrase-file"))
    let life = ServiceLife(
      layout, settings, keeper, lock: lock, hardening: hardening, log: operatorLog)
    let (gate, isSealed) = try await begin(life)
    let server: Server
    do {
      server = try makeServer(
        layout, settings, handler: gate, listen: listen ?? settings.listen, arguments: arguments,
        openFiles: hardening.openFiles, metrics: life.metrics, log: operatorLog)
    } catch {
      await life.abandon()
      throw error
    }
    let hasServed = await life.run(server, behind: gate) {
      let addresses = server.addresses.compactMap { address -> String? in
        guard case .tcp = address else { return nil }
        return "https://\(address)"
      }
      if isSealed { terminal.note("The vault is sealed: \(keeper.hint)") }
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

  /// A gate that alone holds what answers first.
  private static func begin(_ life: ServiceLife) async throws -> (SealGate, Bool) {
    let (handler, isSealed) = try await life.begin()
    return (SealGate(handler), isSealed)
  }

  private static func makeServer(
    _ layout: StorageLayout, _ settings: Settings, handler: SealGate, listen: ListenAddressText,
    arguments: Arguments, openFiles: UInt64, metrics: MetricsRegistry, log: OperatorLog
  ) throws -> Server {
    let certificate = try Certificate(
      given: (
        arguments.value("tls-cert") ?? settings.certificate,
        arguments.value("tls-key") ?? settings.certificateKey
      ), folder: layout.tls, hosts: settings.hosts)
    let tls = try TLSContext(certificateFile: certificate.certificate, keyFile: certificate.key)
    StopSignals.onHangUp { reload(tls, log: log) }
    let files = LinuxFileSystem()
    try Directory.make(layout.root + "/run", below: layout.root, on: files)
    var hosts = settings.hosts
    if listen.address != "0.0.0.0", listen.address != "::", !hosts.contains(listen.address) {
      hosts.append(listen.address)
    }
    var configuration = ServerConfiguration(
      listeners: [
        .tcp(address: listen.address, port: listen.port, tls: tls),
        .unix(path: layout.socket, mode: 0o666),
      ], hosts: hosts)
    configuration.limits.bodyBytes = max(settings.recordingLimit, 64 << 20)
    // Clients must not take the last descriptor: the log and the catalog need some, and Dispatch ends
    // the process when it gets none. A request holds two, its connection and its object.
    let spare = Int(clamping: openFiles) - 128
    configuration.limits.connections = min(configuration.limits.connections, max(16, spare / 2))
    configuration.refusal = CallVaultAPI.refusal
    let report = FloorReport(metrics: metrics, log: log)
    configuration.report = { report.take($0) }
    return try Server(configuration, handler: handler)
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
