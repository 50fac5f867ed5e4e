import Audit
import Cryptography
import Encoding

extension EntryView {
  /// How many ids of one kind a message repeats at most; beyond, it says how many there are.
  private static let repeated = 10

  /// The entry as a message of RFC 5424 (views.md 3).
  ///
  /// - Parameters:
  ///   - facility: 0 to 23.
  ///   - enterprise: the private enterprise number of whoever runs this, under which the entry is
  ///     structured data; nil where there is none, and the entry is a JSON object in the text.
  /// - Returns: the message, without a frame around it.
  public func syslogMessage(facility: Int, enterprise: UInt32?) -> [UInt8] {
    let host = origin.prefix { $0 != "/" }
    var text = "<\(facility * 8 + severity)>1 \(entry.time.rfc3339) \(host) callvault "
    text += "\(entry.node) \(entry.action.rawValue) "
    guard let enterprise else {
      // Of the names that IANA keeps, this says how far to trust the time.
      text += "[timeQuality tzKnown=\"1\" isSynced=\"\(entry.clock == .synced ? 1 : 0)\"] "
      return Array(text.utf8) + JSONValue.object(members).encoded()
    }
    text += "[callvault@\(enterprise)"
    for (name, value) in parameters {
      text += " \(name)=\"\(name == "origin" ? value.escapedParameter : value)\""
    }
    text += "] \(entry.action.rawValue) \(entry.outcome?.rawValue ?? entry.phase.rawValue)"
    return Array(text.utf8)
  }

  /// The parameters as members, after the action; what may be repeated is a list.
  private var members: JSONObject {
    var members: JSONObject = ["action": .string(entry.action.rawValue)]
    for (name, value) in parameters {
      if Self.lists.contains(name) {
        members[name] = .array((members[name]?.array ?? []) + [.string(value)])
      } else {
        members[name] = .string(value)
      }
    }
    return members
  }

  private static let lists: Set<String> = ["object", "subject", "part", "flag"]

  /// RFC 5424, 6.2.1: 2 critical, 4 warning, 5 notice, 6 informational.
  private var severity: Int {
    if entry.reason == .tampered { return 2 }
    let isAlarming = !entry.flags.isDisjoint(with: [.uncleanStop, .tailCut, .keyMaterial])
    switch (entry.action, entry.outcome) {
    case (.breakglassStarted, _), (.breakglassEnded, _), (_, .failed), (_, .presumed): return 4
    case _ where isAlarming: return 4
    case (_, .refused), (_, .partial): return 5
    default: return 6
    }
  }

  /// In the order of the page.
  ///
  /// But for the origin every value is from a closed list, an id, a hash, a number or a time: none holds
  /// a character that RFC 5424 wants escaped.
  private var parameters: [(String, String)] {
    var all: [(String, String)] = [
      ("index", index), ("leaf", leafHash.description), ("origin", origin),
      ("id", entry.id.description), ("phase", entry.phase.rawValue),
    ]
    func add(_ name: String, _ value: String?) {
      if let value { all.append((name, value)) }
    }
    func add(_ name: String, each values: [String]) {
      for value in values.prefix(Self.repeated) { all.append((name, value)) }
      if values.count > Self.repeated { all.append((name + "s", String(values.count))) }
    }
    add("outcome", entry.outcome?.rawValue)
    add("reason", entry.reason?.rawValue)
    add("ref", entry.reference?.description)
    add("actor", entry.actor.id.description)
    add("kind", entry.actor.kind.rawValue)
    add("role", entry.actor.role?.rawValue)
    add("method", entry.actor.method.rawValue)
    add("strength", String(entry.actor.strength))
    add("behalf", entry.behalf?.description)
    add("session", entry.session?.description)
    add("request", entry.request?.description)
    add("object", each: entry.objects.map(\.description))
    add("subject", each: entry.subjects.map { Base64.encodeURL($0.bytes) })
    add("part", each: entry.parts.map(\.description))
    add("purpose", entry.purpose?.rawValue)
    add("policy", entry.policy?.description)
    add("recipient", entry.recipient?.description)
    add("released", entry.released.map(String.init))
    add("digest", entry.digest?.description)
    add("length", entry.length.map(String.init))
    add("key_id", entry.keyID?.description)
    add("run", entry.run?.description)
    add("count", entry.count.map(String.init))
    add("first", entry.first?.rfc3339)
    add("last", entry.last?.rfc3339)
    for flag in entry.flags.sorted() { add("flag", flag.rawValue) }
    add("class", entry.entryClass.rawValue)
    add("clock", entry.clock.rawValue)
    return all
  }
}

extension String {
  /// With a backslash before what would end a parameter's value (RFC 5424, 6.3.3).
  fileprivate var escapedParameter: String {
    var text = ""
    for character in self {
      if character == "\"" || character == "\\" || character == "]" { text.append("\\") }
      text.append(character)
    }
    return text
  }
}
