import Audit
import Cryptography
import Encoding
import HTTP
import Retention
import Vault

/// Plans, approvals, runs and certificates; why something is still here.
struct RetentionRoutes: Sendable {
  let vault: Vault

  /// Bytes of a plan's list in one answer.
  private static let listPage: Int64 = 1 << 20

  var routes: [Route] {
    [
      Route("GET", "/v1/retention", .known(.search)) { context in
        try await context.reply.send(
          200, json: try await vault.retentionStatus(as: context.caller).json)
      },
      Route(
        "POST", "/v1/retention/plans", .known(.retentionPlanned), body: .optionalObject(limit: 256)
      ) { context in
        var withinCaps = true
        if context.body.declaredLength != 0 {
          withinCaps = try await !context.fields(["beyond_caps"]).flag("beyond_caps")
        }
        let plan = try await vault.planPurge(withinCaps: withinCaps, as: context.caller)
        try await context.reply.send(201, json: plan.json)
      },
      Route(
        "GET", "/v1/retention/plans/{plan}/list", .known(.search), query: ["offset"]
      ) { context in
        let offset = try context.queryInteger("offset", in: 0...(1 << 53) - 1) ?? 0
        let bytes = try await vault.planList(
          context.digest("plan"), from: offset, count: Int(Self.listPage), as: context.caller)
        try await context.reply.send(200, type: "text/plain; charset=utf-8", body: bytes)
      },
      Route(
        "POST", "/v1/retention/approvals", .known(.retentionApproved), body: .object(limit: 1024)
      ) { context in
        let fields = try await context.fields(["hash", "today", "beyond_caps", "evidence"])
        guard let hash = try fields.digest("hash") else {
          throw ProblemDetail(.unprocessable, "`hash` is missing.")
        }
        let now = try await vault.approveRetention(
          hash, typed: try fields.day("today"), beyondCaps: try fields.flag("beyond_caps"),
          evidence: try fields.digest("evidence"), as: context.caller)
        var answer: JSONObject = [
          "stage": .string(now.stage.rawValue), "log_index": .integer(now.logIndex),
        ]
        answer["runs_from"] = now.graceEnd.map { .string($0.rfc3339) }
        try await context.reply.send(200, json: answer)
      },
      Route("POST", "/v1/retention/plans/{plan}/run", .known(.retentionRun)) { context in
        let row = try await vault.runPurge(context.digest("plan"), as: context.caller)
        try await context.reply.send(202, json: ["stage": .string(row.stage.rawValue)])
      },
      Route(
        "POST", "/v1/retention/plans/{plan}/void", .known(.retentionRun),
        body: .object(limit: 4096)
      ) { context in
        let reason = try await context.fields(["reason"]).requiredText("reason", limit: 512)
        let index = try await vault.voidPlan(
          context.digest("plan"), reason: reason, as: context.caller)
        try await context.reply.send(200, json: ["stage": "void", "log_index": .integer(index)])
      },
      Route(
        "GET", "/v1/retention/plans/{plan}/certificates", .known(.search),
        query: ["after", "limit"]
      ) { context in try await certificates(context) },
      Route("GET", "/v1/retention/certificates/{certificate}", .known(.search)) { context in
        guard let name = context.variables["certificate"].flatMap(CertificateName.init) else {
          throw ProblemDetail.notFound
        }
        let note = try await vault.certificate(name, as: context.caller)
        try await context.reply.send(
          200, type: "text/plain; charset=utf-8", body: note)
      },
      Route(
        "POST", "/v1/retention/simulations", .known(.retentionPlanned),
        body: .object(limit: 1 << 20)
      ) { context in
        let fields = try await context.fields(["policy", "day"])
        let policy = try fields.requiredText("policy", limit: 1 << 20, allowsLines: true)
        let answer = try await vault.simulate(
          Array(policy.utf8), on: try fields.day("day"), as: context.caller)
        try await context.reply.send(200, json: answer)
      },
      Route("GET", "/v1/retention/why/{thing}", .known(.callOpened)) { context in
        let why = try await vault.whyKept(context.identifier("thing"), as: context.caller)
        try await context.reply.send(200, json: why.json)
      },
      Route(
        "POST", "/v1/retention/calls/{call}/facts", .known(.callChanged), body: .object(limit: 4096)
      ) { context in
        let index = try await vault.setRetentionFacts(
          ofCall: context.identifier("call"), to: try await facts(context), as: context.caller)
        try await context.reply.send(200, json: ["log_index": .integer(index)])
      },
      Route(
        "POST", "/v1/retention/subjects/{subject}/facts", .known(.callChanged),
        body: .object(limit: 4096)
      ) { context in
        let index = try await vault.setRetentionFacts(
          ofPatient: context.identifier("subject"), to: try await facts(context),
          as: context.caller)
        try await context.reply.send(200, json: ["log_index": .integer(index)])
      },
    ]
  }

  private func certificates(_ context: RequestContext) async throws {
    let limit = try context.queryInteger("limit", in: 1...1000) ?? 100
    let after = try context.queryIdentifier("after")
    let rows = try await vault.certificates(
      ofPlan: context.digest("plan"), after: after, limit: Int(limit), as: context.caller)
    var document: JSONObject = [
      "certificates": .array(
        rows.map { row in
          var object: JSONObject = [
            "call": .string(row.purge.call.description), "t0": .string(row.purge.purged.rfc3339),
          ]
          object["t1"] = row.purge.erased.map { .string($0.rfc3339) }
          object["proven"] = row.purge.isProven.map { .bool($0) }
          return .object(object)
        })
    ]
    if rows.count == Int(limit) {
      document["next"] = rows.last.map { .string($0.purge.call.description) }
    }
    try await context.reply.send(200, json: document)
  }

  private func facts(_ context: RequestContext) async throws -> KnownFacts {
    let fields = try await context.fields(["classes", "days", "of_age", "born", "state"])
    var object = JSONObject()
    for name in ["classes", "days", "of_age", "born", "state"] {
      object[name] = fields.value(name)
    }
    guard let facts = KnownFacts(object) else {
      throw ProblemDetail(
        .unprocessable,
        "`classes` are names, `days` are days of last-encounter, contract-end or event, `born` is a "
          + "day or `of_age` is true, `state` is like US-MI.")
    }
    return facts
  }
}

extension RequestContext {
  /// A SHA-256 in the path; what is none names nothing.
  fileprivate func digest(_ name: String) throws(ProblemDetail) -> SHA256Digest {
    guard let digest = variables[name].flatMap({ SHA256Digest(hex: $0) }) else { throw .notFound }
    return digest
  }
}

extension KnownPlan {
  fileprivate var json: JSONObject {
    let totals = plan.totals
    func count(_ number: Int) -> JSONValue { .integer(Int64(number)) }
    return [
      "plan": .string(row.hash.hex), "day": .string(plan.head.day.description),
      "policy": .string(plan.head.policy.hex), "calls": count(totals.calls),
      "recordings": count(totals.recordings), "bytes": .integer(totals.bytes),
      "kept": .object([
        "young": count(totals.young), "unknown": count(totals.unknown),
        "held": count(totals.held), "later": count(totals.later),
      ]),
      "log_index": .integer(row.logIndex ?? 0),
    ]
  }
}

extension RetentionStatus {
  fileprivate var json: JSONObject {
    var object: JSONObject = [
      "policy": .object(policy), "plans": .array(plans.map { .object($0.json) }),
    ]
    if let alarm {
      object["clock_alarm"] = .object([
        "since": .string(alarm.since.rfc3339), "detail": .string(alarm.sentence),
      ])
    }
    return object
  }

  private var policy: JSONObject {
    var object: JSONObject = ["may_purge": .bool(standing.allowsPurge)]
    object["approvals"] = .array(policyApprovals.map { .string($0.person.description) })
    if case .awaitsApproval(let change) = standing {
      object["shorter"] = .array((change?.shorter ?? []).map { .string($0.description) })
    }
    return object
  }
}

extension RetentionStatus.Plan {
  fileprivate var json: JSONObject {
    var object: JSONObject = [
      "plan": .string(row.hash.hex), "made": .string(row.made.rfc3339),
      "made_by": .string(row.madeBy.description), "stage": .string(row.stage.rawValue),
      "calls": .integer(row.calls), "recordings": .integer(row.recordings),
      "bytes": .integer(row.bytes),
      "approvals": .array(approvals.map { .string($0.person.description) }),
    ]
    object["runs_from"] = graceEnd.map { .string($0.rfc3339) }
    object["done"] = done.map { .integer($0) }
    // Also of a run that was stopped.
    if document.ended != nil {
      object["purged"] = .integer(document.purged)
      object["skipped"] = .object(
        JSONObject(
          document.skipped.sorted { $0.key < $1.key }.map { ($0.key, .integer($0.value)) }))
      object["ended"] = document.ended.map { .string($0.rfc3339) }
    }
    object["voided"] = document.voided.map { .string($0) }
    return object
  }
}

extension KeptBecause {
  fileprivate var json: JSONObject {
    var object: JSONObject = [
      "call": .string(call.description), "policy": .string(decision.policy.hex),
      "policy_version": .string(decision.policyVersion),
      "findings": .array(decision.findings.map { .object($0.json) }),
      "unknown": .array(decision.unknown.map { .string($0.description) }),
      "policy_in_force": .bool(standing.allowsPurge),
    ]
    object["eligible"] = decision.eligible.map { .string($0.description) }
    object["rule"] = decision.decisive.map { .string($0.label) }
    switch hold {
    case .free: object["held"] = false
    case .held(let holds):
      object["held"] = true
      object["holds"] = .array(holds.map { .string($0.description) })
    case .unreadable:
      object["held"] = true
      object["holds_unreadable"] = true
    }
    return object
  }
}

extension RetentionDecision.Finding {
  fileprivate var json: JSONObject {
    var object: JSONObject = [
      "rule": .string(rule.label), "citation": .string(rule.citation),
      "after": .string(rule.after.rawValue), "keep": .string(rule.keep.description),
    ]
    switch outcome {
    case .day(let day):
      object["outcome"] = "day"
      object["day"] = .string(day.description)
    case .unknown(let what):
      object["outcome"] = "unknown"
      object["unknown"] = .string(what.description)
    case .elsewhere: object["outcome"] = "elsewhere"
    case .ended: object["outcome"] = "ended"
    case .ofAge: object["outcome"] = "of-age"
    }
    return object
  }
}
