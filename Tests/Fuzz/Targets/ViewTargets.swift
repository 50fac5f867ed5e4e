import Audit
import Encoding
import Views

extension FuzzTarget {
  /// What asks for views of the log, and what says up to where a sink has it.
  static let views: [FuzzTarget] = [
    settled(
      "audit-event-search", parse: { try search($0) },
      encode: { search in
        // Whatever was asked for, an entry can be held against it.
        _ = search.filter(in: 0..<Int64.max)
        return utf8(search.pairs.map { "\($0.name)=\($0.value)" }.joined(separator: "&"))
      }),
    oneSpelling(
      "sink-position", parse: { try SinkPosition(parsing: $0) }, encode: { $0.encoded }),
    FuzzTarget("entry-view") { bytes in
      guard let entry = try? Entry(parsing: bytes) else { return .refused }
      let view = EntryView(entry, bytes: bytes, origin: "vault.example/callvault")
      let shown = [
        view.jsonLine, JSONValue.object(view.auditEvent).encoded(),
        view.syslogMessage(facility: 13, enterprise: nil),
        view.syslogMessage(facility: 13, enterprise: 1),
      ]
      guard shown[2].count <= 4096, !shown[2].contains(0x0A) else {
        return .broken("a message beyond the bound, or of two lines")
      }
      for json in shown[..<2] where (try? JSONValue(parsing: json)) == nil {
        return .broken("a view that is no JSON")
      }
      return .accepted
    },
  ]

  /// The pairs of a query as the HTTP floor hands them over, decoded.
  private static func search(_ bytes: [UInt8]) throws -> AuditEventSearch? {
    guard let text = string(bytes) else { return nil }
    let pairs = text.split(separator: "&").map { part in
      let halves = part.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
      return (name: String(halves[0]), value: halves.count == 2 ? String(halves[1]) : "")
    }
    return try AuditEventSearch(pairs)
  }
}
