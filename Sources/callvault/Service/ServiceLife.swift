import Audit
import Drivers
import Encoding
import HTTP
import Host
import Service
import Threading
import Vault

/// A service from its start to its stop: open or sealed by turns, over one server.
struct ServiceLife: Sendable {
  enum Phase: Sendable {
    case open(OpenPhase)
    case sealed(SealedPhase)
  }

  /// What a phase waits for.
  private enum Event: Sendable {
    case sealRequested
    /// Somebody waits to hear whether the vault could be opened with it.
    case opened(KeyRing, CheckedContinuation<VaultError?, Never>)
    /// The server has stopped; false when it failed.
    case stopped(Bool)
  }

  /// How long requests may go on with keys that they hold, once sealing was asked for.
  private static let drainLimit: Duration = .seconds(10)

  let metrics = MetricsRegistry()
  private let layout: StorageLayout
  private let settings: Settings
  private let keeper: RootKeeper
  private let lock: OwnedLock
  private let hardening: ProcessHardening.Outcome
  private let log: OperatorLog
  private let events = AsyncStream.makeStream(of: Event.self)
  // Between ``begin()`` and ``run(_:behind:ready:)``: nobody else may hold a phase, or its keys would
  // outlive it.
  private let first = Lock<Phase?>(nil)

  init(
    _ layout: StorageLayout, _ settings: Settings, _ keeper: RootKeeper, lock: OwnedLock,
    hardening: ProcessHardening.Outcome, log: OperatorLog
  ) {
    self.layout = layout
    self.settings = settings
    self.keeper = keeper
    self.lock = lock
    self.hardening = hardening
    self.log = log
  }

  /// Opens the vault, or what waits for its root key.
  ///
  /// - Returns: what answers requests, and whether the vault is sealed.
  /// - Throws: what stands in the way and does not mend itself.
  func begin() async throws -> (handler: any Handler, isSealed: Bool) {
    guard let ring = try keeper.openIfThere() else {
      log.write(.warning, "sealed", ["to_do": .string(keeper.hint)])
      let sealed = try await sealedPhase()
      first.withLock { $0 = .sealed(sealed) }
      return (sealed.api, true)
    }
    let open = try await openPhase(ring)
    first.withLock { $0 = .open(open) }
    return (open.api, false)
  }

  /// Ends what was begun, where nothing could be served.
  func abandon() async {
    switch takeFirst() {
    case nil: break
    case .open(let phase): await phase.opened.close()
    case .sealed(let phase): await phase.run {}
    }
  }

  /// Serves until a signal comes, the server fails, or the disk has failed the log or the catalog.
  ///
  /// - Parameters:
  ///   - server: not running yet.
  ///   - gate: what it passes requests to; it has the handler of ``begin()``.
  ///   - ready: called when requests are answered.
  /// - Returns: whether it stopped because it was told to.
  func run(
    _ server: Server, behind gate: SealGate, ready: () -> Void
  ) async -> Bool {
    let hasFailed = Lock(false)
    let serving = Task {
      do {
        try await server.run()
        events.continuation.yield(.stopped(true))
      } catch {
        log.write(.error, "server-failed", ["cause": .string(OperatorLog.describe(error))])
        events.continuation.yield(.stopped(false))
      }
    }
    let fail = { @Sendable in
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
    let hasServed = await turns(behind: gate, fail: fail)
    stopping.cancel()
    log.write(.info, "stopped")
    return hasServed && !hasFailed.withLock { $0 }
  }

  private func takeFirst() -> Phase? {
    first.withLock { phase in
      defer { phase = nil }
      return phase
    }
  }

  private static var isOpenAlready: VaultError {
    VaultError(.conflict, during: "unsealing", detail: "the vault is open already")
  }

  /// Runs one phase after the other.
  private func turns(
    behind gate: SealGate, fail: @escaping @Sendable () -> Void
  ) async -> Bool {
    var hasServed = true
    // The one reference to a phase: when it ends, so do the keys that it held.
    var phase = takeFirst()
    while let current = phase {
      phase = nil
      var following: Phase?
      switch consume current {
      case .open(let open):
        await open.run(
          until: {
            for await event in events.stream {
              switch event {
              case .stopped(let wasAsked):
                hasServed = wasAsked
                return
              case .opened(_, let asking):
                asking.resume(returning: Self.isOpenAlready)
              case .sealRequested:
                following = await seal(open, behind: gate)
                if following != nil { return }
                fail()
              }
            }
          }, failed: fail)
      case .sealed(let sealed):
        await sealed.run {
          for await event in events.stream {
            switch event {
            case .stopped(let wasAsked):
              hasServed = wasAsked
              return
            case .sealRequested: continue
            case .opened(let ring, let asking):
              following = await unseal(sealed, with: ring, behind: gate, telling: asking)
              if following != nil { return }
            }
          }
        }
      }
      phase = following
    }
    return hasServed
  }

  /// - Returns: nil where the sealed phase could not begin, so that nothing can be recorded in it.
  private func seal(_ open: OpenPhase, behind gate: SealGate) async -> Phase? {
    let sealed: SealedPhase
    do {
      sealed = try await sealedPhase()
    } catch {
      log.write(.error, "not-sealed", ["cause": .string(OperatorLog.describe(error))])
      return nil
    }
    gate.become(sealed.api)
    open.opened.ring.seal()
    // Their outcomes are still recorded: the log needs no key of the ring for that.
    if !(await gate.drain(within: Self.drainLimit)) {
      log.write(.warning, "requests-outlast-sealing")
    }
    log.write(.info, "sealed", ["to_do": .string(keeper.hint)])
    return .sealed(sealed)
  }

  /// - Returns: nil where the vault could not be opened; it stays sealed.
  private func unseal(
    _ sealed: SealedPhase, with ring: KeyRing, behind gate: SealGate,
    telling asking: CheckedContinuation<VaultError?, Never>
  ) async -> Phase? {
    do {
      let open = try await openPhase(ring)
      let log = open.opened.log
      var entry = EntryDraft(.keyUnseal, .single, by: log.system, on: [settings.tenant])
      entry.outcome = .success
      _ = try await log.record(entry)
      try await UnsealingLog.join(sealed.attempts, of: layout, to: log)
      gate.become(open.api)
      asking.resume(returning: nil)
      return .open(open)
    } catch {
      ring.seal()
      log.write(.error, "not-opened", ["cause": .string(OperatorLog.describe(error))])
      asking.resume(
        returning: VaultError(
          .unavailable, during: "opening the vault",
          detail: "the root key is right, and the vault does not open: "
            + CommandFailure(describing: error).sentence, cause: error))
      return nil
    }
  }

  private func sealedPhase() async throws -> SealedPhase {
    try await SealedPhase(layout, settings, keeper, log: log) {
      [events] (ring) throws(VaultError) in
      let failure = await withCheckedContinuation { asking in
        _ = events.continuation.yield(.opened(ring, asking))
      }
      if let failure { throw failure }
    }
  }

  private func openPhase(_ ring: KeyRing) async throws -> OpenPhase {
    let opened = try await OpenedVault(
      root: layout.root, lock: lock, settings: settings, ring: ring)
    tellOpened(opened)
    do {
      return try await OpenPhase(opened, metrics: metrics, log: log) { [events] in
        events.continuation.yield(.sealRequested)
      }
    } catch {
      await opened.close()
      throw error
    }
  }

  private func tellOpened(_ opened: OpenedVault) {
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
}
