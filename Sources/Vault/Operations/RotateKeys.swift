import Audit
import Cryptography
public import Encoding
import Threading

extension Vault {
  /// Wrapped keys in one batch: one entry, one transaction.
  static let rewrapBatch = 2048

  /// Begins a new epoch of key-encryption keys, and lets the keys of calls and subjects follow in the
  /// background.
  ///
  /// - Parameter caller: needs ``Right/manageKeys``.
  /// - Returns: the new epoch and the run that wraps keys again.
  /// - Throws: ``VaultError/Code/conflict`` while another run goes on.
  public func rotateKeys(as caller: Caller) async throws(VaultError) -> KeyRun {
    var draft = draft(.keyRotate, .intent, by: caller)
    try await checked(&draft) { _ throws(VaultError) in try self.allow(.manageKeys, caller) }
    let run = try await checked(&draft) { _ throws(VaultError) in
      try self.keyWork.withLock { (work: inout KeyWork) throws(VaultError) -> KeyRun in
        try work.begin(.rotation, by: caller.actor, at: self.now)
      }
    }
    do throws(VaultError) {
      let epoch = try await beginEpoch(draft, run: run.id)
      return keyWork.withLock { $0.began(epoch, in: run.id) }
    } catch {
      keyWork.withLock { $0.end(run.id, .failed(error.detail ?? "the new key could not be kept")) }
      throw error
    }
  }

  /// Entry, new key everywhere, outcome.
  func beginEpoch(
    _ start: EntryDraft, run: Identifier
  ) async throws(VaultError) -> KeyRing.Epoch {
    var intent = start
    intent.run = run
    let announced = intent
    return try await fulfil(announced) { receipt throws(VaultError) -> KeyRing.Epoch in
      self.discard(receipt)
      let epoch = try self.keys.beginEpoch(at: self.now)
      var outcome = announced.closing(.success)
      outcome.keyID = epoch.id
      self.discard(try await self.record(outcome))
      return epoch
    }
  }

  /// Wraps again, under the newest epoch, every key that hangs on an older one.
  ///
  /// It goes on wherever a crash left it, because what is done no longer hangs on an older epoch.
  ///
  /// What did not open and still hangs on an older epoch is named in the run, at most 100 of it.
  ///
  /// - Returns: how many.
  /// - Throws: ``VaultError/Code/unavailable``; what is done stays done.
  func rewrapKeys(
    run: Identifier, by actor: Actor
  ) async throws(VaultError) -> Int {
    let old = try keys.facts().epochs.dropLast().map(\.id)
    var stuck: [WrappedKeyRow] = []
    var stuckCount = 0
    guard !old.isEmpty else { return 0 }
    var cursor: WrappedKeyRow?
    while true {
      let rows = try await catalog.wrappedKeys(under: old, after: cursor, limit: Self.rewrapBatch)
      guard let last = rows.last else { break }
      cursor = last
      let spent = try await spendBatch(
        draft(
          EntryDraft(.keyRewrap, .single, by: actor, on: [configuration.tenant]),
          of: KeyRing.mark(of: rows, in: run)))
      let rewrapped = try keys.rewrap(rows, under: spent)
      _ = try await catalog.rewrap(rewrapped)
      if rewrapped.count < rows.count {
        let opened = Set(rewrapped.map(\.old))
        let failed = rows.filter { !opened.contains($0) }
        stuckCount += failed.count
        stuck += failed.prefix(100 - stuck.count)
        counters.count(.tampered, by: Int64(failed.count))
      }
      keyWork.withLock { $0.advanced(run, by: Int64(rewrapped.count)) }
    }
    for holder in keyStorage.holders {
      do {
        try await holder.rewrapKeys()
      } catch {
        throw VaultError(.unavailable, during: "wrapping keys again", cause: error)
      }
    }
    keyWork.withLock { [stuck, stuckCount] work in
      work.change(run) {
        $0.stuck = stuck
        $0.stuckCount = stuckCount
      }
    }
    return stuckCount
  }

  /// Goes on with what was asked for, or what a stop interrupted; called each second by ``run()``.
  public func keepKeys() async throws(VaultError) {
    guard !keys.isSealed else { return }
    if let (run, kind, actor) = keyWork.withLock({ $0.next() }) {
      switch kind {
      case .rotation:
        let stuck = try await rewrapKeys(run: run, by: actor)
        keyWork.withLock {
          $0.end(
            run,
            stuck == 0
              ? .done("every key hangs on the newest epoch")
              : .failed("\(stuck) keys do not open, and hang on an older epoch as before"))
        }
      case .ratchet: await carryOutRatchet(run: run, by: actor)
      }
      return
    }
    try await finishExcisions()
    if keyWork.withLock({ $0.looksForExcised(at: self.now) }) {
      _ = try await startRatchetIfExcised()
    }
    if try await isRewrapUnfinished() {
      // A stop came in between.
      let run = Identifier.random()
      _ = try await rewrapKeys(run: run, by: systemActor)
    }
  }

  /// Whether keys hang on an older epoch, looked at once after a start.
  private func isRewrapUnfinished() async throws(VaultError) -> Bool {
    guard keyWork.withLock({ $0.looks() }) else { return false }
    let old = try keys.facts().epochs.dropLast().map(\.id)
    guard !old.isEmpty else { return false }
    return try await !catalog.wrappedKeys(under: old, after: nil, limit: 1).isEmpty
  }
}

/// A rotation or a ratchet, as far as it is.
public struct KeyRun: Sendable {
  public enum Kind: String, Sendable {
    case rotation, ratchet
  }
  public enum State: Sendable {
    case running
    case done(String)
    /// Why nothing was destroyed, or why it stopped.
    case failed(String)
  }
  public let id: Identifier
  public let kind: Kind
  public let began: Timestamp
  /// The epoch that was begun; nil: not yet.
  public internal(set) var epoch: UInt32?
  /// Keys wrapped again so far.
  public internal(set) var rewrapped: Int64 = 0
  public internal(set) var state = State.running
  /// Calls with an object that did not open: listed, not in the way; at most 100.
  public internal(set) var damaged: [Identifier] = []
  /// All of them.
  public internal(set) var damagedCount = 0
  /// Keys that do not open and still hang on an older epoch, which no ratchet destroys then; at most 100.
  public internal(set) var stuck: [WrappedKeyRow] = []
  /// All of them.
  public internal(set) var stuckCount = 0
}

/// What is done with keys now, and what was last: one thing at a time.
struct KeyWork: Sendable {
  private(set) var last: KeyRun?
  private var actor: Actor?
  private var isTaken = true
  private var hasLooked = false
  private var lookedForExcised = Timestamp(milliseconds: 0)

  /// Whether it is time to look at what was excised: once a minute, so that a ratchet that fails at once
  /// leaves room for what people ask for.
  mutating func looksForExcised(at now: Timestamp) -> Bool {
    guard (now.milliseconds - lookedForExcised.milliseconds).magnitude >= 60_000 else {
      return false
    }
    lookedForExcised = now
    return true
  }

  mutating func begin(
    _ kind: KeyRun.Kind, by actor: Actor, at now: Timestamp
  ) throws(VaultError) -> KeyRun {
    if let last, case .running = last.state {
      throw VaultError(
        .conflict, during: "beginning with keys", because: nil,
        detail: "a \(last.kind.rawValue) is running; callvault keys status tells how far it is")
    }
    let run = KeyRun(id: .random(), kind: kind, began: now)
    last = run
    self.actor = actor
    // A rotation waits for its epoch.
    isTaken = kind == .rotation
    return run
  }

  mutating func began(_ epoch: KeyRing.Epoch, in run: Identifier) -> KeyRun {
    change(run) { $0.epoch = epoch.number }
    isTaken = false
    return last ?? KeyRun(id: run, kind: .rotation, began: epoch.created)
  }

  /// The run to carry out, given once.
  mutating func next() -> (Identifier, KeyRun.Kind, Actor)? {
    guard !isTaken, let last, let actor, case .running = last.state else { return nil }
    isTaken = true
    return (last.id, last.kind, actor)
  }

  mutating func looks() -> Bool {
    defer { hasLooked = true }
    return !hasLooked
  }

  mutating func advanced(_ run: Identifier, by count: Int64) {
    change(run) { $0.rewrapped += count }
  }

  mutating func end(_ run: Identifier, _ state: KeyRun.State) {
    change(run) { $0.state = state }
  }

  mutating func change(_ run: Identifier, _ body: (inout KeyRun) -> Void) {
    guard last?.id == run else { return }
    last.map {
      var changed = $0
      body(&changed)
      last = changed
    }
  }
}
