import Encoding

/// One of the logs that a service answers for: those that recoveries ended, and the one that goes on.
///
/// Each is a log by itself, with its own name, head and verifier key: `Documentation/formats/recovery.md`, 9.
struct ServiceLog {
  /// From 1, the oldest.
  let number: Int64
  let origin: String
  let size: Int64
  let verifierKey: String
  /// What came after it and was lost; nil for the log that goes on.
  let loss: String?

  var isEarlier: Bool { loss != nil }

  /// What questions about it carry; nothing about the log that goes on.
  var query: [(String, String)] { isEarlier ? [("log", "\(number)")] : [] }

  /// How answers name it.
  var document: JSONObject {
    [
      "log": .integer(number), "origin": .string(origin), "size": .integer(size),
      "verifier_key": .string(verifierKey),
    ]
  }

  /// All logs, oldest first.
  static func all(_ client: ServiceClient) async throws -> [ServiceLog] {
    let rows = try await client.get("/v1/audit/logs").object()["logs"]?.array ?? []
    // Of one that is not what the log after it names there is no more than its number.
    let logs = rows.compactMap(\.object).map { row in
      ServiceLog(
        number: row["log"]?.integer ?? 0, origin: row["origin"]?.string ?? "",
        size: row["size"]?.integer ?? 0, verifierKey: row["verifier_key"]?.string ?? "",
        loss: row["loss"]?.string)
    }
    guard !logs.isEmpty else {
      throw CommandFailure(.internal, "the service's answer cannot be read")
    }
    return logs
  }

  /// The log that `--log` names, or the one that goes on.
  static func chosen(_ arguments: Arguments, _ client: ServiceClient) async throws -> ServiceLog {
    try chosen(arguments, among: try await all(client))
  }

  /// As ``chosen(_:_:)``, of logs that are known.
  static func chosen(
    _ arguments: Arguments, among logs: [ServiceLog]
  ) throws -> ServiceLog {
    guard let text = arguments.value("log") else { return logs[logs.count - 1] }
    guard let number = Int64(text), let log = logs.first(where: { $0.number == number }) else {
      throw CommandFailure(
        .usage, "--log must be a number from 1, the oldest, to \(logs.count), the log that goes on")
    }
    return log
  }

  /// Whether it has an entry of a time.
  func hasEntries(
    from: Timestamp, to: Timestamp, _ client: ServiceClient
  ) async throws -> Bool {
    var first: Int64? = 0
    // How much one answer looks at is bounded.
    while let start = first {
      let page = try await client.get(
        "/v1/audit/entries",
        query: query + [
          ("since", from.rfc3339), ("until", to.rfc3339), ("first", "\(start)"), ("limit", "1"),
        ]
      ).object()
      if page["entries"]?.array?.isEmpty == false { return true }
      first = page["next"]?.integer
    }
    return false
  }

  static let option = Option.value(
    "log", "N", "only this log: 1 is the oldest; recoveries began the others")
}
