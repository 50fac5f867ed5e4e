import Audit
public import Encoding

/// One page of a search: a Bundle of the type `searchset`.
public struct SearchPage: Sendable {
  private let events: [EntryView]
  private let search: AuditEventSearch
  /// Where the next page begins; nil at the end.
  private let next: Int64?
  private let earlierLogs: Int64

  /// - Parameters:
  ///   - search: what was asked.
  ///   - events: what was found.
  ///   - next: where the next page begins; nil at the end.
  ///   - earlierLogs: how many logs came before the one that goes on, which a client cannot know otherwise.
  public init(
    of search: AuditEventSearch, _ events: [EntryView], next: Int64?, earlierLogs: Int64
  ) {
    self.search = search
    self.events = events
    self.next = next
    self.earlierLogs = earlierLogs
  }

  /// Makes the Bundle.
  ///
  /// - Parameter base: the address of `/fhir`, without a slash at its end.
  /// - Returns: the Bundle, with its links.
  public func bundle(base: String) -> JSONObject {
    var links = [link("self", base, search)]
    if let next {
      var following = search
      following.cursor = next
      links.append(link("next", base, following))
    }
    var bundle: JSONObject = ["resourceType": "Bundle", "type": "searchset"]
    bundle["link"] = .array(links)
    var entries: [JSONValue] = events.map { view in
      [
        "fullUrl": .string("\(base)/AuditEvent/\(view.eventID)"),
        "resource": .object(view.auditEvent), "search": ["mode": "match"],
      ]
    }
    if search.log == nil, search.cursor == 0, earlierLogs > 0 { entries.append(hint) }
    if !entries.isEmpty { bundle["entry"] = .array(entries) }
    return bundle
  }

  /// Whoever asks about last year must not take silence for an answer.
  private var hint: JSONValue {
    [
      "resource": [
        "resourceType": "OperationOutcome",
        "issue": [
          [
            "severity": "information", "code": "informational",
            "diagnostics": .string(
              "This is the log that goes on. Events of before its beginning are in earlier logs: `_log` 1 to \(earlierLogs)."
            ),
          ]
        ],
      ], "search": ["mode": "outcome"],
    ]
  }

  private func link(_ relation: String, _ base: String, _ search: AuditEventSearch) -> JSONValue {
    let query = search.pairs.map { "\($0.name)=\(Self.encoded($0.value))" }
    let url = base + "/AuditEvent" + (query.isEmpty ? "" : "?" + query.joined(separator: "&"))
    return ["relation": .string(relation), "url": .string(url)]
  }

  /// Percent-encoded but for RFC 3986's unreserved characters.
  private static func encoded(_ text: String) -> String {
    var encoded = ""
    for byte in text.utf8 {
      switch byte {
      case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, 0x2D, 0x2E, 0x5F, 0x7E:
        encoded.unicodeScalars.append(Unicode.Scalar(byte))
      default: encoded += "%" + Hex.encode([byte]).uppercased()
      }
    }
    return encoded
  }
}
