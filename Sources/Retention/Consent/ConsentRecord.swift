public import Encoding

/// How one party of a call gave or took back consent to its recording: one version of the part
/// `consent`.
///
/// `Documentation/formats/consent.md`, section 2.
public struct ConsentRecord: Hashable, Sendable {
  public enum Kind: String, CaseIterable, Sendable {
    case given, revoked
  }
  /// How it was asked for.
  public enum Method: String, CaseIterable, Sendable {
    case announcement, dtmf, verbal, written
    /// The party was not asked.
    case none
  }
  /// Records of one call.
  public static let callLimit = 256
  /// Bytes of one record at most.
  public static let byteLimit = 4096

  public var kind: Kind
  public var party: String
  public var state: USState?
  public var method: Method
  public var by: String?
  /// When it was given, or from when on it is revoked.
  public var at: OffsetTime
  /// Where in the recording it is heard.
  public var span: TimeSpan?
  /// Whether it was heard to its end and answered with a yes.
  public var isCompleted: Bool
  public var text: String?
  public var language: String?

  public init(
    kind: Kind, party: String, state: USState?, method: Method, by: String? = nil,
    at: OffsetTime, span: TimeSpan? = nil, isCompleted: Bool, text: String? = nil,
    language: String? = nil
  ) {
    self.kind = kind
    self.party = party
    self.state = state
    self.method = method
    self.by = by
    self.at = at
    self.span = span
    self.isCompleted = isCompleted
    self.text = text
    self.language = language
  }
}

/// A state of the United States, the District of Columbia or a territory, by its two letters.
public struct USState: Hashable, Comparable, Sendable, LosslessStringConvertible {
  public let description: String

  /// Takes two upper-case letters; which states there are is the policy's to know.
  public init?(_ text: String) {
    guard text.utf8.count == 2, text.utf8.allSatisfy({ (0x41...0x5A).contains($0) }) else {
      return nil
    }
    description = text
  }

  public static func < (left: Self, right: Self) -> Bool {
    left.description.utf8.lexicographicallyPrecedes(right.description.utf8)
  }
}

/// Why bytes are no record of consent: the sentence names the member, never its value.
public struct ConsentRecordError: Error, Sendable {
  public let detail: String
}

extension ConsentRecord {
  public static let members = [
    "v", "kind", "party", "state", "method", "by", "at", "from_ms", "to_ms", "completed", "text",
    "language",
  ]

  /// Reads a record: one JSON object, no member that is not known.
  ///
  /// - Throws: ``ConsentRecordError`` naming the member.
  public init(parsing bytes: [UInt8]) throws(ConsentRecordError) {
    let value: JSONValue
    do {
      value = try JSONValue(
        parsing: bytes, limits: JSONLimits(byteCount: Self.byteLimit, depth: 2))
    } catch {
      throw ConsentRecordError(detail: "not JSON: \(error)")
    }
    guard case .object(let object) = value else {
      throw ConsentRecordError(detail: "not a JSON object")
    }
    try self.init(object)
  }

  /// Reads a value that was parsed before; the same rules.
  ///
  /// `kind` absent is `given`.
  public init(_ object: JSONObject) throws(ConsentRecordError) {
    for key in object.keys where !Self.members.contains(key) {
      throw ConsentRecordError(
        detail: "there is an unknown member; known are \(Self.members.joined(separator: ", "))")
    }
    if let version = object["v"], version != .integer(1) {
      throw ConsentRecordError(detail: "`v` is not 1")
    }
    kind = try Self.choice(object, "kind") ?? .given
    guard let party = try Self.text(object, "party", atMost: 64) else {
      throw ConsentRecordError(detail: "`party` is missing")
    }
    self.party = party
    if let value = object["state"] {
      guard case .string(let text) = value, let state = USState(text) else {
        throw ConsentRecordError(detail: "`state` must be a state's two letters, such as CA")
      }
      self.state = state
    }
    guard let method: Method = try Self.choice(object, "method") else {
      throw ConsentRecordError(detail: "`method` is missing")
    }
    self.method = method
    by = try Self.text(object, "by", atMost: 128)
    guard case .string(let time) = object["at"], let at = OffsetTime(time) else {
      throw ConsentRecordError(
        detail: "`at` must be a time by RFC 3339 with an offset, such as 2026-11-20T09:30:00-05:00")
    }
    self.at = at
    switch (object["from_ms"], object["to_ms"]) {
    case (nil, nil): span = nil
    case (.integer(let from), .integer(let to)):
      guard let span = TimeSpan(from, to) else { throw Self.wrongSpan }
      self.span = span
    default: throw Self.wrongSpan
    }
    guard case .bool(let isCompleted) = object["completed"] else {
      throw ConsentRecordError(detail: "`completed` must be true or false")
    }
    self.isCompleted = isCompleted
    text = try Self.text(object, "text", atMost: 128)
    language = try Self.text(object, "language", atMost: 35)
    if let language, !Self.isLanguageTag(language) {
      throw ConsentRecordError(detail: "`language` is no BCP 47 tag such as `en-US`")
    }
  }

  /// The members in the order of the format, with `v` 1.
  public var json: JSONObject {
    var object: JSONObject = [
      "v": .integer(1), "kind": .string(kind.rawValue), "party": .string(party),
    ]
    if let state { object["state"] = .string(state.description) }
    object["method"] = .string(method.rawValue)
    if let by { object["by"] = .string(by) }
    object["at"] = .string(at.description)
    if let span {
      object["from_ms"] = .integer(span.from)
      object["to_ms"] = .integer(span.to)
    }
    object["completed"] = .bool(isCompleted)
    if let text { object["text"] = .string(text) }
    if let language { object["language"] = .string(language) }
    return object
  }

  /// The bytes that are sealed.
  public func encoded() -> [UInt8] { JSONValue.object(json).encoded() }

  private static let wrongSpan = ConsentRecordError(
    detail: "`from_ms` and `to_ms` must be whole numbers 0…\(TimeSpan.limit), in order, or absent")

  private static func choice<Value: RawRepresentable & CaseIterable>(
    _ object: JSONObject, _ name: String
  ) throws(ConsentRecordError) -> Value? where Value.RawValue == String {
    guard let value = object[name] else { return nil }
    guard case .string(let text) = value, let choice = Value(rawValue: text) else {
      let known = Value.allCases.map(\.rawValue).joined(separator: ", ")
      throw ConsentRecordError(detail: "`\(name)` must be one of: \(known)")
    }
    return choice
  }

  private static func text(
    _ object: JSONObject, _ name: String, atMost limit: Int
  ) throws(ConsentRecordError) -> String? {
    guard let value = object[name] else { return nil }
    guard case .string(let text) = value, (1...limit).contains(text.utf8.count),
      text.unicodeScalars.allSatisfy({ $0.properties.generalCategory != .control })
    else {
      throw ConsentRecordError(
        detail: "`\(name)` must be text of 1 to \(limit) bytes without control characters")
    }
    return text
  }

  private static func isLanguageTag(_ text: String) -> Bool {
    func isLetter(_ byte: UInt8) -> Bool { (0x61...0x7A).contains(byte | 0x20) }
    let subtags = text.utf8.split(separator: UInt8(ascii: "-"), omittingEmptySubsequences: false)
    guard let first = subtags.first, (2...8).contains(first.count), first.allSatisfy(isLetter)
    else { return false }
    return subtags.dropFirst().allSatisfy { subtag in
      (1...8).contains(subtag.count)
        && subtag.allSatisfy { isLetter($0) || (0x30...0x39).contains($0) }
    }
  }
}
