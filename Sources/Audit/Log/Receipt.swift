public import Cryptography
public import Encoding

/// Proof in hand that an entry is durable and covered by a signed head.
///
/// Only ``AuditLog`` makes one, and it can be spent once: the compiler refuses a second use. A key
/// is unwrapped only against the receipt of the entry that says who asked for what.
public struct Receipt: ~Copyable, Sendable {
  /// Where the entry stands in the log.
  public let position: LogPosition
  public let entryID: Identifier
  /// When the entry was made, by the machine's clock.
  public let time: Timestamp
  let action: Action
  let phase: Phase
  let outcome: OutcomeCode?
  let principal: Identifier
  let objects: [Identifier]
  let parts: [PartName]
  let batch: BatchMark?

  init(
    position: LogPosition, entryID: Identifier, time: Timestamp, action: Action, phase: Phase,
    outcome: OutcomeCode?, principal: Identifier, objects: [Identifier], parts: [PartName],
    batch: BatchMark? = nil
  ) {
    self.position = position
    self.entryID = entryID
    self.time = time
    self.action = action
    self.phase = phase
    self.outcome = outcome
    self.principal = principal
    self.objects = objects
    self.parts = parts
    self.batch = batch
  }

  /// The entry's index, counted from 0.
  public var index: Int64 { position.index }
  public var leafHash: SHA256Digest { position.leafHash }

  /// Spends the receipt on one object, or on one of the up to 100 it names.
  ///
  /// - Throws: ``AuditError/Code/mismatch`` if the entry records something other than this
  ///   principal doing `operation` to `part` of `object`, or records an end rather than a
  ///   beginning: a refusal's receipt opens nothing, nor does an outcome's.
  public consuming func spend(
    for operation: Action, on object: Identifier, part: String, by principal: Identifier
  ) throws(AuditError) -> SpentReceipt {
    let spent = try spend(for: operation, by: principal)
    try spent.check(object, part: part)
    return spent
  }

  /// Spends the receipt on everything it names.
  ///
  /// A page of results is one entry with up to 100 objects. Each object and part must then pass ``SpentReceipt/check(_:part:)``.
  ///
  /// - Throws: ``AuditError/Code/mismatch`` as above.
  public consuming func spend(
    for operation: Action, by principal: Identifier
  ) throws(AuditError) -> SpentReceipt {
    let begins =
      switch phase {
      case .intent: true
      case .single: outcome == nil || outcome == .success
      case .outcome: false
      }
    guard begins, action == operation, self.principal == principal else {
      throw AuditError(.mismatch, during: "spending a receipt")
    }
    return SpentReceipt(
      position: position, entryID: entryID, operation: action, principal: principal,
      objects: objects, parts: parts, batch: batch)
  }
}

/// What an entry says of a batch that is too long to name: how many, and the SHA-256 of their list.
public struct BatchMark: Hashable, Sendable {
  public let run: Identifier
  public let count: Int64
  public let digest: SHA256Digest

  public init(run: Identifier, count: Int64, digest: SHA256Digest) {
    self.run = run
    self.count = count
    self.digest = digest
  }
}

/// What a receipt was spent for: the permission to unwrap the keys of what it names, and no other.
public struct SpentReceipt: ~Copyable, Sendable {
  public let position: LogPosition
  public let entryID: Identifier
  public let operation: Action
  public let principal: Identifier
  public let objects: [Identifier]
  public let parts: [PartName]
  /// The batch it is for, where the entry is of one.
  public let batch: BatchMark?

  init(
    position: LogPosition, entryID: Identifier, operation: Action, principal: Identifier,
    objects: [Identifier], parts: [PartName], batch: BatchMark? = nil
  ) {
    self.position = position
    self.entryID = entryID
    self.operation = operation
    self.principal = principal
    self.objects = objects
    self.parts = parts
    self.batch = batch
  }

  /// - Throws: ``AuditError/Code/mismatch`` unless the entry names both `object` and `part`.
  public borrowing func check(_ object: Identifier, part: String) throws(AuditError) {
    guard objects.contains(object), parts.contains(where: { $0.description == part }) else {
      throw AuditError(.mismatch, during: "checking what a receipt names")
    }
  }
}

extension Entry {
  /// What the entry says of a batch, if it is of one.
  var batch: BatchMark? {
    guard let run, let count, let digest else { return nil }
    return BatchMark(run: run, count: count, digest: digest)
  }
}
