import Cryptography
import Encoding

extension Entry {
  /// The canonical line, without a line end: what is hashed and stored.
  ///
  /// - Throws: ``AuditError/Code/invalidDraft`` if a number is negative or not below 2^53, a list
  ///   is too long, only some of `count`, `first` and `last` are there, the strength is unknown, an
  ///   outcome lacks its reference or code, or the line would exceed ``maximumByteCount``.
  public func encoded() throws(AuditError) -> [UInt8] {
    try checkRules()
    var line = CanonicalObject()
    line.add("action", action.rawValue)
    line.add("actor") { actor.encode(into: &$0) }
    line.add("behalf", behalf)
    line.add("class", entryClass.rawValue)
    line.add("clock", clock.rawValue)
    if !commits.isEmpty {
      line.add("commits") { object in
        for (field, commitment) in commits.sorted(by: { $0.key < $1.key }) {
          object.add(field.rawValue, Base64.encodeURL(commitment.bytes))
        }
      }
    }
    line.add("count", count)
    line.add("digest", digest)
    line.add("evidence", evidence)
    line.add("first", first?.milliseconds)
    line.add("flags", list: flags.sorted()) { $0.append($1.rawValue) }
    line.add("id", id)
    line.add("idx", index)
    line.add("key_id", keyID)
    line.add("last", last?.milliseconds)
    line.add("length", length)
    line.add("node", node.description)
    line.add("objects", list: objects) { $0.append($1) }
    line.add("otime", originTime?.description)
    line.add("outcome", outcome?.rawValue)
    line.add("parts", list: parts) { $0.append($1.description) }
    line.add("phase", phase.rawValue)
    line.add("policy", policy)
    line.add("prev", previous)
    line.add("purpose", purpose?.rawValue)
    line.add("reason", reason?.rawValue)
    line.add("recipient", recipient)
    line.add("ref", reference)
    line.add("released", released)
    line.add("request", request)
    line.add("run", run)
    line.add("session", session)
    line.add("software", software.description)
    line.add("subjects", list: subjects) { $0.append(Base64.encodeURL($1.bytes)) }
    line.add("time", time.milliseconds)
    line.add("v", Self.currentVersion)
    let bytes = line.closed()
    guard bytes.count <= Self.maximumByteCount else {
      throw AuditError(.invalidDraft, during: "encoding an entry over 16 KiB")
    }
    return bytes
  }

  private func checkRules() throws(AuditError) {
    let numbers = [
      index, time.milliseconds, length ?? 0, released ?? 0, count ?? 0, first?.milliseconds ?? 0,
      last?.milliseconds ?? 0,
    ]
    guard numbers.allSatisfy({ (0..<Self.integerBound).contains($0) }) else {
      throw AuditError(.invalidDraft, during: "encoding an entry with a number out of range")
    }
    guard
      [objects.count, parts.count, subjects.count].allSatisfy({ $0 <= Self.maximumObjects })
    else {
      throw AuditError(.invalidDraft, during: "encoding an entry that names too many objects")
    }
    guard Actor.strengths.contains(actor.strength) else {
      throw AuditError(.invalidDraft, during: "encoding an entry with an unknown strength")
    }
    let aggregate = [count != nil, first != nil, last != nil]
    guard aggregate.allSatisfy({ $0 == aggregate[0] }) else {
      throw AuditError(.invalidDraft, during: "encoding an aggregate without count, first or last")
    }
    switch phase {
    case .intent:
      // An intent that already tells its end would let a reader take it for the outcome.
      guard reference == nil, outcome == nil else {
        throw AuditError(.invalidDraft, during: "encoding an intent that has an outcome")
      }
    case .outcome:
      guard reference != nil, outcome != nil else {
        throw AuditError(.invalidDraft, during: "encoding an outcome without its intent or code")
      }
    case .single: break
    }
  }
}

extension Actor {
  fileprivate func encode(into object: inout CanonicalObject) {
    object.add("id", id)
    object.add("kind", kind.rawValue)
    object.add("method", method.rawValue)
    object.add("role", role?.rawValue)
    object.add("strength", strength)
  }
}

/// Writes one JSON object in canonical form.
///
/// The caller adds keys in code-point order, and only strings that need no escape: both hold for
/// every field of an entry by its type, and both are programmer's mistakes otherwise. Ids and
/// digests are most of an entry and go straight into its bytes.
private struct CanonicalObject {
  private var bytes: [UInt8] = []
  private var lastKey = ""

  init() {
    bytes.reserveCapacity(1024)
    bytes.append(0x7b)
  }

  consuming func closed() -> [UInt8] {
    bytes.append(0x7d)
    return bytes
  }

  private mutating func begin(_ key: String) {
    // Keys are constants of this file, so what tests have encoded is in order for good.
    assert(lastKey < key, "keys out of order")
    if !lastKey.isEmpty { bytes.append(0x2c) }
    lastKey = key
    bytes.append(0x22)
    bytes.append(contentsOf: key.utf8)
    bytes.append(0x22)
    bytes.append(0x3a)
  }

  mutating func append(_ string: String) {
    bytes.append(0x22)
    let start = bytes.count
    bytes.append(contentsOf: string.utf8)
    for place in start..<bytes.count {
      let byte = bytes[place]
      precondition(byte >= 0x20 && byte < 0x7f && byte != 0x22 && byte != 0x5c, "needs an escape")
    }
    bytes.append(0x22)
  }

  mutating func append(_ id: Identifier) {
    bytes.append(0x22)
    id.write(to: &bytes)
    bytes.append(0x22)
  }

  mutating func add(_ key: String, _ value: String?) {
    guard let value else { return }
    begin(key)
    append(value)
  }

  mutating func add(_ key: String, _ id: Identifier?) {
    guard let id else { return }
    begin(key)
    append(id)
  }

  mutating func add(_ key: String, _ digest: SHA256Digest?) {
    guard let digest else { return }
    begin(key)
    bytes.append(0x22)
    Hex.write(digest.bytes, to: &bytes)
    bytes.append(0x22)
  }

  mutating func add(_ key: String, _ value: Int64?) {
    guard let value else { return }
    begin(key)
    bytes.append(contentsOf: String(value).utf8)
  }

  mutating func add<Value>(
    _ key: String, list: [Value], _ write: (inout CanonicalObject, Value) -> Void
  ) {
    guard !list.isEmpty else { return }
    begin(key)
    bytes.append(0x5b)
    for (position, value) in list.enumerated() {
      if position > 0 { bytes.append(0x2c) }
      write(&self, value)
    }
    bytes.append(0x5d)
  }

  mutating func add(_ key: String, _ write: (inout CanonicalObject) -> Void) {
    begin(key)
    bytes.append(0x7b)
    lastKey = ""
    write(&self)
    lastKey = key
    bytes.append(0x7d)
  }
}
