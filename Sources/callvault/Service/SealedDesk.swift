import Audit
import Cryptography
import Drivers
import Encoding
import SecretSharing
import Service
import Threading
import Vault

/// Takes shares, and asks the custodian again, until the key ring opens.
///
/// Each attempt is in the unsealing log before it is answered; what was given and not yet enough is wiped
/// after ``GivenShares/patience``.
actor SealedDesk: UnsealingDesk {
  private let log: AuditLog
  private let sealing: RootKeeper
  private let operatorLog: OperatorLog
  private let use: @Sendable (KeyRing) async throws(VaultError) -> Void
  // A passphrase takes half a second, and a token as long as it likes.
  private let executor: BlockingExecutor
  private var given: GivenShares
  private var isOpen = false

  nonisolated var unownedExecutor: UnownedSerialExecutor {
    unsafe executor.asUnownedSerialExecutor()
  }

  /// - Parameters:
  ///   - log: of attempts; who made the desk runs it.
  ///   - sealing: says who keeps the root key.
  ///   - operatorLog: is told when shares are wiped.
  ///   - use: opens the vault with the ring; returns when requests are answered by it.
  /// - Throws: `ThreadingError` when the kernel gives no thread.
  init(
    log: AuditLog, sealing: RootKeeper, operatorLog: OperatorLog,
    use: @escaping @Sendable (KeyRing) async throws(VaultError) -> Void
  ) throws(ThreadingError) {
    executor = try BlockingExecutor(label: "unsealing")
    self.use = use
    self.log = log
    self.sealing = sealing
    self.operatorLog = operatorLog
    given = GivenShares(of: sealing.ceremony)
  }

  /// Wipes shares that were given too long ago, until the task is cancelled.
  func watch() async {
    while !Task.isCancelled {
      if given.expire(at: .now) { operatorLog.write(.info, "shares-wiped") }
      do {
        try await Task.sleep(for: .seconds(1))
      } catch {
        break
      }
    }
    given.forget()
  }

  func progress() async -> UnsealingProgress {
    UnsealingProgress(
      isSealed: !isOpen, custodian: sealing.kindName, threshold: sealing.ceremony?.threshold,
      given: given.count)
  }

  func take(
    share text: SharedSecret, via address: String, request: Identifier
  ) async throws -> UnsealingProgress {
    let step: GivenShares.Progress
    do throws(ShareError) {
      guard sealing.kind == .shares else { throw ShareError(.otherCeremony) }
      let share = try text.withBytes { (text: RawSpan) throws(ShareError) in
        try Share(parsing: text)
      }
      step = try given.take(share, at: .now)
    } catch {
      // Anybody can send such a thing any number of times: a flood of them is counted.
      var draft = draft(request)
      draft.outcome = .refused
      draft.reason = error.reason
      try await record { [draft] (log) throws(AuditError) in
        try await log.recordRefusal(Refusal(draft, from: address))
      }
      throw VaultError(
        .invalid, during: "taking a share",
        detail: sealing.kind == .shares
          ? error.description : "this vault is not opened by shares: \(sealing.hint)", cause: error)
    }
    var draft = draft(request)
    draft.commits[.via] = Array(address.utf8)
    switch step {
    case .waiting:
      draft.outcome = .partial
      try await record { [draft] (log) throws(AuditError) in _ = try await log.record(draft) }
      return await progress()
    case .enough(let shares):
      return try await open(with: ShareCustodian(shares: shares), draft)
    }
  }

  func askCustodian(via address: String, request: Identifier) async throws -> UnsealingProgress {
    var draft = draft(request)
    draft.commits[.via] = Array(address.utf8)
    return try await open(with: sealing.custodian(), draft)
  }

  /// Opens the ring; the intent is durable before the root is touched.
  private func open(
    with custodian: any KeyCustodian, _ draft: EntryDraft
  ) async throws -> UnsealingProgress {
    guard !isOpen else {
      throw VaultError(.conflict, during: "unsealing", detail: "the vault is open already")
    }
    var intent = draft
    intent.phase = .intent
    try await record { [intent] (log) throws(AuditError) in _ = try await log.record(intent) }
    let ring: KeyRing
    do throws(VaultError) {
      ring = try sealing.open(with: custodian)
    } catch {
      let outcome = intent.closing(.failed, because: error.code == .tampered ? .tampered : .sealed)
      try await record { (log) throws(AuditError) in _ = try await log.record(outcome) }
      throw VaultError(
        error.code == .sealed ? .invalid : error.code, during: "unsealing",
        detail: error.detail ?? "the key ring did not open", cause: error)
    }
    let outcome = intent.closing(.success)
    try await record { (log) throws(AuditError) in _ = try await log.record(outcome) }
    isOpen = true
    given.forget()
    do throws(VaultError) {
      try await use(ring)
    } catch {
      isOpen = false
      throw error
    }
    return await progress()
  }

  private func draft(_ request: Identifier) -> EntryDraft {
    var draft = EntryDraft(
      .keyUnseal, .single,
      by: Actor(id: log.configuration.tenant, kind: .unknown, method: .none, strength: 0),
      on: [log.configuration.tenant])
    draft.request = request
    return draft
  }

  private func record(
    _ body: @Sendable (AuditLog) async throws(AuditError) -> Void
  ) async throws {
    do {
      try await body(log)
    } catch {
      throw VaultError(
        .unavailable, during: "recording an attempt to unseal",
        detail: "the attempt cannot be recorded, so it was not made", cause: error)
    }
  }
}

extension ShareError {
  /// What the log says of a share that is not taken.
  fileprivate var reason: Reason {
    switch code {
    case .duplicate: .duplicate
    case .otherCeremony, .mismatch: .credentialUnknown
    case .libraryFailure: .internal
    default: .malformed
    }
  }
}
