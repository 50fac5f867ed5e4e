import Cryptography
import Encoding

extension Entry {
  /// Reads one entry of this program's own version.
  ///
  /// Storage is not trusted: whatever `bytes` holds, this returns or throws, and never traps. What
  /// parses encodes to the same bytes, so an entry has one spelling. A verifier, which must also
  /// take entries of later programs, uses ``EntryFrame`` instead.
  ///
  /// - Parameter bytes: one entry, without a line end.
  /// - Throws: ``AuditError/Code/malformed`` if the line is not canonical, has a key, an action or
  ///   any other value outside the closed lists, breaks a rule of the format, or its version is
  ///   not ``currentVersion``.
  public init(parsing bytes: [UInt8]) throws(AuditError) {
    let value: JSONValue
    do {
      value = try JSONValue(
        parsing: bytes, limits: JSONLimits(byteCount: Self.maximumByteCount, depth: 4))
    } catch {
      throw AuditError(.malformed, during: "parsing an entry", cause: error)
    }
    guard let object = value.object else {
      throw AuditError(.malformed, during: "parsing an entry that is no object")
    }
    var fields = EntryFields(object)
    guard try fields.required("v", integer) == Self.currentVersion else {
      throw AuditError(.malformed, during: "parsing an entry of another version")
    }
    self.init(
      index: try fields.required("idx", integer),
      previous: try fields.required("prev", digestValue),
      time: try fields.required("time", timestamp),
      clock: try fields.required("clock", listed),
      id: try fields.required("id", identifier),
      action: try fields.required("action", listed),
      phase: try fields.required("phase", listed),
      actor: try fields.required("actor", actorValue),
      node: try fields.required("node", text),
      software: try fields.required("software", text),
      entryClass: try fields.required("class", listed))
    originTime = try fields.optional("otime", text)
    reference = try fields.optional("ref", identifier)
    outcome = try fields.optional("outcome", listed)
    reason = try fields.optional("reason", listed)
    behalf = try fields.optional("behalf", identifier)
    session = try fields.optional("session", identifier)
    request = try fields.optional("request", identifier)
    objects = try fields.list("objects", identifier)
    parts = try fields.list("parts", text)
    subjects = try fields.list("subjects", subjectTag)
    digest = try fields.optional("digest", digestValue)
    length = try fields.optional("length", integer)
    keyID = try fields.optional("key_id", identifier)
    released = try fields.optional("released", integer)
    purpose = try fields.optional("purpose", listed)
    policy = try fields.optional("policy", digestValue)
    recipient = try fields.optional("recipient", identifier)
    evidence = try fields.optional("evidence", digestValue)
    run = try fields.optional("run", identifier)
    commits = try fields.optional("commits", commitmentMap) ?? [:]
    count = try fields.optional("count", integer)
    first = try fields.optional("first", timestamp)
    last = try fields.optional("last", timestamp)
    flags = Set(try fields.list("flags", listed))
    guard fields.allUsed else {
      throw AuditError(.malformed, during: "parsing an entry with an unknown key")
    }
    // Order of keys, spelling of numbers, repeated flags, rules between fields: one comparison
    // refuses every second spelling, those nobody thought of included.
    let encoded: [UInt8]
    do {
      encoded = try self.encoded()
    } catch {
      throw AuditError(.malformed, during: "parsing an entry that breaks a rule", cause: error)
    }
    guard encoded == bytes else {
      throw AuditError(.malformed, during: "parsing an entry that is not canonical")
    }
  }
}

/// Takes fields out of an object one by one, so that what was not asked for is noticed.
private struct EntryFields {
  private let object: JSONObject
  private var used = 0

  init(_ object: JSONObject) { self.object = object }

  var allUsed: Bool { used == object.count }

  mutating func optional<Value>(
    _ key: String, _ read: (JSONValue) -> Value?
  ) throws(AuditError) -> Value? {
    guard let value = object[key] else { return nil }
    used += 1
    guard let field = read(value) else {
      throw AuditError(.malformed, during: "parsing an entry's field")
    }
    return field
  }

  mutating func required<Value>(
    _ key: String, _ read: (JSONValue) -> Value?
  ) throws(AuditError) -> Value {
    guard let field = try optional(key, read) else {
      throw AuditError(.malformed, during: "parsing an entry that lacks a field")
    }
    return field
  }

  mutating func list<Value>(
    _ key: String, _ read: (JSONValue) -> Value?
  ) throws(AuditError) -> [Value] {
    guard let values = try optional(key, { $0.array }) else { return [] }
    var list: [Value] = []
    for value in values {
      guard let field = read(value) else {
        throw AuditError(.malformed, during: "parsing an entry's list")
      }
      list.append(field)
    }
    return list
  }
}

private func integer(_ value: JSONValue) -> Int64? { value.integer }

private func timestamp(_ value: JSONValue) -> Timestamp? {
  value.integer.map { Timestamp(milliseconds: $0) }
}

private func identifier(_ value: JSONValue) -> Identifier? {
  value.string.flatMap { Identifier($0) }
}

private func listed<Value: RawRepresentable<String>>(_ value: JSONValue) -> Value? {
  value.string.flatMap { Value(rawValue: $0) }
}

private func text<Value: LosslessStringConvertible>(_ value: JSONValue) -> Value? {
  value.string.flatMap { Value($0) }
}

private func digestValue(_ value: JSONValue) -> SHA256Digest? {
  value.string.flatMap { Hex.decode($0) }.flatMap { SHA256Digest(bytes: $0) }
}

private func subjectTag(_ value: JSONValue) -> SubjectTag? {
  value.string.flatMap { Base64.decodeURL($0) }.flatMap { SubjectTag(bytes: $0) }
}

private func commitmentMap(_ value: JSONValue) -> [CommitField: CommitmentDigest]? {
  guard let object = value.object else { return nil }
  var commitments: [CommitField: CommitmentDigest] = [:]
  for member in object.members {
    guard let field = CommitField(rawValue: member.key), let text = member.value.string,
      let commitment = Base64.decodeURL(text).flatMap({ CommitmentDigest(bytes: $0) })
    else { return nil }
    commitments[field] = commitment
  }
  return commitments
}

private func actorValue(_ value: JSONValue) -> Actor? {
  guard let object = value.object, let id = object["id"].flatMap(identifier),
    let kind: ActorKind = object["kind"].flatMap(listed),
    let method: AuthMethod = object["method"].flatMap(listed),
    let strength = object["strength"]?.integer
  else { return nil }
  var role: Role?
  if let value = object["role"] {
    guard let known: Role = listed(value) else { return nil }
    role = known
  }
  // An unknown key would be dropped, and the line would no longer be the same.
  guard object.count == (role == nil ? 4 : 5) else { return nil }
  return Actor(id: id, kind: kind, role: role, method: method, strength: strength)
}
