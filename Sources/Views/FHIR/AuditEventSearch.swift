public import Audit
public import Encoding

/// What a client asks of `/fhir/AuditEvent`: section 2.2 of `Documentation/formats/views.md`.
///
/// Parameters come from outside: whatever they hold, reading them returns or throws.
public struct AuditEventSearch: Sendable, Equatable {
  /// Names that are read; another is refused.
  public static let parameters = [
    "date", "patient", "agent", "entity", "type", "subtype", "outcome", "action", "_count",
    "_cursor", "_format", "_log",
  ]
  static let countRange: ClosedRange<Int64> = 1...1000
  /// How many times `date` may be given, and alternatives of one parameter.
  private static let dateLimit = 4
  private static let choiceLimit = 20

  /// A code, of any system where none is named.
  struct Token: Sendable, Hashable {
    let system: String?
    let code: String

    func matches(_ coding: Coding) -> Bool {
      code == coding.code && (system == nil || system == coding.system)
    }
    var text: String { system.map { "\($0)|\(code)" } ?? code }
  }

  var dates: [DateCondition] = []
  public private(set) var patient: Identifier?
  /// What stands for ``patient`` in entries besides the patient's own id.
  public var aliases: Set<Identifier> = []
  var agent: Identifier?
  var entity: Identifier?
  var types: [Token] = []
  var subtypes: [Token] = []
  var outcomes: [String] = []
  var actions: [String] = []
  /// Events a page, or lines in all; nil where none was given.
  public private(set) var count: Int?
  /// The first index that is looked at.
  public var cursor: Int64 = 0
  /// The number of the log that is searched, from 1, the oldest; nil for the one that goes on.
  public private(set) var log: Int64?
  /// Whether `_format` asks for NDJSON; nil where it was not given.
  public private(set) var wantsLines: Bool?

  /// Reads the pairs of a query.
  ///
  /// - Throws: ``AuditEventSearchError`` with what is wrong, in words of ours.
  public init(_ pairs: [(name: String, value: String)]) throws(AuditEventSearchError) {
    var seen: Set<String> = []
    for (name, value) in pairs {
      guard let known = Self.parameters.first(where: { $0 == name }) else {
        throw AuditEventSearchError(
          .invalid,
          "There is a parameter that is not read here; it takes: "
            + Self.parameters.joined(separator: ", ") + ".")
      }
      guard seen.insert(known).inserted || known == "date" else {
        throw AuditEventSearchError(.invalid, "`\(known)` may be given once.")
      }
      guard try take(known, value) else { throw Self.refusal(of: known) }
    }
  }

  private mutating func take(
    _ name: String, _ value: String
  ) throws(AuditEventSearchError) -> Bool {
    guard (1...2000).contains(value.utf8.count) else { return false }
    switch name {
    case "date":
      guard dates.count < Self.dateLimit, let date = DateCondition(value) else { return false }
      dates.append(date)
    case "patient": patient = Self.id(value, of: "Patient/")
    case "agent": agent = Self.id(value)
    case "entity": entity = Self.id(value)
    case "type": types = Self.choices(value) { Self.token($0) } ?? []
    case "subtype": subtypes = Self.choices(value) { Self.token($0) } ?? []
    case "outcome":
      outcomes = Self.choices(value) { ["0", "4", "8"].contains($0) ? $0 : nil } ?? []
    case "action":
      actions = Self.choices(value) { ["C", "R", "U", "D", "E"].contains($0) ? $0 : nil } ?? []
    case "_count": count = Self.number(value, in: Self.countRange).map(Int.init)
    case "_cursor":
      guard let number = Self.number(value, in: 0...(1 << 53) - 1) else { return false }
      cursor = number
    case "_log":
      log = Self.number(value, in: 1...(1 << 53) - 1)
      return log != nil
    case "_format":
      switch value {
      case "json", "application/json", "application/fhir+json": wantsLines = false
      case "ndjson", "application/ndjson", "application/fhir+ndjson": wantsLines = true
      default:
        throw AuditEventSearchError(.notAcceptable, "`_format` may be `json` or `ndjson`.")
      }
    default: return false
    }
    return has(name)
  }

  private func has(_ name: String) -> Bool {
    switch name {
    case "patient": patient != nil
    case "agent": agent != nil
    case "entity": entity != nil
    case "type": !types.isEmpty
    case "subtype": !subtypes.isEmpty
    case "outcome": !outcomes.isEmpty
    case "action": !actions.isEmpty
    case "_count": count != nil
    default: true
    }
  }

  // MARK: Values

  private static func id(_ text: String, of type: String? = nil) -> Identifier? {
    for prefix in [type, "urn:uuid:", "urn:ietf:rfc:3986|urn:uuid:"].compactMap({ $0 })
    where text.hasPrefix(prefix) {
      return Identifier(String(text.dropFirst(prefix.count)))
    }
    return Identifier(text)
  }

  private static func choices<Value: Hashable>(
    _ text: String, _ read: (String) -> Value?
  ) -> [Value]? {
    let parts = text.split(separator: ",", omittingEmptySubsequences: false)
    guard parts.count <= choiceLimit else { return nil }
    var values: [Value] = []
    for part in parts {
      guard let value = read(String(part)), !values.contains(value) else { return nil }
      values.append(value)
    }
    return values
  }

  /// `code` or `system|code`, of the characters that codes and URIs have.
  private static func token(_ text: String) -> Token? {
    guard text.utf8.allSatisfy({ (0x21...0x7E).contains($0) }) else { return nil }
    let halves = text.split(separator: "|", maxSplits: 1, omittingEmptySubsequences: false)
    guard let code = halves.last, !code.isEmpty, !code.contains("|") else { return nil }
    guard halves.count == 2 else { return Token(system: nil, code: String(code)) }
    guard !halves[0].isEmpty else { return nil }
    return Token(system: String(halves[0]), code: String(code))
  }

  private static func number(_ text: String, in range: ClosedRange<Int64>) -> Int64? {
    guard text.utf8.count <= 16, text.utf8.allSatisfy({ (0x30...0x39).contains($0) }),
      text == "0" || !text.hasPrefix("0"), let number = Int64(text), range.contains(number)
    else { return nil }
    return number
  }

  private static func refusal(of name: String) -> AuditEventSearchError {
    let what =
      switch name {
      case "date":
        "up to \(dateLimit) dates such as ge2026-11-20 or lt2026-11-20T15:42:00Z (a time has a zone, "
          + "with `+` written as %2B)"
      case "patient": "an id, `Patient/` id, or `urn:uuid:` id"
      case "agent", "entity": "an id or `urn:uuid:` id"
      case "type", "subtype": "codes, each `code` or `system|code`, separated by commas"
      case "outcome": "0, 4 or 8, separated by commas"
      case "action": "C, R, U, D or E, separated by commas"
      case "_count": "a whole number from \(countRange.lowerBound) to \(countRange.upperBound)"
      case "_log": "the number of a log, from 1, the oldest"
      default: "the value from the link `next`"
      }
    return AuditEventSearchError(.invalid, "`\(name)` must be \(what).")
  }
}

/// Why a search was refused; the description may go to a client.
public struct AuditEventSearchError: Error, CustomStringConvertible {
  public enum Code: Sendable {
    case invalid
    /// A format that is not offered.
    case notAcceptable
  }
  public let code: Code
  public let description: String

  init(_ code: Code, _ description: String) {
    self.code = code
    self.description = description
  }
}

// MARK: Matching

extension AuditEventSearch {
  /// What the log can tell by itself, of entries in `indices`.
  public func filter(in indices: Range<Int64>) -> EntryFilter {
    var filter = EntryFilter(indices: max(indices.lowerBound, cursor)..<indices.upperBound)
    filter.object = entity
    filter.anyObject = patient.map { aliases.union([$0]) }
    filter.actor = agent
    filter.since = dates.compactMap(\.since).max()
    filter.until = dates.compactMap(\.until).min()
    let named = subtypes.map {
      $0.system == "urn:callvault:action" ? Action(rawValue: $0.code) : nil
    }
    if !named.isEmpty, named.allSatisfy({ $0 != nil }) {
      filter.actions = Set(named.compactMap { $0 })
    }
    return filter
  }

  /// Whether ``matches(_:)`` depends on what the event of an entry is called.
  public var looksAtCodes: Bool {
    !(types.isEmpty && subtypes.isEmpty && outcomes.isEmpty && actions.isEmpty)
  }

  /// Whether an entry that passed the filter is one that was asked for.
  public func matches(_ entry: Entry) -> Bool {
    if let patient {
      let subjects = entry.objects.prefix(entry.subjects.count)
      guard subjects.contains(patient) || !aliases.isDisjoint(with: subjects) else { return false }
    }
    if let entity, !entry.objects.contains(entity) { return false }
    guard looksAtCodes else { return true }
    let coding = EventCoding(of: entry)
    if !types.isEmpty, !types.contains(where: { $0.matches(coding.type) }) { return false }
    if !subtypes.isEmpty,
      !subtypes.contains(where: { token in coding.subtypes.contains(where: token.matches) })
    {
      return false
    }
    if !outcomes.isEmpty, !outcomes.contains(where: { $0 == coding.outcome }) { return false }
    return actions.isEmpty || actions.contains(coding.action)
  }

  /// The parameters again, in one spelling; what a page's links and the entry of the reading have.
  public var pairs: [(name: String, value: String)] {
    var pairs = dates.map { (name: "date", value: $0.text) }
    func add(_ name: String, _ value: String?) {
      if let value, !value.isEmpty { pairs.append((name, value)) }
    }
    add("patient", patient?.description)
    add("agent", agent?.description)
    add("entity", entity?.description)
    add("type", types.map(\.text).joined(separator: ","))
    add("subtype", subtypes.map(\.text).joined(separator: ","))
    add("outcome", outcomes.joined(separator: ","))
    add("action", actions.joined(separator: ","))
    add("_count", count.map(String.init))
    if cursor > 0 { add("_cursor", String(cursor)) }
    add("_log", log.map(String.init))
    if let wantsLines { add("_format", wantsLines ? "ndjson" : "json") }
    return pairs
  }
}
