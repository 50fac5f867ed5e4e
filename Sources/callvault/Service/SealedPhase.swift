import Audit
import Drivers
import Service
import Threading
import Vault

/// The life of a service while no root key is in memory.
struct SealedPhase: Sendable {
  let api: SealedAPI
  /// Takes shares.
  let desk: SealedDesk
  /// The log of attempts.
  let attempts: AuditLog

  /// Opens the log of attempts; `use` opens the vault with the ring.
  ///
  /// - Throws: what keeps the log from being opened.
  init(
    _ layout: StorageLayout, _ settings: Settings, _ keeper: RootKeeper, log: OperatorLog,
    use: @escaping @Sendable (KeyRing) async throws(VaultError) -> Void
  ) async throws {
    attempts = try await UnsealingLog.open(layout, settings: settings, clock: SystemClock())
    desk = try SealedDesk(log: attempts, sealing: keeper, operatorLog: log, use: use)
    api = SealedAPI(desk: desk, published: LogFolder(layout.log), log: log)
  }

  /// Takes shares until `ending` returns.
  func run(until ending: () async -> Void) async {
    await withTaskGroup(of: Void.self) { background in
      background.addTask { await attempts.run() }
      background.addTask { await desk.watch() }
      await ending()
      background.cancelAll()
    }
  }
}
