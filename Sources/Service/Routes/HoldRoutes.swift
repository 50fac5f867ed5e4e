import Audit
import Cryptography
import Encoding
import HTTP
import Retention
import Vault

/// Legal holds: placed, seen and released.
struct HoldRoutes: Sendable {
  let vault: Vault

  var routes: [Route] {
    [
      Route("GET", "/v1/holds", .known(.search)) { context in
        let holds = try await vault.listHolds(as: context.caller)
        try await context.reply.send(200, json: ["holds": .array(holds.map { .object($0.json) })])
      },
      Route("POST", "/v1/holds", .known(.holdSet), body: .object(limit: 1 << 16)) { context in
        let receipt = try await vault.setHold(try await request(context), as: context.caller)
        try await context.reply.send(
          201,
          json: [
            "hold": .string(receipt.id.description), "log_index": .integer(receipt.logIndex),
          ])
      },
      Route(
        "POST", "/v1/holds/{hold}/release", .known(.holdReleased), body: .object(limit: 4096)
      ) { context in
        let fields = try await context.fields(["reason", "evidence"])
        let (isReleased, index) = try await vault.releaseHold(
          context.identifier("hold"), reason: try fields.requiredText("reason", limit: 512),
          evidence: try fields.digest("evidence"), as: context.caller)
        try await context.reply.send(
          200, json: ["released": .bool(isReleased), "log_index": .integer(index)])
      },
      Route(
        "POST", "/v1/holds/{hold}/decision", .known(.holdSet), body: .object(limit: 4096)
      ) { context in
        let fields = try await context.fields(["reason"])
        let index = try await vault.decideHold(
          context.identifier("hold"), reason: try fields.requiredText("reason", limit: 512),
          as: context.caller)
        try await context.reply.send(200, json: ["log_index": .integer(index)])
      },
    ]
  }

  private func request(_ context: RequestContext) async throws -> HoldRequest {
    let fields = try await context.fields(["matter", "reason", "custodian", "kind", "scope"])
    guard case .object(let members)? = fields.value("scope") else {
      throw ProblemDetail(
        .unprocessable, "`scope` must be an object; an empty one holds every call.")
    }
    return HoldRequest(
      matter: try fields.requiredText("matter", limit: 128),
      reason: try fields.requiredText("reason", limit: 512),
      custodian: try fields.requiredText("custodian", limit: 128),
      kind: try fields.choice("kind", of: LegalHold.Kind.self) ?? .legal,
      scope: try scope(
        ObjectFields(
          members,
          known: [
            "calls", "patients", "numbers", "sources", "locations", "extensions", "direction",
            "from", "through",
          ])))
  }

  private func scope(_ fields: ObjectFields) throws(ProblemDetail) -> HoldScope {
    func texts(_ name: String) throws(ProblemDetail) -> Set<String> {
      var texts: Set<String> = []
      for value in try fields.array(name, limit: 1000) ?? [] {
        guard let text = value.string, (1...128).contains(text.utf8.count) else {
          throw ProblemDetail(
            .unprocessable, "`\(name)` must be texts of 1 to 128 bytes.")
        }
        texts.insert(text)
      }
      return texts
    }
    func ids(_ name: String) throws(ProblemDetail) -> Set<Identifier> {
      var ids: Set<Identifier> = []
      for text in try texts(name) {
        guard let id = Identifier(text) else {
          throw ProblemDetail(.unprocessable, "`\(name)` must be ids: UUIDs in lower case.")
        }
        ids.insert(id)
      }
      return ids
    }
    var scope = HoldScope()
    scope.calls = try ids("calls")
    scope.patients = try ids("patients")
    scope.numbers = try texts("numbers")
    scope.sources = try texts("sources")
    scope.locations = try texts("locations")
    scope.extensions = try texts("extensions")
    scope.direction = try fields.choice("direction", of: Direction.self)?.rawValue
    scope.from = try fields.day("from")
    scope.through = try fields.day("through")
    return scope
  }
}

extension ObjectFields {
  /// A day as `YYYY-MM-DD`.
  func day(_ name: String) throws(ProblemDetail) -> CivilDate? {
    guard let text = try text(name, limit: 10) else { return nil }
    guard let day = CivilDate(text) else {
      throw ProblemDetail(.unprocessable, "`\(name)` must be a day such as 2026-11-20.")
    }
    return day
  }

  /// A SHA-256 in hexadecimal.
  func digest(_ name: String) throws(ProblemDetail) -> SHA256Digest? {
    guard let text = try text(name, limit: 64) else { return nil }
    guard let digest = SHA256Digest(hex: text) else {
      throw ProblemDetail(
        .unprocessable, "`\(name)` must be a SHA-256 in 64 lower-case hexadecimal digits.")
    }
    return digest
  }

  /// True or false; false where it is absent.
  func flag(_ name: String) throws(ProblemDetail) -> Bool {
    guard let value = value(name) else { return false }
    guard case .bool(let flag) = value else {
      throw ProblemDetail(.unprocessable, "`\(name)` must be true or false.")
    }
    return flag
  }
}

extension KnownHold {
  fileprivate var json: JSONObject {
    var object: JSONObject = [
      "hold": .string(hold.id.description), "matter": .string(matter.name),
      "reason": .string(matter.reason), "custodian": .string(matter.custodian),
      "kind": .string(hold.kind.rawValue), "placed": .string(hold.placed.rfc3339),
      "placed_by": .string(hold.placedBy.description), "scope": .object(scope),
    ]
    if let releaseAsked {
      object["release_asked_by"] = .string(releaseAsked.description)
    }
    object["released"] = released.map { .string($0.rfc3339) }
    object["decided"] = decided.map { .string($0.rfc3339) }
    return object
  }

  private var scope: JSONObject {
    let scope = hold.scope
    var object = JSONObject()
    func put(_ name: String, _ texts: some Sequence<String>) {
      let all = texts.sorted()
      if !all.isEmpty { object[name] = .array(all.map { .string($0) }) }
    }
    put("calls", scope.calls.map(\.description))
    object["direction"] = scope.direction.map { .string($0) }
    put("extensions", scope.extensions)
    object["from"] = scope.from.map { .string($0.description) }
    put("locations", scope.locations)
    put("numbers", scope.numbers)
    put("patients", scope.patients.map(\.description))
    put("sources", scope.sources)
    object["through"] = scope.through.map { .string($0.description) }
    return object
  }
}
