import Audit
import Drivers
import Durable
import Encoding
import Glibc
import HTTP
import Host
import Service
import Threading

/// `witness`: cosigns the heads of other practices' logs, so that they cannot be rewritten unseen.
enum WitnessCommands {
  private static let folder = Option.value(
    "dir", "DIR", "the witness's own folder", required: true)

  static let initialise = Command(
    name: "witness init",
    summary: "make a witness: its folder and its key",
    options: [
      folder,
      .value(
        "name", "NAME", "who vouches, for ever: such as elm.example.org/witness", required: true),
    ],
    examples: [
      (
        "callvault witness init --dir /var/lib/callvault-witness --name elm.example.org/witness",
        "prints the verifier key for the other practice's policy"
      )
    ],
    discussion: [
      "The key lies in DIR/witness.key, readable by its owner alone. It signs nothing but heads."
    ]
  ) { arguments, terminal in
    let path = try arguments.required("dir")
    let name = try arguments.required("name")
    try makeFolder(path)
    let store = try open(path)
    do {
      try store.makeKey(named: name)
    } catch let error as DurableError where error.code == .exists {
      throw CommandFailure(.conflict, "a witness exists in \(path) already; nothing was changed")
    } catch let error as AuditError where error.code == .invalidDraft {
      throw CommandFailure(
        .usage, "--name must have no white space and no plus sign, such as elm.example.org/witness")
    }
    let key = try store.signer().verifierKey.description
    terminal.result(key, ["verifier_key": .string(key)])
    return ExitCode.success.rawValue
  }

  static let addLog = Command(
    name: "witness add-log",
    summary: "watch a log: cosign its heads from now on",
    operands: [Operand(name: "VKEY", summary: "the log's verifier key, as its `init` printed it")],
    options: [folder],
    examples: [
      (
        "callvault witness add-log --dir /var/lib/callvault-witness \"$VKEY\"",
        "stop the witness first; it holds the folder's lock"
      )
    ],
    discussion: [
      "A log that is watched keeps its key: whoever could replace it could rewrite the log."
    ]
  ) { arguments, terminal in
    let path = try arguments.required("dir")
    guard let key = VerifierKey(try arguments.requiredOperand(0)), key.type == .ed25519 else {
      throw CommandFailure(.usage, "VKEY must be a log's verifier key, as its `init` printed it")
    }
    let store = try open(path)
    let witness = try Witness(signer: signer(store, path), store: store, clock: SystemClock())
    do {
      try await witness.watch(key)
    } catch let error as AuditError where error.code == .invalidDraft {
      throw CommandFailure(.conflict, "\(key.name) is watched already; nothing was changed")
    }
    terminal.result("watching \(key.name)", ["watching": .string(key.name)])
    return ExitCode.success.rawValue
  }

  static let serve = Command(
    name: "witness serve",
    summary: "answer logs that ask for a cosignature (c2sp.org/tlog-witness)",
    options: [
      folder,
      .value("listen", "ADDR:PORT", "where logs connect", required: true),
      .value("host", "NAME", "a name by which they may ask", repeated: true),
      .value("tls-cert", "FILE", "the certificate and what leads to its root, in PEM"),
      .value("tls-key", "FILE", "its key, in PEM"),
      .value("ready-fd", "N", "write the address and a line end to this descriptor when ready"),
    ],
    examples: [
      (
        "callvault witness serve --dir /var/lib/callvault-witness --listen 0.0.0.0:8444 "
          + "--host witness.elm.example.org --tls-cert tls.pem --tls-key tls.key",
        "for other machines: with TLS"
      ),
      (
        "callvault witness serve --dir /var/lib/callvault-witness --listen 127.0.0.1:8444",
        "behind a proxy, in clear on this machine alone"
      ),
    ],
    discussion: [
      "Never cosigns a rollback or a fork, whatever it is sent and whenever it is stopped. SIGTERM "
        + "and SIGINT stop it; SIGHUP reads the certificate again."
    ]
  ) { arguments, terminal in
    StopSignals.expect()
    try ProcessHardening.required()
    let path = try arguments.required("dir")
    guard let listen = ListenAddressText(try arguments.required("listen")) else {
      throw CommandFailure(
        .usage, "--listen must be an address and a port, such as 127.0.0.1:8444 or [::]:8444")
    }
    let tls = try certificate(arguments, listen: listen)
    let ready = try ServeCommand.readyDescriptor(arguments)
    let store = try open(path)
    let witness = try Witness(signer: signer(store, path), store: store, clock: SystemClock())
    let watched = await witness.known
    let log = OperatorLog.onStandardError
    var configuration = ServerConfiguration(
      listeners: [.tcp(address: listen.address, port: listen.port, tls: tls)],
      hosts: ["localhost", "127.0.0.1", "::1", listen.address] + arguments.all("host"))
    configuration.limits.bodyBytes = Int64(AddCheckpointRequest.maximumByteCount)
    configuration.limits.connections = 256
    configuration.limits.requestTime = .seconds(60)
    let server = try Server(configuration, handler: WitnessSite(witness))
    let scheme = tls == nil ? "http" : "https"
    let address =
      server.addresses.compactMap { address -> String? in
        guard case .tcp = address else { return nil }
        return "\(scheme)://\(address)"
      }.first ?? ""
    let serving = Task {
      do {
        try await server.run()
        return true
      } catch {
        log.write(.error, "server-failed", ["cause": .string(OperatorLog.describe(error))])
        return false
      }
    }
    terminal.result(
      "witness \(witness.verifierKey) listening on \(address), watching "
        + "\(watched.isEmpty ? "no log yet" : watched.map(\.key.name).joined(separator: ", "))",
      [
        "listening": .string(address), "verifier_key": .string("\(witness.verifierKey)"),
        "watching": .array(watched.map { .string($0.key.name) }),
      ])
    log.write(.info, "ready")
    if let ready { ServeCommand.tell(address, to: ready) }
    let stopping = Task {
      let signal = await StopSignals.wait()
      log.write(.info, "stopping", ["signal": .integer(Int64(signal))])
      serving.cancel()
    }
    let hasServed = await serving.value
    stopping.cancel()
    return hasServed ? ExitCode.success.rawValue : ExitCode.internal.rawValue
  }

  private static func open(_ path: String) throws(CommandFailure) -> FileWitnessStore {
    do {
      return try FileWitnessStore(path)
    } catch {
      throw CommandFailure(
        error.code == .locked ? .locked : .usage,
        error.code == .locked
          ? "another process holds \(path); stop it first"
          : "\(path) is no witness's folder, or you may not write there: \(error)")
    }
  }

  private static func signer(
    _ store: FileWitnessStore, _ path: String
  ) throws -> CosignatureSigner {
    do {
      return try store.signer()
    } catch let error as DurableError where error.code == .notFound {
      throw CommandFailure(
        .usage, "there is no witness in \(path); make one with: callvault witness init")
    }
  }

  private static func certificate(
    _ arguments: Arguments, listen: ListenAddressText
  ) throws -> TLSContext? {
    switch (arguments.value("tls-cert"), arguments.value("tls-key")) {
    case (let certificate?, let key?):
      let tls = try TLSContext(certificateFile: certificate, keyFile: key)
      StopSignals.onHangUp { ServeCommand.reload(tls, log: .onStandardError) }
      return tls
    case (nil, nil):
      guard ["127.0.0.1", "::1", "localhost"].contains(listen.address) else {
        throw CommandFailure(
          .usage, "other machines are answered with TLS only: give --tls-cert and --tls-key")
      }
      return nil
    default:
      throw CommandFailure(.usage, "--tls-cert and --tls-key go together")
    }
  }
}

extension OperatorLog {
  /// One line, one write: lines of several threads do not mix.
  static let onStandardError = OperatorLog(clock: SystemClock()) { line in
    _ = unsafe line.withUnsafeBytes {
      unsafe Glibc.write(STDERR_FILENO, $0.baseAddress, $0.count)
    }
  }
}
