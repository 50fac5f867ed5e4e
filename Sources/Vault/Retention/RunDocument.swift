import Audit
public import Encoding
import Retention

/// What a plan's row says besides: how its run went, and what certificates need of it.
///
/// JSON in the catalog: `Documentation/formats/destruction.md`, 4.
public struct RunDocument: Sendable, Equatable {
  /// Who began the run, when, and the entry that says so.
  public var runner: Identifier?
  public var began: Timestamp?
  public var runIndex: Int64?
  /// The day that was judged, and by what.
  public var day: String?
  public var timeSource: String?
  /// Holds that were read when the run began.
  public var holds: Int64?
  public var capsVerdict: String?
  public var purged: Int64 = 0
  public var skipped: [String: Int64] = [:]
  public var ended: Timestamp?
  public var endIndex: Int64?
  /// A signed head that covers every entry of the run.
  public var checkpoint: String?
  public var software: String?
  public var origin: String?
  public var places: [DestructionPlace] = []
  /// The policy that the plan was made under, and its rules by their numbers from 1.
  public var policy: String?
  public var policyVersion: String?
  public var rules: [Rule] = []
  /// Why it was given up.
  public var voided: String?

  public struct Rule: Sendable, Equatable {
    public let className, name, version, citation: String
  }

  public init() {}

  var encoded: [UInt8] {
    var object = JSONObject()
    func put(_ name: String, _ value: String?) { object[name] = value.map { .string($0) } }
    func put(_ name: String, _ value: Int64?) { object[name] = value.map { .integer($0) } }
    put("began", began?.milliseconds)
    put("caps", capsVerdict)
    put("checkpoint", checkpoint)
    put("day", day)
    put("end_index", endIndex)
    put("ended", ended?.milliseconds)
    put("holds", holds)
    put("origin", origin)
    if !places.isEmpty { object["places"] = .array(places.map { .object($0.json) }) }
    put("policy", policy)
    put("policy_version", policyVersion)
    put("purged", purged)
    if !rules.isEmpty {
      object["rules"] = .array(
        rules.map { rule in
          .array([rule.className, rule.name, rule.version, rule.citation].map { .string($0) })
        })
    }
    put("run_index", runIndex)
    put("runner", runner?.description)
    if !skipped.isEmpty {
      object["skipped"] = .object(
        JSONObject(skipped.sorted { $0.key < $1.key }.map { ($0.key, .integer($0.value)) }))
    }
    put("software", software)
    put("time_source", timeSource)
    put("voided", voided)
    return JSONValue.object(object).encoded()
  }

  /// - Throws: ``VaultError/Code/tampered`` for what is no such document.
  init(parsing bytes: [UInt8]) throws(VaultError) {
    guard !bytes.isEmpty else { return }
    // What is wrong with it is said below: it is not what this program wrote.
    guard let object = try? JSONValue(parsing: bytes).object else {
      throw VaultError(.tampered, during: "reading how a run went")
    }
    runner = object["runner"]?.string.flatMap(Identifier.init)
    began = object["began"]?.integer.map(Timestamp.init(milliseconds:))
    runIndex = object["run_index"]?.integer
    day = object["day"]?.string
    timeSource = object["time_source"]?.string
    holds = object["holds"]?.integer
    capsVerdict = object["caps"]?.string
    purged = object["purged"]?.integer ?? 0
    for member in object["skipped"]?.object?.members ?? [] {
      skipped[member.key] = member.value.integer
    }
    ended = object["ended"]?.integer.map(Timestamp.init(milliseconds:))
    endIndex = object["end_index"]?.integer
    checkpoint = object["checkpoint"]?.string
    software = object["software"]?.string
    origin = object["origin"]?.string
    places = (object["places"]?.array ?? []).compactMap { $0.object.map(DestructionPlace.init) }
    policy = object["policy"]?.string
    policyVersion = object["policy_version"]?.string
    rules = (object["rules"]?.array ?? []).compactMap { value in
      let words = (value.array ?? []).compactMap(\.string)
      guard words.count == 4 else { return nil }
      return Rule(
        className: words[0], name: words[1], version: words[2], citation: words[3])
    }
    voided = object["voided"]?.string
    guard encoded == bytes else {
      throw VaultError(.tampered, during: "reading how a run went")
    }
  }

  /// Lines that were skipped, by the words of the rules.
  var skippedByReason: [SkipReason: Int] {
    var counts: [SkipReason: Int] = [:]
    for (word, count) in skipped {
      if let reason = SkipReason(rawValue: word) { counts[reason] = Int(clamping: count) }
    }
    return counts
  }
}

extension DestructionPlace {
  var json: JSONObject {
    var object: JSONObject = ["kind": .string(kind), "property": .string(property)]
    object["horizon"] = horizon.map { .string($0) }
    return object
  }

  init(_ object: JSONObject) {
    self.init(
      kind: object["kind"]?.string ?? "", property: object["property"]?.string ?? "",
      horizon: object["horizon"]?.string)
  }
}

extension RunDocument.Rule {
  init(_ rule: PurgePlan.Rule) {
    self.init(
      className: rule.className, name: rule.name, version: rule.version, citation: rule.citation)
  }
}
