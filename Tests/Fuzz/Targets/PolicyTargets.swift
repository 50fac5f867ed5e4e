import Retention
import Vault
import YAML

extension FuzzTarget {
  static let policies: [FuzzTarget] = [
    FuzzTarget("yaml") { bytes in
      guard let tree = try? YAMLNode(parsing: bytes, file: "f") else { return .refused }
      guard tree.position.line >= 1, tree.position.column >= 1 else {
        return .broken("a place before the file")
      }
      let written = utf8(flow(tree))
      guard written.count <= YAMLNode.Limits.bytes else { return .accepted }
      guard let again = try? YAMLNode(parsing: written, file: "f"), flow(again) == flow(tree)
      else { return .broken("writing and reading changes the meaning") }
      return .accepted
    },
    FuzzTarget("access-policy") { bytes in
      guard let policy = try? AccessPolicy(parsing: bytes, file: "access.yaml") else {
        return .refused
      }
      let again = try? AccessPolicy(parsing: bytes + utf8("\n# the same\n"), file: "access.yaml")
      return again.map { $0.version == policy.version } ?? true
        ? .accepted : .broken("a policy that a comment changes")
    },
    FuzzTarget("retention-policy") { bytes in
      let schedule = try? RetentionSchedule(parsing: bytes, file: "retention.yaml")
      return schedule == nil ? .refused : .accepted
    },
  ]

  /// The tree in YAML's flow style: every text quoted, everything beyond plain ASCII escaped.
  private static func flow(_ node: YAMLNode) -> String {
    switch node.content {
    case .scalar(let text, _): quoted(text)
    case .sequence(let nodes): "[" + nodes.map(flow).joined(separator: ",") + "]"
    case .mapping(let entries):
      "{" + entries.map { "? \(quoted($0.key)) : \(flow($0.value))" }.joined(separator: ",") + "}"
    }
  }

  private static func quoted(_ text: String) -> String {
    let characters = text.unicodeScalars.map { scalar in
      switch scalar {
      case "\"", "\\": "\\\(scalar)"
      case " "..."~": String(scalar)
      default:
        "\\U"
          + String(String(UInt64(scalar.value) + 0x1_0000_0000, radix: 16).dropFirst())
      }
    }
    return "\"" + characters.joined() + "\""
  }
}
