import Adapters
import Audit
import Drivers
import Encoding
import Intake
import Service
import Threading
import Vault
import Views

/// The life of a service while its vault is open: what runs beside the requests, and the order in which
/// it ends.
struct OpenPhase: Sendable {
  let opened: OpenedVault
  let api: CallVaultAPI
  private let intakes: [Intake]
  private let sinks: [Forwarder]
  private let maintenance: Maintenance
  private let log: OperatorLog

  /// Makes what runs; `seal` is called when an administrator wants the keys out of memory.
  ///
  /// - Throws: what stands in the way of a folder or a sink.
  init(
    _ opened: OpenedVault, metrics: MetricsRegistry, log: OperatorLog,
    seal: @escaping @Sendable () -> Void
  ) async throws {
    self.opened = opened
    self.log = log
    intakes = try opened.settings.intake.map { folder in
      Intake(
        folder.configuration(recordingLimit: opened.settings.recordingLimit), vault: opened.vault,
        folder: try LocalDropFolder(
          folder.path, isRecursive: folder.isRecursive, quarantine: folder.quarantine))
    }
    var sinks: [Forwarder] = []
    for sink in opened.settings.sinks { sinks.append(try await sink.forwarder(of: opened)) }
    self.sinks = sinks
    maintenance = Maintenance(vault: opened.vault, places: opened.places)
    api = CallVaultAPI(
      vault: opened.vault, auditLog: opened.log, intakes: intakes, anchoring: opened.anchoring,
      sinks: sinks, anchors: LogFolder(opened.layout.anchors),
      earlierAnchors: { [layout = opened.layout] number in
        LogFolder(layout.earlier(number).anchors)
      }, maintenance: maintenance,
      authenticators: [
        BearerAuthenticator(vault: opened.vault), PeerAuthenticator(vault: opened.vault),
      ], metrics: metrics, log: log, seal: seal)
  }

  /// Runs what is beside the requests until `ending` returns, then stops what takes requests first and the
  /// log last, so that every outcome is in it.
  ///
  /// - Parameters:
  ///   - ending: returns when nothing is asked of this vault any more.
  ///   - failed: called when the disk has failed the log or the catalog.
  func run(until ending: () async -> Void, failed: @escaping @Sendable () -> Void) async {
    await withTaskGroup(of: Void.self) { background in
      background.addTask { await opened.log.run() }
      background.addTask { await opened.vault.run() }
      background.addTask { await maintenance.run() }
      if let anchoring = opened.anchoring { background.addTask { await anchoring.run() } }
      background.addTask {
        await FailoverJoining(opened.settings.failover, log: opened.log, operatorLog: log).run()
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
      background.addTask {
        let watch = HealthWatch(
          vault: opened.vault, intakes: intakes, anchoring: opened.anchoring, sinks: sinks,
          log: log)
        guard let failure = await watch.run() else { return }
        log.write(.error, "vault-failed", ["cause": .string(OperatorLog.describe(failure))])
        failed()
      }
      await ending()
      takingIn.cancel()
      await takingIn.value
      delivering.cancel()
      await delivering.value
      background.cancelAll()
    }
    if let failure = await opened.log.status.upkeepFailures[.stop] {
      log.write(.error, "log-not-stopped", ["cause": .string(OperatorLog.describe(failure))])
    }
  }
}
