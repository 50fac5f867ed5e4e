import Audit
import Cryptography
public import Encoding

extension EntryView {
  /// The entry as a FHIR R4 AuditEvent (views.md 1).
  public var auditEvent: JSONObject {
    let coding = EventCoding(of: entry)
    var event: JSONObject = ["resourceType": "AuditEvent", "id": .string(eventID)]
    event["meta"] = [
      "security": [
        Coding(
          "http://terminology.hl7.org/CodeSystem/v3-Confidentiality",
          entry.entryClass == .restricted ? "R" : "N"
        ).json
      ]
    ]
    event["type"] = coding.type.json
    event["subtype"] = .array(coding.subtypes.map(\.json))
    event["action"] = .string(coding.action)
    if let first = entry.first, let last = entry.last {
      event["period"] = ["start": .string(first.rfc3339), "end": .string(last.rfc3339)]
    }
    event["recorded"] = .string(entry.time.rfc3339)
    if let outcome = coding.outcome { event["outcome"] = .string(outcome) }
    if let text = outcomeText { event["outcomeDesc"] = .string(text) }
    if let purpose = purposeOfEvent { event["purposeOfEvent"] = [concept(purpose)] }
    event["agent"] = .array(agents(of: coding.shape))
    event["source"] = [
      "site": .string(entry.node.description), "observer": log,
      "type": [Coding("http://terminology.hl7.org/CodeSystem/security-source-type", "4").json],
    ]
    event["entity"] = .array(entities(of: coding.shape))
    return event
  }

  /// The index; after the log's number for an entry of an earlier log, since each begins at 0.
  var eventID: String { earlierLog.map { "\($0)-\(index)" } ?? index }

  private var purposeOfEvent: Coding? {
    let isOverride = entry.action == .breakglassStarted || entry.action == .breakglassEnded
    return (isOverride ? .breakGlass : entry.purpose).map(Coding.init(purpose:))
  }

  // MARK: Agents

  private func agents(of shape: EventCoding.Shape) -> [JSONValue] {
    var agents: [JSONValue] = []
    let source = agent(.dicom("110153", "Source Role ID"), who: log)
    let destination = Coding.dicom("110152", "Destination Role ID")
    switch shape {
    case .read:
      let client = reference(entry.session ?? entry.actor.id)
      agents = [agent(destination, who: client), source]
    case .disclosure:
      let recipient = reference(entry.recipient ?? entry.actor.id)
      agents = [source, agent(destination, who: recipient)]
    case .plain: break
    }
    agents.append(requestor)
    if let behalf = entry.behalf {
      agents.append(
        .object([
          "role": [concept(Coding("urn:callvault:role", "behalf"))], "who": reference(behalf),
          "requestor": false,
        ]))
    }
    return agents
  }

  private func agent(_ type: Coding, who: JSONValue) -> JSONValue {
    ["type": concept(type), "who": who, "requestor": false]
  }

  private var requestor: JSONValue {
    let type =
      entry.actor.kind == .system
      ? Coding.dicom("110150", "Application")
      : Coding("http://terminology.hl7.org/CodeSystem/v3-ParticipationType", "IRCP")
    var agent: JSONObject = ["type": concept(type)]
    if let role = entry.actor.role {
      agent["role"] = [concept(Coding("urn:callvault:role", role.rawValue))]
    }
    agent["who"] = reference(entry.actor.id)
    agent["requestor"] = true
    if let policy = entry.policy {
      agent["policy"] = [.string("urn:callvault:policy:sha256:\(policy)")]
    }
    if let purpose = entry.purpose {
      agent["purposeOfUse"] = [concept(Coding(purpose: purpose))]
    }
    return .object(agent)
  }

  /// The log itself, which observed what it recorded.
  private var log: JSONValue {
    [
      "identifier": ["system": "urn:callvault:origin", "value": .string(origin)],
      "display": .string(entry.node.description),
    ]
  }

  // MARK: Entities

  private func entities(of shape: EventCoding.Shape) -> [JSONValue] {
    var entities: [JSONValue] = zip(subjectIDs, entry.subjects).map { id, tag in
      [
        "what": ["type": "Patient", "identifier": identifier(id)],
        "type": entityType("1"), "role": role("1"),
        "detail": [detail("tag", Base64.encodeURL(tag.bytes))],
      ]
    }
    for object in entry.objects.dropFirst(entry.subjects.count) {
      entities.append([
        "what": reference(object), "type": entityType("2"),
        "role": role(shape == .disclosure ? "3" : "4"),
      ])
    }
    if entry.action == .auditRead || entry.action == .auditExported {
      entities.append([
        "what": log, "type": entityType("2"), "role": role("13"), "name": "Security Audit Log",
      ])
    }
    entities.append([
      "what": [
        "identifier": [
          "system": "urn:callvault:entry", "value": .string(entry.id.description),
        ]
      ],
      "type": entityType("2"), "role": role("13"), "name": "Audit log entry",
      "detail": .array(details),
    ])
    return entities
  }

  private var details: [JSONValue] {
    var details: [JSONValue] = []
    func add(_ name: String, _ value: String?) {
      if let value { details.append(detail(name, value)) }
    }
    func list(_ names: [String]) -> String? {
      names.isEmpty ? nil : names.joined(separator: " ")
    }
    add("index", index)
    add("leaf", leafHash.description)
    add("origin", origin)
    add("phase", entry.phase.rawValue)
    add("ref", entry.reference?.description)
    add("reason", entry.reason?.rawValue)
    add("flags", list(entry.flags.sorted().map(\.rawValue)))
    add("parts", list(entry.parts.map(\.description)))
    add("released", entry.released.map(String.init))
    add("digest", entry.digest?.description)
    add("length", entry.length.map(String.init))
    add("key_id", entry.keyID?.description)
    add("evidence", entry.evidence?.description)
    add("run", entry.run?.description)
    add("request", entry.request?.description)
    add("session", entry.session?.description)
    add("count", entry.count.map(String.init))
    add("otime", entry.originTime?.description)
    add("clock", entry.clock.rawValue)
    add("kind", entry.actor.kind.rawValue)
    add("method", entry.actor.method.rawValue)
    add("strength", String(entry.actor.strength))
    add("software", entry.software.description)
    return details
  }
}

extension Coding {
  fileprivate init(purpose: PurposeOfUse) {
    self.init("http://terminology.hl7.org/CodeSystem/v3-ActReason", purpose.rawValue)
  }

  fileprivate var json: JSONValue {
    var object: JSONObject = ["system": .string(system), "code": .string(code)]
    if let display { object["display"] = .string(display) }
    return .object(object)
  }
}

private func concept(_ coding: Coding) -> JSONValue { ["coding": [coding.json]] }

private func identifier(_ id: Identifier) -> JSONValue {
  ["system": "urn:ietf:rfc:3986", "value": .string("urn:uuid:\(id)")]
}

private func reference(_ id: Identifier) -> JSONValue { ["identifier": identifier(id)] }

private func detail(_ name: String, _ value: String) -> JSONValue {
  ["type": .string(name), "valueString": .string(value)]
}

private func entityType(_ code: String) -> JSONValue {
  Coding("http://terminology.hl7.org/CodeSystem/audit-entity-type", code).json
}

private func role(_ code: String) -> JSONValue {
  Coding("http://terminology.hl7.org/CodeSystem/object-role", code).json
}
