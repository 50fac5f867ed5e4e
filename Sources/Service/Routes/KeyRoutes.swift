import Audit
public import Encoding
import HTTP
public import Vault

/// Epochs of keys: how they are, begun anew, and destroyed.
struct KeyRoutes: Sendable {
  let vault: Vault

  var routes: [Route] {
    [
      Route("GET", "/v1/keys", .known(.auditRead)) { context in
        try await context.reply.send(200, json: try await vault.keyStatus(as: context.caller).json)
      },
      Route("POST", "/v1/keys/rotations", .known(.keyRotate)) { context in
        try await context.reply.send(202, json: try await vault.rotateKeys(as: context.caller).json)
      },
      Route("POST", "/v1/keys/ratchets", .known(.keyDestroy)) { context in
        try await context.reply.send(
          202, json: try await vault.startRatchet(as: context.caller).json)
      },
    ]
  }
}

extension KeyStatus {
  /// As `GET /v1/keys` answers.
  public var json: JSONObject {
    var object: JSONObject = [
      "generation": .integer(Int64(clamping: ring.generation)),
      "custodian": .string(ring.custodian.kind.name),
      "destruction": .string(ring.custodian.destruction.name),
      "anchored": .bool(ring.anchor != nil),
      "proven_from_epoch": .integer(Int64(ring.confinedFrom)),
      "tombstones": .integer(Int64(ring.tombstones)),
      "epochs": .array(
        epochs.map { epoch in
          var members: JSONObject = [
            "epoch": .integer(Int64(epoch.facts.number)),
            "kek_id": .string(epoch.facts.id.description),
            "created": .string(epoch.facts.created.rfc3339), "keys": .integer(epoch.keys),
            "ring_keys": .integer(Int64(epoch.ringKeys)),
          ]
          if let until = epoch.wrappedUntil { members["wrapped_until"] = .string(until.rfc3339) }
          return .object(members)
        }),
      "purged": .object([
        "access_removed": .integer(purges.waiting), "keys_destroyed": .integer(purges.erased),
        "cryptographically_erased": .integer(purges.proven),
      ]),
      "troubles": .array(
        troubles.map { .string("\($0.place): \($0.error.detail ?? "\($0.error)")") }),
    ]
    object["excised"] = .integer(Int64(excised))
    if let ratchetDue { object["ratchet_due"] = .string(ratchetDue.rfc3339) }
    object["library"] = .string(SealingLibrary.current.description)
    object["sealed"] = .array(
      sealed.map { parts in
        var members: JSONObject = ["parts": .integer(parts.count)]
        if let library = parts.library { members["by"] = .string(library.description) }
        return .object(members)
      })
    if let unproven { object["unproven"] = .string(unproven) }
    if let run { object["run"] = .object(run.json) }
    return object
  }
}

extension KeyRun {
  fileprivate var json: JSONObject {
    var object: JSONObject = [
      "id": .string(id.description), "kind": .string(kind.rawValue),
      "began": .string(began.rfc3339), "rewrapped": .integer(rewrapped),
      "damaged": .array(damaged.map { .string($0.description) }),
      "damaged_count": .integer(Int64(damagedCount)),
      "stuck": .array(
        stuck.map {
          .object(["kind": .string($0.owner.name), "id": .string($0.id.description)])
        }),
      "stuck_count": .integer(Int64(stuckCount)),
    ]
    if let epoch { object["epoch"] = .integer(Int64(epoch)) }
    switch state {
    case .running: object["state"] = .string("running")
    case .done(let sentence):
      object["state"] = .string("done")
      object["outcome"] = .string(sentence)
    case .failed(let sentence):
      object["state"] = .string("failed")
      object["outcome"] = .string(sentence)
    }
    return object
  }
}

extension CustodianRecord.Kind {
  fileprivate var name: String {
    switch self {
    case .file: "file"
    case .token: "token"
    case .service: "service"
    case .shares: "shares"
    }
  }
}

extension CustodianRecord.Destruction {
  fileprivate var name: String {
    switch self {
    case .file: "file"
    case .resident: "resident"
    case .provider: "provider"
    }
  }
}
