public import Cryptography
import Encoding

// `Documentation/formats/retention.md`, 6.2.
extension LegalHold {
  /// Canonical JSON; it holds numbers and is stored sealed.
  public var encoded: [UInt8] {
    let object: JSONObject = [
      "by": .string(placedBy.description), "id": .string(id.description),
      "kind": .string(kind.rawValue), "matter": .string(matter.description),
      "placed": .integer(placed.milliseconds), "scope": .object(scope.object), "v": 1,
    ]
    return JSONValue.object(object).encoded()
  }

  /// What two people approve when they release it.
  public var digest: SHA256Digest { SHA256.hash(encoded) }

  /// Reads ``encoded``.
  ///
  /// - Throws: ``RetentionError/Code/malformed`` for anything that this program would not write.
  public init(parsing bytes: [UInt8]) throws(RetentionError) {
    let malformed = RetentionError(.malformed, "this is not a hold")
    let value: JSONValue
    do {
      value = try JSONValue(parsing: bytes)
    } catch {
      throw malformed
    }
    guard let object = value.object, object["v"] == 1,
      let by = object["by"]?.string.flatMap(Identifier.init),
      let id = object["id"]?.string.flatMap(Identifier.init),
      let kind = object["kind"]?.string.flatMap(Kind.init),
      let matter = object["matter"]?.string.flatMap(Identifier.init),
      let placed = object["placed"]?.integer, placed.magnitude < 1 << 53,
      let members = object["scope"]?.object, let scope = HoldScope(members)
    else { throw malformed }
    self.init(
      id: id, matter: matter, kind: kind, scope: scope, placed: Timestamp(milliseconds: placed),
      placedBy: by)
    guard encoded == bytes else { throw malformed }
  }
}

extension HoldScope {
  fileprivate var object: JSONObject {
    var object = JSONObject()
    func put(_ name: String, _ texts: some Collection<String>) {
      guard !texts.isEmpty else { return }
      let sorted = texts.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
      object[name] = .array(sorted.map { .string($0) })
    }
    put("calls", calls.map(\.description))
    object["direction"] = direction.map { .string($0) }
    put("extensions", extensions)
    object["from"] = from.map { .string($0.description) }
    put("locations", locations)
    put("numbers", numbers)
    put("numbers_of_patients", patientNumbers)
    put("patients", patients.map(\.description))
    put("sources", sources)
    object["through"] = through.map { .string($0.description) }
    return object
  }

  /// Nil if a member has another type or meaning; what else may be wrong shows when it is written again.
  fileprivate init?(_ object: JSONObject) {
    func texts(_ name: String) -> Set<String>? {
      guard let member = object[name] else { return [] }
      guard let values = member.array, !values.isEmpty else { return nil }
      let texts = values.compactMap(\.string)
      // Bounded, and none empty: a condition that nothing can meet would hold nothing.
      guard texts.count == values.count, texts.allSatisfy({ (1...512).contains($0.utf8.count) })
      else { return nil }
      return Set(texts)
    }
    func ids(_ name: String) -> Set<Identifier>? {
      guard let texts = texts(name) else { return nil }
      let ids = texts.compactMap(Identifier.init)
      return ids.count == texts.count ? Set(ids) : nil
    }
    guard let calls = ids("calls"), let patients = ids("patients"),
      let patientNumbers = texts("numbers_of_patients"), let numbers = texts("numbers"),
      let sources = texts("sources"), let locations = texts("locations"),
      let extensions = texts("extensions")
    else { return nil }
    self.init()
    self.calls = calls
    self.patients = patients
    self.patientNumbers = patientNumbers
    self.numbers = numbers
    self.sources = sources
    self.locations = locations
    self.extensions = extensions
    if let member = object["direction"] {
      guard let direction = member.string, ["inbound", "internal", "outbound"].contains(direction)
      else { return nil }
      self.direction = direction
    }
    for (name, field) in [("from", \HoldScope.from), ("through", \HoldScope.through)] {
      guard let member = object[name] else { continue }
      guard let day = member.string.flatMap({ CivilDate($0) }) else { return nil }
      self[keyPath: field] = day
    }
    guard isSound else { return nil }
  }

  /// Whether it can mean what it says: patients before their numbers, days in order.
  ///
  /// One that is not sound would hold nothing, or more than it seems to.
  public var isSound: Bool {
    (patientNumbers.isEmpty || !patients.isEmpty)
      && (from.flatMap { from in through.map { from <= $0 } } ?? true)
      && direction.map { ["inbound", "internal", "outbound"].contains($0) } ?? true
  }
}
