import Encoding
import Failover
import Foundation
import Telephony
import Testing
import Threading
import YAML

@testable import Telephony

enum Fixture {
  static func yaml(_ text: String) throws -> YAMLNode {
    try YAMLNode(parsing: Array(text.utf8), file: "test.yaml")
  }

  /// A file with one line, in a folder that the system clears.
  static func secretFile(_ secret: String = "0123456789abcdef0123456789abcdef") throws -> String {
    let path = FileManager.default.temporaryDirectory
      .appending(path: "callvault-secret-\(UUID().uuidString)").path
    try Data((secret + "\n").utf8).write(to: URL(filePath: path))
    return path
  }

  static func name<Tag>(_ text: String) throws -> PolicyName<Tag> {
    try #require(PolicyName<Tag>(text))
  }

  static func route(
    _ id: String, _ contacts: [String] = ["sip:desk@192.0.2.10"], provider: Provider = .twilio
  ) throws -> Route {
    Route(
      id: try name(id), provider: provider,
      contacts: try contacts.map { try #require(RouteContact($0)) })
  }

  static func plan(
    _ route: String, version: Int64 = 1, fencing: Int64 = 1, usesAI: Bool = false,
    expires: Moment = Moment(milliseconds: .max),
    contacts: [String] = ["sip:desk@192.0.2.10"]
  ) throws -> RoutePlan {
    RoutePlan(
      version: version, fencing: fencing, state: .normal, route: try Fixture.route(route, contacts),
      expires: expires, decidedAtMs: 0, usesAI: usesAI)
  }

  static let account = "AC" + String(repeating: "0", count: 32)
  static func sid(_ kind: String, _ number: Int) -> String {
    let digits = String(number)
    return kind + String(repeating: "0", count: 32 - digits.count) + digits
  }

  static let later = Moment.now.advanced(byMs: 3_600_000)
}
