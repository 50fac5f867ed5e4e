public import Audit
public import Cryptography

/// Who may do what, as `Policies/access.yaml` says; what it does not say is denied.
///
/// Specified in `Documentation/formats/policies.md`.
/// A decision is role permission ∧ scope ∧ purpose; it names the rule that decided, and the policy's
/// hash is in every entry.
public struct AccessPolicy: Sendable {
  /// What one role may do.
  public struct Rule: Sendable, Equatable {
    public let rights: Set<Right>
    /// For which purposes content may be asked for.
    public let purposes: Set<PurposeOfUse>
    /// Whether a token that names no group of rights has all of ``rights``, or none.
    public let isWholeWithoutScope: Bool
  }

  /// The roles that must never hear a patient, whatever a file says.
  public static let rolesWithoutContent: Set<Role> = [
    .administrator, .auditor, .operator, .recordsManager,
  ]

  /// The file's own name for what it says, such as a date.
  public let version: String
  /// SHA-256 of the file.
  public let hash: SHA256Digest
  let rules: [Role: Rule]
  /// Scope names and the rights each stands for.
  let groups: [String: Set<Right>]

  /// What a policy says to one question.
  public enum Decision: Sendable, Equatable {
    /// `rule` is the role whose rule decided.
    case granted(rule: Role)
    case refused(Reason, detail: String)
  }

  /// Whether `role` with `scopes` may use `right`, for `purpose` if it needs one.
  ///
  /// The scope's confinement to sources, locations or extensions is not looked at here: it decides
  /// which calls exist for the caller, see ``Confinement``.
  public func decide(
    _ right: Right, role: Role, scopes: some Sequence<Scope>, purpose: PurposeOfUse?
  ) -> Decision {
    guard let rule = rules[role], rule.rights.contains(right) else {
      return .refused(
        .roleLacksRight, detail: "the role `\(role.rawValue)` may not use `\(right.rawValue)`")
    }
    guard rights(of: role, with: scopes).contains(right) else {
      return .refused(
        .outOfScope, detail: "this token's scopes do not include `\(right.rawValue)`")
    }
    if right.needsPurpose {
      guard let purpose else {
        return .refused(
          .purposeMissing, detail: "say why with `Purpose-Of-Use`, such as TREAT")
      }
      guard rule.purposes.contains(purpose) else {
        return .refused(
          .purposeRefused,
          detail: "the role `\(role.rawValue)` may not ask for the purpose \(purpose.rawValue)")
      }
    }
    return .granted(rule: role)
  }

  /// The rights of a role, narrowed by the groups that scopes name.
  public func rights(of role: Role, with scopes: some Sequence<Scope>) -> Set<Right> {
    guard let rule = rules[role] else { return [] }
    var named: Set<Right>?
    for scope in scopes {
      if case .rights(let name) = scope.meaning {
        named = (named ?? []).union(groups[name] ?? [])
      }
    }
    if let named { return rule.rights.intersection(named) }
    return rule.isWholeWithoutScope ? rule.rights : []
  }

  /// The rights a scope of this name stands for; nil if the policy has none.
  func rights(inScope name: String) -> Set<Right>? { groups[name] }

  /// The names of groups that a scope may use, in order.
  public var scopeNames: [String] { groups.keys.sorted() }
}
