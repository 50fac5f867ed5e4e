public import Encoding

/// What a hold serves: a lawsuit, an inquiry, a patient's request.
public struct Matter: Hashable, Sendable {
  public let id: Identifier
  /// Names, reasons and custodians may name patients: they are sealed like notes.
  public let name: String
  public let reason: String
  /// Who answers for what is held.
  public let custodian: String
  public let opened: Timestamp
  public let openedBy: Identifier

  public init(
    id: Identifier, name: String, reason: String, custodian: String, opened: Timestamp,
    openedBy: Identifier
  ) {
    self.id = id
    self.name = name
    self.reason = reason
    self.custodian = custodian
    self.opened = opened
    self.openedBy = openedBy
  }
}

/// That calls must stay, whatever their age, until two people say otherwise.
public struct LegalHold: Hashable, Sendable {
  public enum Kind: String, CaseIterable, Sendable {
    case legal
    case accessCase = "access-case"
    case accountingCase = "accounting-case"
    case breachCase = "breach-case"
    case restriction
  }
  public let id: Identifier
  public let matter: Identifier
  public let kind: Kind
  public let scope: HoldScope
  public let placed: Timestamp
  public let placedBy: Identifier

  public init(
    id: Identifier, matter: Identifier, kind: Kind, scope: HoldScope, placed: Timestamp,
    placedBy: Identifier
  ) {
    self.id = id
    self.matter = matter
    self.kind = kind
    self.scope = scope
    self.placed = placed
    self.placedBy = placedBy
  }
}

/// That a hold has ended, by two people.
public struct HoldRelease: Hashable, Sendable {
  public let hold: Identifier
  public let approvals: ApprovalPair

  /// - Throws: ``RetentionError/Code/notApproved`` unless both approve the release of just this hold,
  ///   after it was placed.
  public init(of hold: LegalHold, approvals: ApprovalPair) throws(RetentionError) {
    guard approvals.subject == .release(hold.digest) else {
      throw RetentionError(.notApproved, "the approvals are not of this hold's release")
    }
    guard approvals.first.time >= hold.placed, approvals.second.time >= hold.placed else {
      throw RetentionError(.notApproved, "a hold cannot be released before it is placed")
    }
    self.hold = hold.id
    self.approvals = approvals
  }
}

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
