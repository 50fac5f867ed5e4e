import Audit
import CAssets
import Drivers
import Encoding
import Failover
import HTTP
import Host
import Service
import Telephony
import Threading

/// A supervisor's process from its start to its stop.
struct SupervisorLife: Sendable {
  private let folder: SupervisorFolder
  private let policy: RoutingPolicy
  private let identity: SupervisorFolder.Identity
  private let listening: FailoverCommands.Listening
  private let log = OperatorLog.onStandardError
  private let clock = SystemClock()

  init(
    _ folder: SupervisorFolder, policy: RoutingPolicy, identity: SupervisorFolder.Identity,
    listening: FailoverCommands.Listening
  ) {
    self.folder = folder
    self.policy = policy
    self.identity = identity
    self.listening = listening
  }

  /// Takes the lease, watches, and answers until a signal comes or the API cannot be served.
  ///
  /// - Returns: whether it stopped because it was told to.
  /// - Throws: what stands in the way of a start.
  func run(ready: ([String]) -> Void) async throws -> Bool {
    let current = Lock<RoutePlan?>(nil)
    let parts = try SupervisorParts(policy) { current.withLock { $0 } }
    guard let leases = try await standBy() else { return true }
    let lease = try await leases.acquire()
    let audit = try await folder.openLog(identity, clock: clock)
    let running = Task { await audit.run() }
    defer { running.cancel() }
    let recorder = DecisionRecorder(audit, operatorLog: log, clock: clock)
    var loaded = EntryDraft(.policyChanged, .single, by: audit.system)
    loaded.outcome = .success
    loaded.policy = policy.hash
    recorder.record(loaded)
    let supervisor = try Supervisor(
      policy: policy, parts: parts, current: current, folder: folder, recorder: recorder,
      history: try await SupervisorHistory.read(from: audit), lease: lease, leases: leases,
      operatorLog: log, clock: clock)
    let hasServed = await serve(supervisor, recorder, ready: ready)
    running.cancel()
    await running.value
    log.write(.info, "stopped")
    return hasServed
  }

  /// Waits for the lock while another supervisor has it; nil when it was told to stop meanwhile.
  private func standBy() async throws -> FolderLease? {
    var isTold = false
    while true {
      do throws(FailoverError) {
        return try FolderLease(folder, node: identity.node)
      } catch {
        guard error.code == .fenced else {
          throw CommandFailure(
            .usage, "\(folder.root) is no supervisor's folder, or you may not write there: \(error)"
          )
        }
      }
      if !isTold { log.write(.info, "standing-by") }
      isTold = true
      if StopSignals.arrived != nil { return nil }
      try await Task.sleep(for: .milliseconds(200))
    }
  }

  private func serve(
    _ supervisor: Supervisor, _ recorder: DecisionRecorder, ready: ([String]) -> Void
  ) async -> Bool {
    let server: Server
    let voice = supervisor.parts.voice
    do {
      var configuration = ServerConfiguration(
        listeners: listening.listeners, hosts: listening.hosts + (voice.map { [$0.host] } ?? []))
      configuration.limits.bodyBytes = 1 << 16
      configuration.limits.connections = 512
      configuration.limits.stopGrace = .seconds(2)
      configuration.loops = 1
      let api = SupervisorAPI(
        desk: supervisor, log: log,
        description: unsafe InitCommand.asset(callvault_failover_openapi_json()))
      let handler: any Handler =
        voice.map { VoiceHandler(voice: $0, supervisor: supervisor, others: api) } ?? api
      server = try Server(configuration, handler: handler)
    } catch {
      log.write(.error, "server-failed", ["cause": .string(OperatorLog.describe(error))])
      return false
    }
    await supervisor.takeUp()
    let recording = Task { await recorder.run() }
    let watching = Task { await supervisor.run() }
    let serving = Task {
      do {
        try await server.run()
        return true
      } catch {
        log.write(.error, "server-failed", ["cause": .string(OperatorLog.describe(error))])
        return false
      }
    }
    ready(
      server.addresses.map { address in
        switch address {
        case .tcp: "https://\(address)"
        default: "\(address)"
        }
      })
    log.write(.info, "ready")
    do {
      try ServiceNotification.send("READY=1")
    } catch {
      log.write(.warning, "not-notified", ["cause": .string("\(error)")])
    }
    let stopping = Task {
      let signal = await StopSignals.wait()
      log.write(.info, "stopping", ["signal": .integer(Int64(signal))])
      serving.cancel()
    }
    let hasServed = await serving.value
    stopping.cancel()
    watching.cancel()
    await watching.value
    recording.cancel()
    await recording.value
    return hasServed
  }
}
