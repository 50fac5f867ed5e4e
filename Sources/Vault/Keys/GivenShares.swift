public import SecretSharing

/// Shares that were given one by one and are not yet enough.
///
/// A decision without a clock: whoever holds it passes the time and asks ``expire(at:)`` now and then.
public struct GivenShares: Sendable {
  /// How long after the first share all of them are forgotten.
  public static let patience: Duration = .seconds(15 * 60)

  /// What became of a share.
  public enum Progress: Sendable {
    /// So many more are needed.
    case waiting(missing: Int)
    /// Enough are there; this has forgotten them.
    case enough([Share])
  }

  /// What the ring says of its shares; nil where it cannot be told.
  public let ceremony: ShareCeremony?
  private var shares: [Share] = []
  private var first: ContinuousClock.Instant?

  public init(of ceremony: ShareCeremony?) {
    self.ceremony = ceremony
  }

  public var count: Int { shares.count }

  /// Takes a share.
  ///
  /// - Parameters:
  ///   - share: parsed, so whole by itself.
  ///   - now: the time, on a clock that is never set.
  /// - Returns: how many are missing, or all of them.
  /// - Throws: `ShareError` with `otherCeremony` or `duplicate`; what was given before stays.
  public mutating func take(
    _ share: Share, at now: ContinuousClock.Instant
  ) throws(ShareError) -> Progress {
    expire(at: now)
    if let ceremony,
      ceremony.identifier != share.ceremony.identifier
        || ceremony.threshold != Int(share.memberThreshold)
    {
      throw ShareError(.otherCeremony)
    }
    if let other = shares.first {
      guard other.ceremony == share.ceremony, other.memberThreshold == share.memberThreshold else {
        throw ShareError(.otherCeremony)
      }
    }
    guard
      !shares.contains(where: {
        $0.groupIndex == share.groupIndex && $0.memberIndex == share.memberIndex
      })
    else { throw ShareError(.duplicate) }
    shares.append(share)
    if first == nil { first = now }
    let missing = Int(share.memberThreshold) - shares.count
    guard missing <= 0 else { return .waiting(missing: missing) }
    let enough = shares
    forget()
    return .enough(enough)
  }

  /// Forgets all of them once the first is too old.
  ///
  /// - Returns: whether any were forgotten.
  @discardableResult
  public mutating func expire(at now: ContinuousClock.Instant) -> Bool {
    guard let first, now - first >= Self.patience else { return false }
    forget()
    return true
  }

  /// Forgets all of them.
  public mutating func forget() {
    shares = []
    first = nil
  }
}
