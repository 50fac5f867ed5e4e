import Audit
import Cryptography
import Durable
import Encoding
import Failover
import Service
import Threading

/// The supervisor while it runs: a clock and a loop around ``Supervision``, and everybody who moves calls.
///
/// It has a thread of its own, so that nothing that blocks elsewhere holds it up. What it tells others to do runs
/// beside it; what they answer comes back as an event.
actor Supervisor {
  /// Everything that runs until the supervisor ends.
  typealias Job = @Sendable () async -> Void

  /// Between two looks.
  private static let pace: Duration = .milliseconds(20)
  /// What is kept in memory for the API; the log has all.
  static let remembered = 1_000

  let policy: RoutingPolicy
  let parts: SupervisorParts
  let folder: SupervisorFolder
  let recorder: DecisionRecorder
  let operatorLog: OperatorLog
  let clock: any WallClock
  private let lease: Lease
  private let leases: any LeaseStore
  private let current: Lock<RoutePlan?>
  private let stateFile: StateFile
  private let inbox = ObservationInbox()
  private let jobs = AsyncStream.makeStream(of: Job.self)
  private let executor: BlockingExecutor
  nonisolated var unownedExecutor: UnownedSerialExecutor {
    unsafe executor.asUnownedSerialExecutor()
  }

  var supervision: Supervision
  var history: SupervisorHistory
  var ledger: NoticeLedger
  var drillReports: [JSONObject] = []
  var signals = SignalBudget()
  var events = EventRing()
  var counters = SupervisorCounters()
  /// What stood in the way of actuators when it was last looked for.
  var blocked: [DriftFinding] = []
  var lintedAt: Moment?
  /// Targets that were doubted at the last look.
  var doubted: Set<TargetID> = []
  /// States that were to be kept since the start.
  private var kept = 0
  /// Calls of the last window that cost money.
  var spent: Int64 = 0
  /// When recording became impossible on the way that is commanded.
  var unrecordedSince: Timestamp?

  /// Prepares it; nothing is watched yet.
  ///
  /// `current` is where the plan that is commanded is put for everybody who serves calls; the lease was taken
  /// before.
  ///
  /// - Throws: `ThreadingError` when the kernel gives no thread.
  init(
    policy: RoutingPolicy, parts: SupervisorParts, current: Lock<RoutePlan?>,
    folder: SupervisorFolder, recorder: DecisionRecorder, history: SupervisorHistory,
    lease: Lease, leases: any LeaseStore, operatorLog: OperatorLog, clock: any WallClock
  ) throws(ThreadingError) {
    executor = try BlockingExecutor(label: "failover")
    stateFile = try StateFile(folder, operatorLog: operatorLog)
    self.policy = policy
    self.parts = parts
    self.current = current
    self.folder = folder
    self.recorder = recorder
    self.history = history
    self.lease = lease
    self.leases = leases
    self.operatorLog = operatorLog
    self.clock = clock
    supervision = Supervision(policy, fencing: lease.fencing, at: Self.now) { .random() }
    ledger = NoticeLedger(levels: policy.escalation, afterMs: policy.escalationMs)
  }

  static var now: Moment { Moment(milliseconds: MonotonicClock.milliseconds) }
  var time: Timestamp { Timestamp(milliseconds: clock.read().milliseconds) }

  /// Goes on from what was commanded before, so that there is a plan before anybody asks for one.
  func takeUp() {
    restore()
    look()
  }

  /// Watches and acts until the task is cancelled.
  func run() async {
    await withDiscardingTaskGroup { group in
      for probe in parts.probes {
        group.addTask { [inbox] in await probe.run { inbox.add($0) } }
      }
      for service in parts.services { group.addTask { await service() } }
      group.addTask { await self.watch() }
      group.addTask { await self.countGroups() }
      group.addTask { await self.lintHourly() }
      group.addTask { await self.drillByCalendar() }
      group.addTask { await self.watchSpending() }
      group.addTask { await self.beat() }
      for await job in jobs.stream { group.addTask { await job() } }
      group.cancelAll()
    }
  }

  private func restore() {
    do {
      let bytes = try AtomicFile.read(folder.state, limit: 1 << 16, on: LinuxFileSystem())
      guard let remembered = RememberedRouting(parsing: bytes) else {
        return operatorLog.write(.warning, "state-not-read")
      }
      supervision.restore(remembered, at: Self.now, time: time)
      unrecordedSince = remembered.unrecordedSinceMs.map { Timestamp(milliseconds: $0) }
    } catch {
      if error.code != .notFound {
        operatorLog.write(
          .warning, "state-not-read", ["cause": .string(OperatorLog.describe(error))])
      }
    }
  }

  private func watch() async {
    while !Task.isCancelled {
      look()
      do { try await Task.sleep(for: Self.pace) } catch { break }
    }
    jobs.continuation.finish()
  }

  /// One look: what was seen, what follows, what is told.
  func look() {
    for observation in inbox.take() { supervision.observe(observation) }
    let before = supervision.routing.state
    let actions = supervision.look(at: Self.now, time: time)
    lintIfDoubtful()
    for action in actions { take(action) }
    // A command tells its state itself.
    let isCommanded = actions.contains { if case .command = $0 { true } else { false } }
    if !isCommanded, supervision.routing.state != before {
      publish(["event": "state", "state": .string(supervision.routing.state.rawValue)])
    }
    current.withLock { $0 = supervision.routing.plan }
    for delivery in ledger.due(at: Self.now) { deliver(delivery) }
  }

  private func take(_ action: RoutingMachine.Action) {
    switch action {
    case .command(let decision): command(decision)
    case .callCanary(let route): callCanary(route)
    case .tell(let event, let urgency, let subject): tell(event, urgency, subject: subject)
    }
  }

  /// Lets everybody who moves calls do what was decided, at once and side by side.
  private func command(_ decision: Decision) {
    let plan = decision.plan
    // First what serves calls from memory: it has changed when this returns.
    current.withLock { $0 = plan }
    counters.decisions += 1
    history.add(decision)
    recorder.record(decided(decision))
    countRecording(decision)
    var told = decision.details
    told["event"] = "decided"
    told["id"] = .string(decision.id.description)
    publish(told)
    // It is tried all the same: a way that may work is better than none.
    operatorLog.write(
      .warning, "route",
      [
        "cause": .string(decision.cause.rawValue), "route": .string(plan.route.id.description),
        "state": .string(plan.state.rawValue), "version": .integer(plan.version),
        "decision": .string(decision.id.description),
        "drift": .array(blocked.map { .string("\($0.actuator): \($0.code)") }),
      ])
    let needed = parts.actuators.filter { $0.states.contains(plan.state) }.map(\.actuator)
    let deadline = decision.at.advanced(byMs: policy.switching.ceilingMs)
    let (leases, lease) = (leases, lease)
    begin {
      guard await leases.holds(lease) else {
        return await self.applied(decision, outcomes: [], isFenced: true)
      }
      let outcomes = await ActuatorRun.apply(plan, to: needed, before: deadline)
      await self.applied(decision, outcomes: outcomes, isFenced: false)
    }
    if decision.fromRoute != plan.route.id, isRescue(decision.cause) {
      for mover in parts.movers { begin { await self.rescue(by: mover, to: plan) } }
    }
    keepState()
  }

  private func isRescue(_ cause: Cause) -> Bool {
    switch cause {
    case .pbxLost, .trunkLost, .backupLost, .everythingLost, .aiFailed: true
    default: false
    }
  }

  /// What came of a command.
  private func applied(
    _ decision: Decision, outcomes: [ActuatorRun.Outcome], isFenced: Bool
  ) {
    let now = Self.now
    let isConfirmed = !isFenced && outcomes.allSatisfy(\.isConfirmed)
    let version = decision.plan.version
    if isConfirmed {
      supervision.confirmed(version: version)
    } else {
      supervision.failed(version: version)
      for outcome in outcomes {
        guard let error = outcome.error else { continue }
        operatorLog.write(
          .error, "actuator-failed",
          [
            "actuator": .string(outcome.actuator.description),
            "cause": .string(OperatorLog.describe(error)),
          ])
      }
    }
    let ms = now.ms(since: decision.at)
    history.commanded(decision.id, ms: ms, isConfirmed: isConfirmed)
    recorder.record(commanded(decision, outcomes, ms: ms, isConfirmed: isConfirmed))
    publish([
      "event": "commanded", "id": .string(decision.id.description), "ms": .integer(ms),
      "confirmed": .bool(isConfirmed),
    ])
    look()
  }

  /// Declares when calls cannot be recorded, so that a report never takes their absence for silence.
  private func countRecording(_ decision: Decision) {
    if decision.plan.route.records {
      guard let since = unrecordedSince else { return }
      unrecordedSince = nil
      history.addUnrecorded(from: since, to: time)
      recorder.record(ended(decision, from: since, to: time))
    } else if unrecordedSince == nil {
      unrecordedSince = time
    }
  }

  /// Runs something beside the supervisor until it ends.
  func begin(_ job: @escaping Job) { jobs.continuation.yield(job) }

  func keepState() {
    let remembered = supervision.remembered(
      at: Self.now, time: time, unrecordedSinceMs: unrecordedSince?.milliseconds)
    kept += 1
    begin { [stateFile, kept] in await stateFile.keep(remembered, number: kept) }
  }

  /// Changes what is decided, and looks at once.
  func change(
    _ body: (inout Supervision) throws(FailoverError) -> Void
  ) throws(FailoverError) {
    try body(&supervision)
    look()
    keepState()
  }
}
