public import Encoding

/// A key-encryption key under which nothing may be wrapped any more.
public struct RetiredKEK: Hashable, Sendable {
  public let id: Identifier
  public let epoch: UInt32
  public let retired: Timestamp
  /// What ``KeyRing/Facts/confinedFrom`` was then.
  public let confinedFrom: UInt32
  /// When it was destroyed; nil while it is not.
  public let destroyed: Timestamp?

  public init(
    id: Identifier, epoch: UInt32, retired: Timestamp, confinedFrom: UInt32,
    destroyed: Timestamp? = nil
  ) {
    self.id = id
    self.epoch = epoch
    self.retired = retired
    self.confinedFrom = confinedFrom
    self.destroyed = destroyed
  }
}

/// A call that was purged: all that is left of it.
public struct PurgedCallRow: Hashable, Sendable {
  public let call: Identifier
  public let keyID: Identifier
  /// The epoch under which its key was wrapped first; 0: unknown.
  public let keyEpoch: UInt32
  /// The key-encryption key it hung on when it was purged.
  public let kek: [UInt8]
  /// T0: from then on nobody could open it here.
  public let purged: Timestamp
  /// T1: when the last key it had hung on was destroyed; nil: not yet.
  public let erased: Timestamp?
  /// Whether what backups hold of that key is gone too; nil: not yet known.
  public let isProven: Bool?

  public init(
    call: Identifier, keyID: Identifier, keyEpoch: UInt32, kek: [UInt8], purged: Timestamp,
    erased: Timestamp? = nil, isProven: Bool? = nil
  ) {
    self.call = call
    self.keyID = keyID
    self.keyEpoch = keyEpoch
    self.kek = kek
    self.purged = purged
    self.erased = erased
    self.isProven = isProven
  }
}
