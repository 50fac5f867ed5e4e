import Audit
import Cryptography
public import Encoding

/// Long work that somebody asks for and does not wait for.
public enum MaintenanceWork: Sendable {
  /// A backup into a folder; nil: the one of the settings.
  case backup(folder: String?)
  /// A drill with a sample of recordings; the folder aside is chosen if none is given.
  case drill(folder: String?, aside: String?, sample: Int)
  case scrub(ScrubLevel)

  var action: Action {
    switch self {
    case .backup: .backupMade
    case .drill: .backupDrilled
    case .scrub: .scrubRun
    }
  }

  /// Whether it names a place on this machine.
  var namesPlace: Bool {
    switch self {
    case .backup(let folder): folder != nil
    case .drill(let folder, let aside, _): folder != nil || aside != nil
    case .scrub: false
    }
  }
}

/// One piece of work, and what has become of it.
public struct MaintenanceRun: Sendable {
  public enum State: Sendable {
    case running
    case backup(MadeBackup)
    /// The report, and where its certificate is kept.
    case drill(DrillReport, certificate: String)
    case scrub(ScrubState)
    case failed(VaultError)
  }
  public let id: Identifier
  public let kind: String
  public let began: Timestamp
  public var state: State
  /// How long it took; nil while it runs.
  public var milliseconds: Int64?
}

/// Where backups lie and drills take place: the drivers of this machine.
public protocol MaintenancePlaces: Sendable {
  /// - Throws: ``VaultError/Code/invalid`` without a folder, given or in the settings.
  func target(_ folder: String?) throws(VaultError) -> (target: any BackupTarget, name: String)

  func source(
    _ folder: String?, aside: String?
  ) throws(VaultError) -> (source: any DrillSource, name: String)

  /// Keeps a drill's certificate.
  ///
  /// - Returns: where.
  func keep(certificate: [UInt8], of time: Timestamp) throws(VaultError) -> String
}

/// Does one piece of maintenance at a time.
public actor Maintenance {
  private let vault: Vault
  private let places: any MaintenancePlaces
  private let waiting = AsyncStream<(MaintenanceWork, Caller)>.makeStream(
    bufferingPolicy: .bufferingNewest(1))
  /// The last one.
  public private(set) var last: MaintenanceRun?

  public init(vault: Vault, places: any MaintenancePlaces) {
    self.vault = vault
    self.places = places
  }

  /// Begins work; ``run()`` does it.
  ///
  /// - Parameters:
  ///   - work: what to do. Only a local user may name a place on this machine.
  ///   - caller: needs ``Right/runMaintenance``.
  /// - Returns: the run, which has begun.
  /// - Throws: ``VaultError/Code/conflict`` while another runs; ``VaultError/Code/denied``.
  public func start(
    _ work: MaintenanceWork, as caller: Caller
  ) async throws(VaultError) -> MaintenanceRun {
    var busy: String?
    if let last, case .running = last.state { busy = last.kind }
    let run = MaintenanceRun(id: .random(), kind: work.kind, began: vault.now, state: .running)
    let before = last
    // Before anything is waited for: the next one who asks finds it running.
    if busy == nil { last = run }
    do throws(VaultError) {
      try await vault.admitMaintenance(work, as: caller, besides: busy)
    } catch {
      if busy == nil { last = before }
      throw error
    }
    waiting.continuation.yield((work, caller))
    return run
  }

  /// Does what is asked for until the task is cancelled.
  public func run() async {
    for await (work, caller) in waiting.stream {
      let start = ContinuousClock.now
      let state = await perform(work, as: caller)
      last?.state = state
      last?.milliseconds = Int64((ContinuousClock.now - start) / .milliseconds(1))
    }
  }

  private nonisolated func perform(
    _ work: MaintenanceWork, as caller: Caller
  ) async -> MaintenanceRun.State {
    do throws(VaultError) {
      return try await vault.perform(work, in: places, as: caller)
    } catch {
      return .failed(error)
    }
  }
}

extension MaintenanceWork {
  public var kind: String {
    switch self {
    case .backup: "backup"
    case .drill: "drill"
    case .scrub: "scrub"
    }
  }
}

extension Vault {
  /// Whether the caller may have this done; a refusal is accounted for as that attempt.
  func admitMaintenance(
    _ work: MaintenanceWork, as caller: Caller, besides running: String?
  ) async throws(VaultError) {
    var draft = draft(work.action, .single, by: caller, on: [configuration.tenant])
    try await checked(&draft) { _ throws(VaultError) in
      try self.allow(.runMaintenance, caller)
      guard !work.namesPlace || caller.actor.method == .peer else {
        throw VaultError(
          .denied, during: "deciding who may", because: .outOfScope,
          detail: "only a user of this machine may name a folder on it; leave it out for the one "
            + "in callvault.yaml")
      }
      if let running {
        throw VaultError(
          .conflict, during: "beginning maintenance",
          detail: "a \(running) is running; wait for its end")
      }
    }
  }

  /// Does a piece of maintenance from its beginning to its end.
  ///
  /// - Parameters:
  ///   - work: what to do.
  ///   - places: where.
  ///   - caller: who asked; nil: whoever owns the data directory.
  /// - Returns: what came of it.
  /// - Throws: ``VaultError``.
  public func perform(
    _ work: MaintenanceWork, in places: any MaintenancePlaces, as caller: Caller?
  ) async throws(VaultError) -> MaintenanceRun.State {
    switch work {
    case .backup(let folder):
      let (target, name) = try places.target(folder)
      return .backup(try await makeBackup(into: target, at: name, as: caller))
    case .drill(let folder, let aside, let sample):
      let (source, name) = try places.source(folder, aside: aside)
      let report = try await drill(source, sample: sample, at: name, as: caller)
      return .drill(
        report, certificate: try places.keep(certificate: report.certificate, of: report.time))
    case .scrub(let level):
      return .scrub(try await scrub(level, as: caller))
    }
  }
}
