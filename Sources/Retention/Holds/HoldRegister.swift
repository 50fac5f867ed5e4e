public import Encoding

/// Whether holds let a call go.
public enum HoldVerdict: Hashable, Sendable {
  case free
  /// The holds that keep it, or may: what is not known holds.
  case held([Identifier])
  /// The holds could not be read.
  case unreadable

  public var isFree: Bool { self == .free }
}

/// The holds that are in force, ready to be asked about many calls.
public struct HoldRegister: Sendable {
  private let holds: [(id: Identifier, matcher: ScopeMatcher)]?
  /// How many holds were read; nil if they could not be.
  public var count: Int? { holds?.count }

  /// Holds that could not be read: they hold everything.
  public static let unreadable = HoldRegister()

  private init() {
    holds = nil
  }

  /// - Parameters:
  ///   - holds: all that are placed and not released.
  ///   - tokens: for each number of their scopes its index tokens, one for each index key; a number that has
  ///     none, or a call's token under another key, cannot be told and holds.
  public init(_ holds: [LegalHold], tokens: [String: [PartyToken]]) {
    self.holds = holds.map { ($0.id, ScopeMatcher($0.scope, tokens: tokens)) }
  }

  public func verdict(on facts: HoldFacts) -> HoldVerdict {
    guard let holds else { return .unreadable }
    var keeping: [Identifier] = []
    for hold in holds where hold.matcher.match(facts) != .no { keeping.append(hold.id) }
    return keeping.isEmpty ? .free : .held(keeping)
  }
}
