/// Who carries a route's calls: the words of the practice's own documents.
public enum Provider: String, CaseIterable, Sendable {
  case threeCX = "3cx"
  case twilio
  case pstnBackup = "pstn_backup"
}

/// How much haste a call, a notice or an action has; emergency calls are `critical` and always first.
public enum Urgency: String, CaseIterable, Sendable, Comparable {
  case critical
  case urgent
  case normal

  /// `critical` is the least: what is sorted by urgency begins with it.
  public static func < (left: Self, right: Self) -> Bool { left.order < right.order }

  private var order: Int {
    switch self {
    case .critical: 0
    case .urgent: 1
    case .normal: 2
    }
  }
}

/// A way for calls, as the policy describes it.
public struct Route: Hashable, Sendable {
  public let id: RouteID
  public let provider: Provider
  /// In order of preference, at least one.
  public let contacts: [RouteContact]
  /// Whether calls on it cost money per minute: such a route needs two voices and has a cap on what is spent.
  public let isPaid: Bool
  /// What must live for the route to work.
  public let needs: [TargetID]
  /// Who answers; empty: a machine, or a place outside that always answers.
  public let callGroups: [CallGroupID]
  /// Whether calls are recorded there.
  public let records: Bool

  public init(
    id: RouteID, provider: Provider, contacts: [RouteContact], isPaid: Bool = false,
    needs: [TargetID] = [], callGroups: [CallGroupID] = [], records: Bool = false
  ) {
    self.id = id
    self.provider = provider
    self.contacts = contacts
    self.isPaid = isPaid
    self.needs = needs
    self.callGroups = callGroups
    self.records = records
  }
}
