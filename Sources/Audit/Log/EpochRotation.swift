import Cryptography
import Threading

extension AuditLog {
  /// Makes the key of the next epoch and keeps it durably; the next append introduces it.
  ///
  /// Nothing is done where there is no root to be under.
  static func prepareEpoch(
    _ epochs: inout EpochSuccession, keys: any EpochKeys, origin: String, at time: Int64
  ) async throws(AuditError) {
    do {
      guard let root = try await keys.rootKey() else { return }
      guard root.name == Epoch.rootName(in: origin), root.type == .ed25519 else {
        throw AuditError(.invalidDraft, during: "taking another log's root key")
      }
      let key = EpochKey(
        number: epochs.nextNumber, seed: SharedSecret(try SecretBytes.random(count: 32)),
        made: time)
      let signer = try EpochSigner(key, origin: origin)
      try await keys.keep(key)
      epochs.prepare(signer, under: root)
    } catch let error as AuditError {
      throw error
    } catch {
      throw AuditError(.unavailable, during: "making an epoch's key", cause: error)
    }
  }

  /// Begins the next epoch when the live one has had its time, wipes what is closed, and takes up
  /// what the root signed.
  func keepEpochs() async throws {
    guard let epochKeys, epochs.keyring != nil else { return }
    try await takeUpCertification()
    let now = clock.read().milliseconds
    if let live = epochs.live, epochs.next == nil,
      Duration.milliseconds(now) - .milliseconds(live.made) >= configuration.epochLength
    {
      try await rotateEpoch()
    }
    if let live = epochs.live, wipedBut != live.number {
      try await epochKeys.wipeAll(but: live.number)
      wipedBut = live.number
    }
  }

  /// Takes up what the root signed away from here, each line after an entry that says so; it is
  /// published with the head of that entry.
  ///
  /// - Throws: whatever kept the signatures from being read or recorded; then none counts.
  public func takeUpCertification() async throws {
    guard let certified = try await epochKeys?.certified() else { return }
    for epoch in epochs.keyring?.lackingRootLine(of: certified) ?? [] {
      var draft = EntryDraft(.keyCertified, .single, by: system, on: [configuration.tenant])
      draft.digest = SHA256.hash(epoch.text)
      draft.length = Int64(epoch.text.count)
      _ = try await record(draft)
    }
    _ = epochs.takeRootLines(of: certified)
  }

  /// Begins the next epoch now, unless that is being done; returns when its introduction is durable.
  ///
  /// - Throws: ``AuditError/Code/unavailable``; the live epoch goes on, or the log has failed.
  public func rotateEpoch() async throws(AuditError) {
    // Two at once would keep two keys of one number.
    guard let epochKeys, !isRotating else { return }
    isRotating = true
    defer { isRotating = false }
    var prepared = epochs
    try await Self.prepareEpoch(
      &prepared, keys: epochKeys, origin: configuration.origin, at: clock.read().milliseconds)
    // The root may have signed meanwhile, so only what was prepared is taken over.
    guard let next = prepared.next else { return }
    epochs.prepare(next.signer, under: next.root)
    try await settle()
  }
}
