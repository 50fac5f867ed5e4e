import Encoding
import Foundation
import Retention
import Testing

/// The policy that ships, and what tests make of it.
enum Policies {
  static let root = URL(filePath: #filePath).deletingLastPathComponent()
    .deletingLastPathComponent().deletingLastPathComponent()

  static func bytes() throws -> [UInt8] {
    [UInt8](try Data(contentsOf: root.appending(path: "Policies/retention.yaml")))
  }

  static func shipped() throws -> RetentionSchedule {
    try RetentionSchedule(parsing: bytes(), file: "retention.yaml")
  }

  /// The shipped file with some texts replaced.
  static func altered(_ changes: (String, String)...) throws -> RetentionSchedule {
    var text = String(decoding: try bytes(), as: UTF8.self)
    for (old, new) in changes {
      let range = try #require(text.range(of: old), "the file no longer holds \(old)")
      text.replaceSubrange(range, with: new)
    }
    return try RetentionSchedule(parsing: Array(text.utf8), file: "retention.yaml")
  }

  /// A policy of one class `c` with these rules, and whatever else is asked for.
  static func policy(
    rules: [String], state: String? = nil, majority: [String: Int] = ["US": 18, "US-AL": 19],
    others: [String: [String]] = [:], fallback: String = "c", grace: Int = 14,
    recordings: Int = 1000
  ) throws -> RetentionSchedule {
    func list(_ rules: [String]) -> String {
      rules.map { "      - {\($0), cite: c, confirmed: true}\n" }.joined()
    }
    let places = majority.sorted { $0.key < $1.key }.map {
      "  \($0.key): {majority: \($0.value), cite: c, confirmed: true}\n"
    }
    let classes = others.merging(["c": rules]) { first, _ in first }.sorted { $0.key < $1.key }
      .map { "  \($0.key):\n    owner: o\n    rules:\n\(list($0.value))" }
    let text = """
      v: 2
      version: t
      owner: o
      default: \(fallback)
      \(state.map { "state: \($0)\n" } ?? "")jurisdictions:
      \(places.joined())classes:
      \(classes.joined())purge: {cite: c, owner: o, grace: \(grace)d, percent: 20, \
      recordings: \(recordings), window: 30d, \
      sweep: propose, approvers: [privacy-officer, records-manager]}
      quarantines: {}

      """
    return try RetentionSchedule(parsing: Array(text.utf8), file: "policy.yaml")
  }

  /// A rule in short.
  static func rule(
    _ name: String = "r", _ version: Int = 1, after: String = "date-of-service", keep: String,
    effective: String = "2020-01-01", more: String = ""
  ) -> String {
    "rule: \(name), version: \"\(version)\", after: \(after), keep: \(keep), effective: \"\(effective)\""
      + (more.isEmpty ? "" : ", " + more)
  }
}

func day(_ text: String) throws -> CivilDate {
  try #require(CivilDate(text), "\(text) is no day")
}

func time(_ text: String) throws -> Timestamp {
  try #require(Timestamp(rfc3339: text), "\(text) is no time")
}

/// The n-th of a series of ids that ascend.
func id(_ number: Int) -> Identifier {
  var bytes = [UInt8](repeating: 0, count: 16)
  for place in 0..<4 { bytes[place] = UInt8(truncatingIfNeeded: number >> (24 - 8 * place)) }
  bytes[6] = 0x40
  bytes[8] = 0x80
  guard let id = Identifier(bytes: bytes) else { preconditionFailure("the bytes carry a version") }
  return id
}

func served(_ text: String) throws -> RetentionFacts {
  var facts = RetentionFacts()
  facts[.dateOfService] = try day(text)
  return facts
}
