import Audit
import Encoding
import Vault

@testable import Service

extension FuzzTarget {
  /// The JSON bodies of the routes.
  static let service: [FuzzTarget] = [
    settled(
      "body-call", parse: { try NewCall(ObjectFields($0, known: NewCall.members)) },
      encode: { call in
        var object = JSONObject()
        object["source"] = .string(call.source)
        object["source_id"] = .string(call.sourceID)
        object["started"] = call.started.map { .string($0.description) }
        object["direction"] = call.direction.map { .string($0.rawValue) }
        object["from"] = call.from.map { .string($0) }
        object["to"] = call.to.map { .string($0) }
        object["extension"] = call.callExtension.map { .string($0) }
        object["agent"] = call.agent.map { .string($0) }
        object["location"] = call.location.map { .string($0) }
        return JSONValue.object(object).encoded()
      }),
    settled(
      "body-token", parse: { try TokenOrder(ObjectFields($0, known: TokenOrder.members)) },
      encode: { order in
        let object: JSONValue = [
          "name": .string(order.name), "role": .string(order.role.rawValue),
          "scopes": .array(order.scopes.map { .string($0.description) }),
          "ttl_seconds": .integer(order.seconds),
        ]
        return object.encoded()
      }),
    settled(
      "body-note",
      parse: {
        try ObjectFields($0, known: ["text"]).requiredText(
          "text", limit: Note.textLimit, allowsLines: true)
      }, encode: { JSONValue.object(["text": .string($0)]).encoded() }),
  ]
}
