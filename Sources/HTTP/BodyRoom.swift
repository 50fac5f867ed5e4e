import Threading

/// The room that all bodies share which are kept whole until their request is answered.
///
/// A route bounds one body. As many clients as may connect, each slow with one of that size, would hold
/// a thousand times as much.
final class BodyRoom: Sendable {
  /// A body of this size or less finds room that larger ones leave: a few clients with large ones must
  /// not keep everybody's short requests out.
  static let smallBytes = 65_536

  private let limit: Int
  private let taken = Lock(0)

  init(limit: Int) {
    self.limit = limit
  }

  /// Bytes that are taken now.
  var takenBytes: Int { taken.withLock { $0 } }

  /// Takes room for a body to grow, unless there is not enough.
  ///
  /// - Parameters:
  ///   - count: bytes to take; ``give(_:)`` gives them back.
  ///   - held: bytes that the same body has taken before.
  /// - Returns: whether there was enough.
  func take(_ count: Int, beside held: Int) -> Bool {
    let most = held + count <= Self.smallBytes ? limit : limit - limit / 4
    return taken.withLock { taken in
      guard taken + count <= most else { return false }
      taken += count
      return true
    }
  }

  func give(_ count: Int) {
    taken.withLock { $0 -= count }
  }
}
