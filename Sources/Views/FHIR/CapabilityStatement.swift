public import Encoding

/// What `/fhir` offers, as FHIR R4 says it.
public enum CapabilityStatement {
  public static let document: JSONObject = [
    "resourceType": "CapabilityStatement", "status": "active", "date": "2026-11-28",
    "kind": "instance",
    "software": ["name": "CallVault"],
    "implementation": ["description": "The audit log of a CallVault, read only"],
    "fhirVersion": "4.0.1", "format": ["application/fhir+json", "application/fhir+ndjson"],
    "rest": [
      [
        "mode": "server",
        "security": [
          "description":
            "A bearer token with the right audit.read; every reading is itself an event."
        ],
        "resource": [
          [
            "type": "AuditEvent",
            "documentation":
              "One event for each entry of the log; its last entity names the entry. Oldest first, without totals.",
            "interaction": [["code": "read"], ["code": "search-type"]],
            "versioning": "no-version",
            "searchParam": [
              parameter("date", "date"), parameter("patient", "reference"),
              parameter("agent", "reference"), parameter("entity", "reference"),
              parameter("type", "token"), parameter("subtype", "token"),
              parameter("outcome", "token"), parameter("action", "token"),
              parameter("_log", "number"),
            ],
          ]
        ],
      ]
    ],
  ]

  private static func parameter(_ name: String, _ type: String) -> JSONValue {
    ["name": .string(name), "type": .string(type)]
  }
}
