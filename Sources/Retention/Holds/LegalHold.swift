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
