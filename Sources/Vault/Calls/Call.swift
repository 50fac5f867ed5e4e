public import Encoding
public import Retention

/// A call as its source describes it, before the vault knows it.
public struct NewCall: Sendable, Equatable {
  /// The bounds of each field, in bytes of UTF-8 unless said otherwise.
  public enum Limits {
    public static let source = 64
    public static let sourceID = 512
    public static let party = 128
    public static let callExtension = 32
    public static let agent = 256
    public static let location = 64
    /// Pauses, and records of consent, that come with a call.
    public static let pauses = 100
    public static let consent = 16
  }

  /// The phone system, by the name the practice gave it.
  public var source: String
  /// What that system calls the call.
  ///
  /// It may be a file name with numbers in it, so it is sealed.
  public var sourceID: String
  /// When the call began; nil: now.
  public var started: OffsetTime?
  /// Nil: inbound, which is what a phone system records by itself.
  public var direction: Direction?
  public var from: String?
  public var to: String?
  public var callExtension: String?
  public var agent: String?
  public var location: String?
  /// Where the source says that it paused or muted the recording, in order.
  public var pauses: [TimeSpan] = []
  /// Who agreed to the recording, as the source knows it.
  public var consent: [ConsentRecord] = []

  public init(
    source: String, sourceID: String, started: OffsetTime? = nil, direction: Direction? = nil,
    from: String? = nil, to: String? = nil, callExtension: String? = nil, agent: String? = nil,
    location: String? = nil
  ) {
    self.source = source
    self.sourceID = sourceID
    self.started = started
    self.direction = direction
    self.from = from
    self.to = to
    self.callExtension = callExtension
    self.agent = agent
    self.location = location
  }

  /// Checks bounds and characters: no control characters, no empty field.
  ///
  /// - Throws: ``VaultError/Code/invalid`` naming the field.
  func validate() throws(VaultError) {
    try Self.check(source, named: "source", limit: Limits.source)
    try Self.check(sourceID, named: "source_id", limit: Limits.sourceID)
    try Self.check(from, named: "from", limit: Limits.party)
    try Self.check(to, named: "to", limit: Limits.party)
    try Self.check(callExtension, named: "extension", limit: Limits.callExtension)
    try Self.check(agent, named: "agent", limit: Limits.agent)
    try Self.check(location, named: "location", limit: Limits.location)
    guard pauses.count <= Limits.pauses,
      zip(pauses, pauses.dropFirst()).allSatisfy({ $0.from <= $1.from })
    else {
      throw VaultError(
        .invalid, during: "checking a call",
        detail: "`pauses` are at most \(Limits.pauses), in order of `from_ms`")
    }
    guard consent.count <= Limits.consent else {
      throw VaultError(
        .invalid, during: "checking a call",
        detail: "`consent` has more than \(Limits.consent) records")
    }
    // The second of two is refused once the call is stored.
    guard Set(consent).count == consent.count else {
      throw VaultError(
        .invalid, during: "checking a call", detail: "`consent` has the same record twice")
    }
  }

  private static func check(_ text: String?, named field: String, limit: Int) throws(VaultError) {
    guard let text else { return }
    guard !text.isEmpty else {
      throw VaultError(
        .invalid, during: "checking a call",
        detail: "`\(field)` is empty; leave it out or give it a value")
    }
    guard text.utf8.count <= limit else {
      throw VaultError(
        .invalid, during: "checking a call",
        detail: "`\(field)` is longer than \(limit) bytes")
    }
    guard text.unicodeScalars.allSatisfy({ $0.properties.generalCategory != .control }) else {
      throw VaultError(
        .invalid, during: "checking a call", detail: "`\(field)` holds a control character")
    }
  }
}

/// What a call's sealed details hold.
public struct CallDetails: Sendable, Equatable {
  public let sourceID: String
  /// As the source gave them; tokens are made of the normalised number.
  public let from: String?
  public let to: String?
  public let agent: String?
  /// Where the source paused the recording.
  public var pauses: [TimeSpan] = []
}

extension CallDetails {
  /// The bytes that are sealed: canonical JSON with `v` 1.
  func encoded() throws(VaultError) -> [UInt8] {
    var members: [(String, JSONValue)] = []
    if let agent { members.append(("agent", .string(agent))) }
    if let from { members.append(("from", .string(from))) }
    if !pauses.isEmpty { members.append(("pauses", Self.json(pauses))) }
    members.append(("source_id", .string(sourceID)))
    if let to { members.append(("to", .string(to))) }
    members.append(("v", .integer(1)))
    return JSONValue.object(JSONObject(members)).encoded()
  }

  /// Reads what ``encoded()`` wrote.
  ///
  /// - Throws: ``VaultError/Code/tampered`` for anything else: the bytes were authenticated, so only
  ///   another program with our keys can have written them.
  init(parsing bytes: [UInt8]) throws(VaultError) {
    let damaged = VaultError(.tampered, during: "reading a call's details")
    guard
      case .object(let object) = try? JSONValue(parsing: bytes),
      object["v"] == .integer(1), case .string(let sourceID) = object["source_id"]
    else { throw damaged }
    func text(_ name: String) throws(VaultError) -> String? {
      switch object[name] {
      case nil: return nil
      case .string(let text): return text
      default: throw damaged
      }
    }
    guard let pauses = Self.pauses(object["pauses"]) else { throw damaged }
    self.init(
      sourceID: sourceID, from: try text("from"), to: try text("to"), agent: try text("agent"),
      pauses: pauses)
  }

  /// `[{"from_ms", "to_ms"}, …]`.
  public static func json(_ pauses: [TimeSpan]) -> JSONValue {
    .array(pauses.map { .object(["from_ms": .integer($0.from), "to_ms": .integer($0.to)]) })
  }

  /// Reads what ``json(_:)`` writes; nothing for no value, nil for anything else.
  public static func pauses(_ value: JSONValue?) -> [TimeSpan]? {
    guard let value else { return [] }
    guard case .array(let items) = value, items.count <= NewCall.Limits.pauses else { return nil }
    var pauses: [TimeSpan] = []
    for item in items {
      guard case .object(let object) = item,
        object.keys.allSatisfy({ ["from_ms", "to_ms"].contains($0) }),
        case .integer(let from) = object["from_ms"], case .integer(let to) = object["to_ms"],
        let pause = TimeSpan(from, to)
      else { return nil }
      pauses.append(pause)
    }
    return pauses
  }
}
