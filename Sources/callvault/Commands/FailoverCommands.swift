import Audit
import CAssets
import Cryptography
import Drivers
import Durable
import Encoding
import Failover
import Glibc
import HTTP
import Host
import Service
import Threading

/// `failover init` and `failover run`: a supervisor's folder, and its life.
enum FailoverCommands {
  static let folder = Option.value(
    "dir", "DIR", "the supervisor's folder; else CALLVAULT_FAILOVER")

  static func folder(_ arguments: Arguments) throws(CommandFailure) -> SupervisorFolder {
    guard let path = arguments.value("dir") ?? environment("CALLVAULT_FAILOVER") else {
      throw CommandFailure(.usage, "name the supervisor's folder: --dir DIR, or CALLVAULT_FAILOVER")
    }
    return SupervisorFolder(path)
  }

  static let initialise = Command(
    name: "failover init",
    summary: "make a supervisor: its folder, its key and a policy to change",
    options: [
      folder,
      .value("root-key", "FILE", "the key of the log's root, to vouch for the supervisor's key"),
    ],
    examples: [
      (
        "callvault failover init --dir /var/lib/callvault-failover --data /var/lib/callvault",
        "best on another volume than the vault"
      )
    ],
    discussion: [
      "It takes the practice and the log's name from the vault once, and needs nothing of it afterwards. "
        + "DIR/routing.yaml is an example: change it before the first run, and look with "
        + "`callvault failover lint`. Name DIR in the vault's callvault.yaml as `failover: DIR`, and its log "
        + "joins the supervisor's.",
      "The key lies in DIR/key, readable by its owner alone.",
    ]
  ) { arguments, terminal in
    let folder = try folder(arguments)
    let settings = try Settings.read(StorageLayout(root: try dataDirectory(arguments)))
    let files = LinuxFileSystem()
    try makeFolder(folder.root)
    guard MachineFacts.file(folder.identity) == nil else {
      throw CommandFailure(
        .conflict, "a supervisor exists in \(folder.root) already; nothing was changed")
    }
    let first = settings.origin.split(separator: "/").prefix(2).joined(separator: "/")
    let identity = SupervisorFolder.Identity(
      tenant: settings.tenant, origin: first + "/failover", node: settings.node)
    let signer = try folder.signer(identity)
    let key = signer.verifierKey.description
    try AtomicFile.write(
      Array((key + "\n").utf8), to: folder.verifierKey, mode: .publicFile, on: files)
    if let path = arguments.value("root-key") {
      let root = try LogRootFile.signer(in: path)
      let note = try root.sign(Array("callvault/failover/v1\n\(settings.origin)\n\(key)\n".utf8))
      try AtomicFile.write(note.encoded, to: folder.certificate, mode: .publicFile, on: files)
    }
    try Directory.make(folder.root + "/run", below: folder.root, on: files)
    if MachineFacts.file(folder.policy) == nil {
      try AtomicFile.write(
        unsafe InitCommand.asset(callvault_routing_yaml()), to: folder.policy, on: files)
    }
    // Last: a folder with an identity is a supervisor, and one without is not.
    try AtomicFile.write(identity.encoded, to: folder.identity, mode: .publicFile, on: files)
    terminal.result(key, ["verifier_key": .string(key), "origin": .string(identity.origin)])
    return ExitCode.success.rawValue
  }

  static let run = Command(
    name: "failover run",
    summary: "watch the phone system and the AI engine, and move calls when they fail",
    options: [
      folder,
      .value("policy", "FILE", "the routing policy; else DIR/routing.yaml"),
      .value("listen", "ADDR:PORT", "also answer the API over TLS there"),
      .value("host", "NAME", "a name by which clients may ask", repeated: true),
      .value("tls-cert", "FILE", "the certificate and what leads to its root, in PEM"),
      .value("tls-key", "FILE", "its key, in PEM"),
      .value("ready-fd", "N", "write the socket and a line end to this descriptor when ready"),
    ],
    examples: [
      (
        "callvault failover run --dir /var/lib/callvault-failover",
        "as the unit in Documentation/ does"
      )
    ],
    discussion: [
      "It works while the vault is sealed, stopped or lost: it has a log of its own, which the vault's joins. A "
        + "second one on the same folder stands by until the first ends.",
      "SIGTERM and SIGINT stop it; calls then stay on the way that was commanded last.",
    ]
  ) { arguments, terminal in
    StopSignals.expect()
    try ProcessHardening.required()
    let folder = try folder(arguments)
    let life = try SupervisorLife(
      folder, policy: folder.readPolicy(arguments.value("policy")),
      identity: folder.readIdentity(), listening: try listener(arguments, folder))
    let ready = try ServeCommand.readyDescriptor(arguments)
    let hasServed = try await life.run { addresses in
      terminal.result(
        "watching; the API is at \(addresses.joined(separator: " and "))",
        ["listening": .array(addresses.map { .string($0) })])
      if let ready { ServeCommand.tell(addresses.first ?? "", to: ready) }
    }
    return hasServed ? ExitCode.success.rawValue : ExitCode.internal.rawValue
  }

  /// Where the API listens besides the socket, and by which names.
  struct Listening: Sendable {
    var listeners: [ServerConfiguration.Listener]
    var hosts: [String]
  }

  private static func listener(
    _ arguments: Arguments, _ folder: SupervisorFolder
  ) throws -> Listening {
    var listening = Listening(
      listeners: [.unix(path: folder.socket, mode: 0o600)],
      hosts: ["localhost", "127.0.0.1", "::1"] + arguments.all("host"))
    guard let text = arguments.value("listen") else { return listening }
    guard let listen = ListenAddressText(text) else {
      throw CommandFailure(
        .usage, "--listen must be an address and a port, such as 127.0.0.1:8445 or [::]:8445")
    }
    guard (arguments.value("tls-cert") == nil) == (arguments.value("tls-key") == nil) else {
      throw CommandFailure(.usage, "--tls-cert and --tls-key go together")
    }
    let certificate = try Certificate(
      given: (arguments.value("tls-cert"), arguments.value("tls-key")),
      folder: folder.root + "/tls", hosts: listening.hosts)
    let tls = try TLSContext(
      certificateFile: certificate.certificate, keyFile: certificate.key)
    StopSignals.onHangUp { ServeCommand.reload(tls, log: .onStandardError) }
    listening.listeners.append(.tcp(address: listen.address, port: listen.port, tls: tls))
    if listen.address != "0.0.0.0", listen.address != "::" {
      listening.hosts.append(listen.address)
    }
    return listening
  }

  static let simulate = Command(
    name: "failover simulate",
    summary: "lead the real decisions through seeded outages",
    options: [
      folder,
      .value("policy", "FILE", "the routing policy; else DIR/routing.yaml"),
      .value("count", "N", "how many outages, 1 to 100000000; else 10000"),
      .value("seed", "N", "the first seed, or the one to show; else 0"),
    ],
    examples: [
      (
        "callvault failover simulate --count 10000",
        "prints the seed of each outage that breaks a promise"
      ),
      ("callvault failover simulate --seed 4711 --count 1", "shows what goes wrong in one"),
    ],
    exitCodes: [(7, "a promise was broken")],
    discussion: [
      "The policy's own routes, targets and quorums, with its waiting times shortened: a world in which targets die, "
        + "hang and flap, packets are lost, lines are cut, reports are forged and supervisors are killed."
    ]
  ) { arguments, terminal in
    let policy = try policy(arguments)
    func number(_ name: String, _ range: ClosedRange<UInt64>, _ standard: UInt64) throws -> UInt64 {
      guard let text = arguments.value(name) else { return standard }
      guard let number = UInt64(text), range.contains(number) else {
        throw CommandFailure(
          .usage, "--\(name) must be a whole number from \(range.lowerBound) to \(range.upperBound)"
        )
      }
      return number
    }
    let first = try number("seed", 0...(1 << 53), 0)
    let count = try number("count", 1...100_000_000, 10_000)
    let simulation = OutageSimulation(policy.hastened)
    let began = MonotonicClock.milliseconds
    let tally = await SimulationTally.run(simulation, seeds: first..<(first + count))
    for broken in tally.broken.prefix(20) { terminal.note("\(broken)") }
    if count == 1 {
      for fault in simulation.run(seed: first).faults { terminal.note("\(fault)") }
    }
    terminal.result(
      "\(count) outages, \(tally.switches) changes of the way, \(tally.broken.count) broken promises, "
        + "the longest on a dead way \(tally.worstDeadMs) ms",
      [
        "outages": .integer(Int64(count)), "switches": .integer(tally.switches),
        "broken": .integer(Int64(tally.broken.count)),
        "seeds": .array(tally.broken.prefix(100).map { .integer(Int64($0.seed)) }),
        "worst_dead_ms": .integer(tally.worstDeadMs),
        "ms": .integer(MonotonicClock.milliseconds - began),
      ])
    return tally.broken.isEmpty ? ExitCode.success.rawValue : ExitCode.damaged.rawValue
  }

  /// The policy that is named, that of the folder, or the shipped one.
  private static func policy(_ arguments: Arguments) throws(CommandFailure) -> RoutingPolicy {
    if let path = arguments.value("policy") { return try SupervisorFolder("/").readPolicy(path) }
    if arguments.value("dir") != nil || environment("CALLVAULT_FAILOVER") != nil {
      return try folder(arguments).readPolicy()
    }
    do {
      return try RoutingPolicy(
        parsing: unsafe InitCommand.asset(callvault_routing_yaml()), file: "the shipped policy",
        zoneFile: TimeZoneDatabase.file(of:))
    } catch {
      throw CommandFailure(.internal, "\(error)")
    }
  }
}

/// What came of many simulated outages, run on all processors.
struct SimulationTally: Sendable {
  var switches: Int64 = 0
  var worstDeadMs: Int64 = 0
  var broken: [BrokenPromise] = []

  static func run(_ simulation: OutageSimulation, seeds: Range<UInt64>) async -> SimulationTally {
    let lanes = UInt64(min(8, max(1, sysconf(Int32(_SC_NPROCESSORS_ONLN)))))
    var whole = SimulationTally()
    await withTaskGroup(of: SimulationTally.self) { group in
      for lane in 0..<lanes {
        group.addTask { @concurrent in
          var tally = SimulationTally()
          var seed = seeds.lowerBound + lane
          while seed < seeds.upperBound {
            let outcome = simulation.run(seed: seed)
            tally.switches += Int64(outcome.switches)
            tally.worstDeadMs = max(tally.worstDeadMs, outcome.worstDeadMs)
            tally.broken += outcome.broken
            seed += lanes
          }
          return tally
        }
      }
      for await tally in group {
        whole.switches += tally.switches
        whole.worstDeadMs = max(whole.worstDeadMs, tally.worstDeadMs)
        whole.broken += tally.broken
      }
    }
    whole.broken.sort { $0.seed < $1.seed }
    return whole
  }
}
