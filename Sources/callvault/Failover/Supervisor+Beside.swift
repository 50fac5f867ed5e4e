import Audit
import Cryptography
import Encoding
import Failover
import Service

/// What runs beside the decisions: people who are told, groups that are counted, drift that is looked for.
extension Supervisor {
  /// How often groups of the phone system are counted, as the practice's documents ask.
  private static let groupPace: Duration = .seconds(60)
  private static let lintPace: Duration = .seconds(3_600)
  private static let beatPace: Duration = .seconds(15)

  func publish(_ event: JSONObject) { events.publish(event) }

  /// Tells people something.
  func tell(
    _ event: Notice.Event, _ urgency: Urgency, subject: String?, call: Identifier? = nil,
    besides notifiers: [NotifierID] = []
  ) {
    let notice = Notice(
      id: .random(), event: event, urgency: urgency, state: supervision.routing.state,
      subject: subject, call: call, atMs: time.milliseconds)
    operatorLog.write(
      urgency == .normal ? .info : .warning, "notice",
      [
        "notice": .string(event.rawValue), "id": .string(notice.id.description),
        "urgency": .string(urgency.rawValue), "subject": .string(subject ?? ""),
      ])
    publish([
      "event": "notice", "notice": .string(event.rawValue),
      "id": .string(notice.id.description), "urgency": .string(urgency.rawValue),
    ])
    deliver(ledger.add(notice, besides: notifiers, at: Self.now))
  }

  func deliver(_ delivery: NoticeLedger.Delivery) {
    for id in delivery.notifiers {
      guard let notifier = parts.notifiers[id] else { continue }
      begin { await self.send(delivery.notice, by: notifier) }
    }
  }

  /// Three tries, a little apart: a notice that is lost is worse than one that comes twice.
  private nonisolated func send(_ notice: Notice, by notifier: any Notifier) async {
    var last: (any Error)?
    for attempt in 0..<3 {
      do {
        if attempt > 0 { try await Task.sleep(for: .seconds(2 * attempt)) }
        try await notifier.send(notice, before: Self.now.advanced(byMs: 10_000))
        return
      } catch {
        last = error
        if Task.isCancelled { break }
      }
    }
    await notSent(notice, by: notifier.id, because: last)
  }

  private func notSent(_ notice: Notice, by notifier: NotifierID, because error: (any Error)?) {
    counters.noticesFailed += 1
    operatorLog.write(
      .error, "notice-not-sent",
      [
        "notifier": .string(notifier.description), "id": .string(notice.id.description),
        "cause": .string(error.map(OperatorLog.describe) ?? "stopped"),
      ])
  }

  func countGroups() async {
    while !Task.isCancelled {
      for (group, source) in parts.groups {
        do {
          let members = try await source.members(of: group)
          supervision.count(members, of: group)
        } catch {
          operatorLog.write(
            .warning, "group-not-counted",
            [
              "group": .string(group.description),
              "cause": .string(OperatorLog.describe(error)),
            ])
        }
      }
      do { try await Task.sleep(for: Self.groupPace) } catch { return }
    }
  }

  func lintHourly() async {
    while !Task.isCancelled {
      await lookForDrift()
      do { try await Task.sleep(for: Self.lintPace) } catch { return }
    }
  }

  /// Looks when a target begins to be doubted, so that a switch finds what stands in its way known; never
  /// in the switch's own way.
  func lintIfDoubtful() {
    let before = doubted
    doubted = Set(
      supervision.targets.filter { $0.belief == .suspect || $0.belief == .down }.map(\.target.id))
    guard !doubted.isSubset(of: before) else { return }
    // Targets that come and go must not wear out the interfaces that a switch needs.
    let now = Self.now
    guard lintedAt.map({ now.ms(since: $0) >= 60_000 }) ?? true else { return }
    lintedAt = now
    begin { await self.lookForDrift() }
  }

  /// Looks, and tells people of what blocks.
  @discardableResult
  func lookForDrift() async -> [DriftFinding] {
    let findings = await findings()
    for finding in findings where finding.severity == .blocking {
      // What nobody has acknowledged yet is repeated by the ledger.
      let isOpen = ledger.open.contains {
        $0.notice.event == .drift && $0.notice.subject == finding.code
      }
      if !isOpen { tell(.drift, .urgent, subject: finding.code) }
    }
    return findings
  }

  /// Looks, and keeps what blocks for the line of the next switch.
  func findings() async -> [DriftFinding] {
    lintedAt = Self.now
    var findings: [DriftFinding] = []
    for linter in parts.linters {
      findings += await linter.findings(for: policy.choices.map(\.route))
    }
    blocked = findings.filter { $0.severity == .blocking }
    return findings
  }

  func beat() async {
    while !Task.isCancelled {
      events.beat()
      do { try await Task.sleep(for: Self.beatPace) } catch { break }
    }
    events.end()
  }

  /// Moves calls that are going on, ten at once, emergencies first.
  nonisolated func rescue(by mover: any CallMover, to plan: RoutePlan) async {
    do {
      let calls = try await mover.liveCalls()
      let outcomes = await CallRescue(mover: mover) { Self.now }
        .move(calls, to: plan.route, before: Self.now.advanced(byMs: 10_000))
      operatorLog.write(
        .info, "rescued",
        [
          "actuator": .string(mover.id.description), "calls": .integer(Int64(calls.count)),
          "moved": .integer(Int64(outcomes.filter { $0.failure == nil }.count)),
        ])
    } catch {
      operatorLog.write(
        .warning, "no-rescue",
        [
          "actuator": .string(mover.id.description),
          "cause": .string(OperatorLog.describe(error)),
        ])
    }
  }
}
