import Audit
import Cryptography
import Retention
public import YAML

extension AccessPolicy {
  /// Reads `Policies/access.yaml`.
  ///
  /// Every role must be there, each key must be known, and no role that must never hear a patient may
  /// have a content right.
  ///
  /// - Parameters:
  ///   - bytes: the file; at most a MiB.
  ///   - file: its name in errors.
  /// - Throws: a ``YAMLError`` with file, line and column of the first thing that is wrong.
  public init(parsing bytes: [UInt8], file: String) throws(YAMLError) {
    let top = try YAMLNode(parsing: bytes, file: file).mapping(of: [
      "v", "version", "owner", "effective", "cite", "roles", "scopes",
    ])
    _ = try top.required("v").integer(in: 1...1)
    let version = try top.required("version").text(atMost: 64)
    _ = try top.required("owner").text(atMost: 128)
    _ = try top.required("effective").date()
    let citations = try top.required("cite")
    guard try !citations.strings().isEmpty else {
      throw YAMLError(.wrongType, at: citations.position, "at least one citation is expected here")
    }

    var rules: [Role: Rule] = [:]
    let roles = try top.required("roles")
    for entry in try roles.entries() {
      guard let role = Role(rawValue: entry.key) else {
        throw YAMLError(
          .unknownKey, at: entry.position,
          "unknown role '\(entry.key)'; known: \(Self.names(Role.self))")
      }
      rules[role] = try Self.rule(entry.value, of: role)
    }
    for role in Role.allCases where rules[role] == nil {
      throw YAMLError(
        .missingKey, at: roles.position, "the role '\(role.rawValue)' is missing here")
    }

    var groups: [String: Set<Right>] = [:]
    for entry in try top.required("scopes").entries() {
      guard case .rights = Scope(entry.key)?.meaning else {
        throw YAMLError(
          .wrongType, at: entry.position, "a scope is named like 'recordings:write'")
      }
      groups[entry.key] = try Self.rights(entry.value)
    }

    self.init(
      version: version, hash: SHA256.hash(bytes), rules: rules, groups: groups)
  }

  private static func rule(_ node: YAMLNode, of role: Role) throws(YAMLError) -> Rule {
    let mapping = try node.mapping(of: ["cite", "rights", "purposes", "unscoped"])
    _ = try mapping.required("cite").text(atMost: 256)
    let list = try mapping.required("rights")
    let rights = try rights(list)
    if rolesWithoutContent.contains(role) {
      for right in try list.sequence() where Right(rawValue: try right.string())?.isContent == true
      {
        throw YAMLError(
          .wrongType, at: right.position,
          "the role '\(role.rawValue)' must never have a content right")
      }
    }
    var purposes: Set<PurposeOfUse> = []
    if let node = mapping["purposes"] {
      for item in try node.sequence() {
        guard let purpose = PurposeOfUse(rawValue: try item.string()) else {
          throw YAMLError(
            .wrongType, at: item.position,
            "unknown purpose; known: \(names(PurposeOfUse.self))")
        }
        guard purposes.insert(purpose).inserted else {
          throw YAMLError(.duplicateKey, at: item.position, "this purpose is listed twice")
        }
      }
    } else if rights.contains(where: \.needsPurpose) {
      throw YAMLError(
        .missingKey, at: node.position, "a role with content rights needs 'purposes'")
    }
    let unscoped = try mapping.required("unscoped")
    let isWhole: Bool
    switch try unscoped.string() {
    case "everything": isWhole = true
    case "nothing": isWhole = false
    default:
      throw YAMLError(
        .wrongType, at: unscoped.position, "'everything' or 'nothing' is expected here")
    }
    return Rule(rights: rights, purposes: purposes, isWholeWithoutScope: isWhole)
  }

  private static func rights(_ node: YAMLNode) throws(YAMLError) -> Set<Right> {
    var rights: Set<Right> = []
    for item in try node.sequence() {
      guard let right = Right(rawValue: try item.string()) else {
        throw YAMLError(
          .wrongType, at: item.position, "unknown right; known: \(names(Right.self))")
      }
      guard rights.insert(right).inserted else {
        throw YAMLError(.duplicateKey, at: item.position, "this right is listed twice")
      }
    }
    return rights
  }

  private static func names<Name: CaseIterable & RawRepresentable>(_: Name.Type) -> String
  where Name.RawValue == String {
    Name.allCases.map(\.rawValue).sorted().joined(separator: ", ")
  }
}
