/// What the log does by itself while it runs.
public enum LogUpkeep: String, CaseIterable, Sendable {
  /// Making counted refusals durable.
  case refusals
  case publishing
  /// Having room in the journal for what is to come.
  case room
  /// Letting go of pieces of the journal that no start needs.
  case journal
  case heartbeat
  /// Changing the epoch's key, wiping the one before, and taking up what the root signed.
  case epochs
  /// Removing what an interrupted pruning left.
  case pruning
  /// Removing partial tiles that others supersede.
  case partials
  /// Recording the stop and publishing everything.
  case stop
}

extension AuditLog {
  /// Publishes, beats and counts until the task is cancelled; then records the stop, publishes
  /// everything and closes the log.
  public func run() async {
    let configuration = configuration
    await withTaskGroup(of: Void.self) { group in
      group.addTask { await self.settleUnattended() }
      group.addTask {
        await self.repeatedly(.refusals, every: configuration.aggregateInterval) {
          try await self.flushRefusals()
        }
      }
      group.addTask {
        await self.repeatedly(.publishing, every: configuration.publishInterval) {
          try await self.publish()
          await self.attempt(.journal) { try await self.releaseJournal() }
        }
      }
      group.addTask {
        let pace = min(configuration.heartbeatInterval, .seconds(1))
        await self.repeatedly(.room, every: pace) { try await self.regainRoom() }
      }
      group.addTask {
        let pace = min(configuration.heartbeatInterval, .seconds(1))
        await self.repeatedly(.heartbeat, every: pace) { try await self.beatIfIdle() }
      }
      group.addTask {
        let pace = min(configuration.epochLength, .seconds(60))
        await self.repeatedly(.epochs, every: pace) { try await self.keepEpochs() }
      }
      group.addTask {
        await self.repeatedly(.pruning, every: .seconds(60)) { try await self.finishPruning() }
      }
      group.addTask {
        await self.repeatedly(.partials, every: configuration.partialGrace) {
          try await self.removeSupersededPartials()
        }
      }
    }
    await close()
  }

  /// Runs until cancelled.
  ///
  /// What fails is kept in ``status`` by what failed, and tried again.
  nonisolated private func repeatedly(
    _ upkeep: LogUpkeep, every interval: Duration, _ step: () async throws -> Void
  ) async {
    while !Task.isCancelled {
      await attempt(upkeep, step)
      do {
        try await Task.sleep(for: interval)
      } catch {
        return
      }
    }
  }

  /// Tries once, and keeps what came of it.
  nonisolated func attempt(
    _ upkeep: LogUpkeep, _ step: () async throws -> Void
  ) async {
    do {
      try await step()
      await note(upkeep, nil)
    } catch {
      await note(upkeep, error)
    }
  }

  private func note(_ upkeep: LogUpkeep, _ failure: (any Error)?) {
    upkeepFailures[upkeep] = failure
  }

  private func beatIfIdle() async throws {
    guard ContinuousClock.now - lastCommit >= configuration.heartbeatInterval else { return }
    _ = try await append(EntryDraft(.logHeartbeat, .single, by: system))
  }

  private func removeSupersededPartials() async throws {
    try await store.removeSupersededPartials(below: publishing.edge.size)
  }

  func close() async {
    guard !isClosed else { return }
    isClosed = true
    do {
      try await flushRefusals(closing: true)
      _ = try await append(EntryDraft(.logStop, .single, by: system), closing: true)
      try await publish()
      // Leaves the next start nothing to read.
      try await turnJournal()
      try await releaseJournal()
    } catch {
      // Nothing is lost: the next start reads the journal as after a crash, and says so.
      upkeepFailures[.stop] = error
    }
  }
}
