import DNS
import Encoding
import YAML

@testable import Failover
@testable import Telephony

extension FuzzTarget {
  static let failover: [FuzzTarget] = [
    FuzzTarget("routing-policy") { bytes in
      guard let policy = FuzzTarget.policy(bytes) else { return .refused }
      guard policy.safe.route.needs.isEmpty, policy.safe.route.callGroups.isEmpty,
        policy.safe.state == .emergencyPSTN
      else { return .broken("a policy whose last route may be lost") }
      let contacts = policy.choices.flatMap(\.route.contacts)
      guard !contacts.contains(where: { EmergencyNumbers.isTouched(by: $0.uri) }) else {
        return .broken("an emergency number that a route leads to")
      }
      guard policy.targets.contains(where: { $0.role == .uplink }),
        policy.targets.allSatisfy({ $0.quorum >= 1 && $0.quorum <= $0.signals.count })
      else { return .broken("a quorum that cannot be") }
      let again = FuzzTarget.policy(bytes + utf8("\n# the same\n"))
      return again.map { $0.choices.map(\.route) == policy.choices.map(\.route) } ?? true
        ? .accepted : .broken("a policy that a comment changes")
    },
    settled(
      "routing-state", parse: { RememberedRouting(parsing: $0) }, encode: { $0.encoded }),
    FuzzTarget("dns-answer") { bytes in
      guard let name = DNSName("sip.example.org") else { return .broken("a name is refused") }
      // What answers this question answers no other one.
      let answers = [DNSQuestion.Kind.ipv4, .ipv6].flatMap { kind in
        [UInt16(0x1234), 0x1235].map { DNSQuestion(name, kind, id: $0).answer(in: bytes) }
      }
      let known = answers.compactMap(\.self)
      guard known.count <= 1 else { return .broken("an answer to two questions") }
      return known.isEmpty ? .refused : .accepted
    },
    FuzzTarget("registration-answer") { bytes in
      guard let answer = VendorJSON.object(bytes) else { return .refused }
      return RegistrationProbe.hasContact(.object(answer)) ? .accepted : .refused
    },
  ]

  private static func policy(_ bytes: [UInt8]) -> RoutingPolicy? {
    try? RoutingPolicy(parsing: bytes, file: "routing.yaml") { _ in coordinatedTime }
  }

  /// A file of the IANA database for a zone without changes: a header and a type, in both versions.
  private static let coordinatedTime: [UInt8] = {
    let block =
      utf8("TZif2") + [UInt8](repeating: 0, count: 15 + 16) + [0, 0, 0, 1, 0, 0, 0, 4]
      + [UInt8](repeating: 0, count: 6) + utf8("UTC") + [0]
    return block + block + utf8("\nUTC0\n")
  }()
}
