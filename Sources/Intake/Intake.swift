import Audit
public import Encoding
public import Threading
public import Vault

/// Takes in what a phone system drops into one folder: seals it through the vault's ordinary operations, and removes
/// the file once its receipt is durable.
///
/// What cannot be understood goes to quarantine, with an entry; what cannot be done now stays where it
/// is. The order, and what a crash leaves in between: call and recording durable (found again,
/// recognised by source, id and bytes, and removed) → recording removed (its sidecar is left alone) →
/// sidecar removed. Nothing is removed that is not stored, and nothing is stored twice.
public actor Intake {
  /// One folder, as the settings describe it.
  public struct Configuration: Sendable {
    /// The phone system's name in the vault.
    public var source: String
    public var location: String?
    public var rules: IntakeRules
    /// What the times in file names follow.
    public var zone: TimeZoneRules
    /// How often the folder is looked at without a hint.
    public var rescan: Duration

    public init(
      source: String, location: String?, rules: IntakeRules, zone: TimeZoneRules,
      rescan: Duration = .seconds(30)
    ) {
      self.source = source
      self.location = location
      self.rules = rules
      self.zone = zone
      self.rescan = rescan
    }
  }

  /// Files sealed at once.
  private static let atOnce = 2
  /// Pieces of work fetched between two looks at what is next.
  private static let batch = 64

  public nonisolated let configuration: Configuration
  private let vault: Vault
  private let folder: any DropFolder
  private let facts = Lock(IntakeFacts())
  private let clock = ContinuousClock()
  private let wall: any WallClock
  private let start: ContinuousClock.Instant
  private var state: FolderState

  public init(
    _ configuration: Configuration, vault: Vault, folder: any DropFolder,
    wall: any WallClock = SystemClock()
  ) {
    self.configuration = configuration
    self.wall = wall
    self.vault = vault
    self.folder = folder
    start = clock.now
    state = FolderState(configuration.rules)
  }

  /// What was done, and how it goes now; does not wait for anything.
  public nonisolated var status: IntakeFacts { facts.withLock { $0 } }

  /// Looks and works until the task is cancelled; a file that is being sealed then stays where it is.
  public func run() async {
    while !Task.isCancelled {
      await look()
      let now = milliseconds
      var limit = configuration.rescan
      if let due = state.nextDue(after: now) { limit = min(limit, .milliseconds(due - now)) }
      await folder.wait(atMost: limit)
    }
  }

  /// Lists the folder once, and does what is due.
  func look() async {
    do throws(IntakeError) {
      let listing = try await folder.list()
      let reading = wall.read()
      state.observe(
        listing.files, endsRound: listing.endsRound,
        wall: reading.state == .stepped ? nil : reading.milliseconds, at: milliseconds)
      facts.withLock { [state] in
        $0.failure =
          listing.shortfall
          ?? (state.isFull
            ? IntakeError(.unavailable, during: "waiting with more files than are known at once")
            : nil)
      }
    } catch {
      facts.withLock { [error] in $0.failure = error }
      return
    }
    while !Task.isCancelled {
      let all = state.next(atMost: Self.batch, at: milliseconds)
      if all.isEmpty { break }
      await work(on: all)
    }
    let lying = await folder.quarantined()
    facts.withLock { [state] in
      $0.waiting = state.waiting
      $0.postponed = state.postponed
      $0.lyingInQuarantine = lying
    }
  }

  private func work(on all: [FolderState.Work]) async {
    await withTaskGroup(of: (FolderState.Work, FolderState.Result).self) { group in
      var rest = all[...]
      for work in rest.prefix(Self.atOnce) { group.addTask { (work, await self.result(of: work)) } }
      rest = rest.dropFirst(Self.atOnce)
      while let (work, result) = await group.next() {
        state.finish(work, result, at: milliseconds)
        while let next = rest.popFirst() {
          guard !state.isHalted(at: milliseconds) else {
            state.giveBack(next)
            continue
          }
          group.addTask { (next, await self.result(of: next)) }
          break
        }
      }
    }
  }

  /// Milliseconds since this began.
  private var milliseconds: Int64 {
    let parts = start.duration(to: clock.now).components
    return parts.seconds * 1000 + parts.attoseconds / 1_000_000_000_000_000
  }

  // MARK: One piece of work

  private nonisolated func result(of work: FolderState.Work) async -> FolderState.Result {
    guard !Task.isCancelled else { return .postponed }
    do {
      switch work {
      case .take(let file, let sidecar):
        try await take(file, sidecar)
        return await removed(file, sidecar)
      case .remove(let file, let sidecar):
        return await removed(file, sidecar)
      case .quarantine(let files, let reason):
        try await quarantine(files, because: reason)
        return .done
      }
    } catch let error as IntakeError {
      switch error.code {
      case .vanished, .changed: return .changed
      case .refused(let reason): return .refused(reason)
      case .malformed, .unavailable: return postponed(error, .postponed)
      }
    } catch {
      return postponed(error, .halted)
    }
  }

  private nonisolated func postponed(
    _ error: any Error, _ result: FolderState.Result
  ) -> FolderState.Result {
    if !Task.isCancelled {
      facts.withLock {
        $0.postponements += 1
        $0.lastFailure = error
      }
    }
    return result
  }

  /// Seals a recording; when this returns, its receipt is durable.
  private nonisolated func take(_ file: DroppedFile, _ sidecar: DroppedFile?) async throws {
    let described = try await read(sidecar)
    guard let name = String(validating: file.path.name, as: UTF8.self) else {
      throw IntakeError(.refused(.nameEncoding), during: "reading the name of a recording")
    }
    let call = try CallDescription.call(
      named: name, sidecar: described, source: configuration.source,
      location: configuration.location, in: configuration.zone)
    let reader = try await folder.open(file)
    do {
      let receipt = try await store(call, from: reader, expecting: described)
      await reader.close()
      facts.withLock {
        if receipt.isRepeated { $0.recognised += 1 } else { $0.taken += 1 }
      }
    } catch {
      await reader.close()
      throw error
    }
  }

  private nonisolated func store(
    _ call: NewCall, from reader: any DroppedFileReader, expecting sidecar: Sidecar?
  ) async throws -> RecordingReceipt {
    guard let first = try await reader.next() else {
      throw IntakeError(.refused(.empty), during: "looking at a dropped file")
    }
    guard SoundHeader.isSound(first) else {
      throw IntakeError(.refused(.notAudio), during: "looking at a dropped file")
    }
    let source = DroppedBody(first, reader)
    do throws(VaultError) {
      let caller = try await vault.admitIntake(of: configuration.source)
      let id = try await callID(call, as: caller)
      return try await vault.storeRecording(in: id, expecting: sidecar?.digest, as: caller) {
        try await source.next()
      }
    } catch {
      // What the file did is not what the vault thinks of it.
      if let failure = source.failure { throw failure }
      switch error.code {
      case .tooLarge: throw IntakeError(.refused(.tooLarge), during: "storing", cause: error)
      case .invalid:
        throw IntakeError(
          .refused(source.isAtEnd ? .digest : .details), during: "storing", cause: error)
      default: throw error
      }
    }
  }

  /// The call that is new, or the one of this source and id that is there already.
  private nonisolated func callID(
    _ call: NewCall, as caller: Caller
  ) async throws(VaultError) -> Identifier {
    do throws(VaultError) {
      return try await vault.createCall(call, as: caller).call
    } catch {
      guard error.code == .conflict, let existing = error.existing else { throw error }
      // A stop may have come between the call and what was said of it.
      for record in call.consent {
        do throws(VaultError) {
          _ = try await vault.recordConsent(record, of: existing, as: caller)
        } catch {
          guard error.code == .conflict else { throw error }
        }
      }
      return existing
    }
  }

  private nonisolated func read(_ sidecar: DroppedFile?) async throws(IntakeError) -> Sidecar? {
    guard let sidecar else { return nil }
    let reader = try await folder.open(sidecar)
    let result: Result<[UInt8], IntakeError>
    do throws(IntakeError) {
      var bytes: [UInt8] = []
      while bytes.count <= Sidecar.byteLimit, let piece = try await reader.next() { bytes += piece }
      result = .success(bytes)
    } catch {
      result = .failure(error)
    }
    await reader.close()
    do throws(IntakeError) {
      return try Sidecar(parsing: try result.get())
    } catch {
      guard error.code == .malformed else { throw error }
      throw IntakeError(.refused(.sidecar), during: "reading a sidecar", cause: error)
    }
  }

  /// The recording first: a recording left without its sidecar would be taken for another call.
  private nonisolated func removed(
    _ file: DroppedFile, _ sidecar: DroppedFile?
  ) async -> FolderState.Result {
    do throws(IntakeError) {
      try await folder.remove(file)
      if let sidecar { try await folder.remove(sidecar) }
      return .done
    } catch {
      // Other bytes under the same name are another recording.
      if error.code == .changed { return .changed }
      facts.withLock { [error] in
        $0.postponements += 1
        $0.lastFailure = error
      }
      return .stored
    }
  }

  private nonisolated func quarantine(
    _ files: [DroppedFile], because reason: QuarantineReason
  ) async throws {
    let caller = try await vault.admitIntake(of: configuration.source)
    try await vault.recordQuarantine(
      of: files.first?.path.name ?? [], because: reason.rawValue, isTooLarge: reason == .tooLarge,
      as: caller
    ) {
      try await folder.quarantine(files, because: reason)
    }
    facts.withLock { $0.quarantined[reason, default: 0] += 1 }
  }
}

/// How a folder's intake goes; nothing here names anybody.
public struct IntakeFacts: Sendable {
  /// Recordings stored, and those that were stored already, since the start.
  public internal(set) var taken: Int64 = 0
  public internal(set) var recognised: Int64 = 0
  /// Files put into quarantine since the start.
  public internal(set) var quarantined: [QuarantineReason: Int64] = [:]
  /// Times that a file could not be taken or removed and was left for later.
  public internal(set) var postponements: Int64 = 0
  /// Files in the folder at the last look, and those of them whose work failed.
  public internal(set) var waiting = 0
  public internal(set) var postponed = 0
  /// What lies in quarantine; nil: it cannot be read.
  public internal(set) var lyingInQuarantine: Int?
  /// Why the folder, or not all of it, cannot be listed now; nil: it can.
  public internal(set) var failure: (any Error)?
  /// Why the last file that was left for later was.
  public internal(set) var lastFailure: (any Error)?

  /// Why intake does not go on, for the operator; nil: it does.
  public var trouble: (any Error)? { failure ?? (postponed > 0 ? lastFailure : nil) }
}

/// The body of a recording as the vault reads it, and what became of the file meanwhile.
private final class DroppedBody: Sendable {
  private struct State {
    var first: [UInt8]?
    var failure: (any Error)?
    var isAtEnd = false
  }
  private let state: Lock<State>
  private let reader: any DroppedFileReader

  init(_ first: [UInt8], _ reader: any DroppedFileReader) {
    state = Lock(State(first: first))
    self.reader = reader
  }

  /// Why reading failed; nil: it did not.
  var failure: (any Error)? { state.withLock { $0.failure } }
  /// Whether all was read.
  var isAtEnd: Bool { state.withLock { $0.isAtEnd } }

  func next() async throws -> [UInt8]? {
    if let first = state.withLock({ state -> [UInt8]? in
      defer { state.first = nil }
      return state.first
    }) {
      return first
    }
    do {
      // A stop must not wait for the end of a long recording.
      try Task.checkCancellation()
      let bytes = try await reader.next()
      if bytes == nil { state.withLock { $0.isAtEnd = true } }
      return bytes
    } catch {
      state.withLock { $0.failure = error }
      throw error
    }
  }
}

/// Whether bytes begin as a recording does.
///
/// Only what is clearly something else is refused: a recording that is cut or damaged is kept as it is.
enum SoundHeader {
  static func isSound(_ bytes: [UInt8]) -> Bool {
    func begins(_ text: String) -> Bool { bytes.starts(with: text.utf8) }
    if begins("RIFF") || begins("RF64") { return bytes.dropFirst(8).starts(with: "WAVE".utf8) }
    if begins("fLaC") || begins("OggS") || begins("ID3") { return true }
    // An MPEG audio frame: eleven bits set, then a version and a layer that exist.
    guard bytes.count >= 4, bytes[0] == 0xFF, bytes[1] & 0xE0 == 0xE0 else { return false }
    return bytes[1] & 0x18 != 0x08 && bytes[1] & 0x06 != 0
  }
}
