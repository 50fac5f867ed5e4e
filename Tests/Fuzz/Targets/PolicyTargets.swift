import Cryptography
import Encoding
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
    settled("retention-facts") { bytes in
      try JSONValue(parsing: bytes).object.flatMap(KnownFacts.init)
    } encode: {
      JSONValue.object($0.json).encoded()
    },
    FuzzTarget("retention-policy") { bytes in
      guard let schedule = try? RetentionSchedule(parsing: bytes, file: "retention.yaml") else {
        return .refused
      }
      guard PolicyChange(from: schedule, to: schedule).isEmpty else {
        return .broken("a policy that differs from itself")
      }
      // Of nothing known, nothing may go.
      return schedule.eligibility(of: RetentionFacts()).day == nil
        ? .accepted : .broken("what is unknown may go")
    },
    FuzzTarget("purge-plan") { bytes in
      func read(_ pieces: [[UInt8]]) -> (plan: PurgePlan, items: [PurgeItem])? {
        do {
          var reader = try PurgePlanReader()
          var items: [PurgeItem] = []
          for piece in pieces { items += try reader.read(piece) }
          return (try reader.finish(), items)
        } catch {
          return nil
        }
      }
      let whole = read([bytes])
      let middle = bytes.count / 2
      let halves = read([Array(bytes[..<middle]), Array(bytes[middle...])])
      guard whole?.plan == halves?.plan, whole?.items == halves?.items else {
        return .broken("a plan that depends on how it is read")
      }
      guard let whole else { return .refused }
      guard whole.plan.hash == SHA256.hash(bytes) else { return .broken("another hash") }
      return whole.plan.totals.calls == whole.items.count ? .accepted : .broken("lines are lost")
    },
    oneSpelling(
      "retention-approval", parse: { try Approval(parsing: $0) }, encode: { $0.encoded }),
    oneSpelling("legal-hold", parse: { try LegalHold(parsing: $0) }, encode: { $0.encoded }),
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
