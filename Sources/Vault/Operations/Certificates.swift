import Audit
public import Cryptography
public import Encoding
import Retention

/// Certificates of destruction: for each call that was purged by a plan, and for each run.
///
/// Made from what the purge itself left in the catalog, in the transaction that removed the call: so there
/// is one for every purge, whatever a crash left. The same facts give the same bytes, and so the same
/// signature. `Documentation/formats/destruction.md`, 5.
extension Vault {
  static let destructionMethod = "NIST SP 800-88 cryptographic erase, AES-256"

  /// The certificate of a purged call, or of the run of a plan, signed by the log's key.
  ///
  /// - Parameters:
  ///   - name: a call's id, or a plan's hash.
  ///   - caller: needs ``Right/planRetention``.
  /// - Returns: a signed note: its text is the statement whose last line is the certificate's JSON.
  /// - Throws: ``VaultError/Code/notFound`` for a call that was not purged, and a plan whose run has not
  ///   ended.
  public func certificate(
    _ name: CertificateName, as caller: Caller
  ) async throws(VaultError) -> [UInt8] {
    var draft = draft(.search, .single, by: caller)
    draft.commits[.filter] = Array("certificate \(name)".utf8)
    let contents = try await checked(&draft) { _ throws(VaultError) -> JSONObject in
      try self.allow(.planRetention, caller)
      return try await self.contents(of: name)
    }
    draft.outcome = .success
    discard(try await record(draft))
    return try await sign(contents)
  }

  /// The calls of a plan that have a certificate, in order of id.
  ///
  /// - Throws: ``VaultError/Code/notFound``.
  public func certificates(
    ofPlan hash: SHA256Digest, after cursor: Identifier?, limit: Int, as caller: Caller
  ) async throws(VaultError) -> [PurgeEvidenceRow] {
    var draft = draft(.search, .single, by: caller)
    draft.commits[.filter] = Array("certificates \(hash.hex)".utf8)
    let plan = try await checked(&draft) { _ throws(VaultError) -> PlanRow in
      try self.allow(.planRetention, caller)
      guard let plan = try await self.catalog.plan(hash) else {
        throw VaultError(.notFound, during: "finding a plan")
      }
      return plan
    }
    draft.outcome = .success
    discard(try await record(draft))
    return try await catalog.purgeEvidence(ofPlan: plan.id, after: cursor, limit: limit)
  }

  private func contents(of name: CertificateName) async throws(VaultError) -> JSONObject {
    switch name {
    case .call(let call):
      guard let row = try await catalog.purgeEvidence(call) else {
        throw VaultError(.notFound, during: "finding a certificate")
      }
      var plan: PlanRow?
      if let id = row.plan { plan = try await catalog.plan(id: id) }
      return try await contents(of: row, plan)
    case .run(let hash):
      guard let plan = try await catalog.plan(hash), plan.stage.isFinal,
        try RunDocument(parsing: plan.document).ended != nil
      else {
        throw VaultError(
          .notFound, during: "finding a certificate",
          detail: "a run has its certificate when it has ended")
      }
      return try await contents(of: plan)
    }
  }

  private func contents(
    of row: PurgeEvidenceRow, _ plan: PlanRow?
  ) async throws(VaultError) -> JSONObject {
    var object = JSONObject()
    object["call"] = .string(row.purge.call.description)
    if let plan {
      let rules = try RunDocument(parsing: plan.document).rules
      if rules.indices.contains(row.rule - 1) {
        let rule = rules[row.rule - 1]
        object["class"] = .string(rule.className)
        object["rule"] = .string(rule.name)
        object["rule_version"] = .string(rule.version)
        object["citation"] = .string(rule.citation)
      }
      try await put(plan, into: &object)
    }
    if !row.eligible.isEmpty { object["eligible"] = .string(row.eligible) }
    object["keys"] = .array([.string(row.purge.keyID.description)])
    var log: JSONObject = [:]
    log["index"] = row.logIndex.map { .integer($0) }
    log["erased_index"] = row.erasedIndex.map { .integer($0) }
    object["log_entries"] = .object(log)
    object["method"] = .string(Self.destructionMethod)
    object["remains"] = .object([
      "recordings": .array(try Self.recordings(row.recordings)),
      "started": .string(row.started.description),
      "ciphertext": "under write-once locks and in backups until their horizon",
    ])
    var t0: JSONObject = ["state": "access removed"]
    t0["time"] = .string(row.purge.purged.rfc3339)
    object["t0"] = .object(t0)
    if let erased = row.purge.erased {
      let isProven = row.purge.isProven == true
      object["t1"] = .object([
        "proven": .bool(isProven),
        "state": .string(
          isProven ? "cryptographically erased" : "keys destroyed here, erasure not proven"),
        "time": .string(erased.rfc3339),
      ])
    }
    object["type"] = "callvault/destruction-certificate/v1"
    object["tenant"] = .string(configuration.tenant.description)
    object["v"] = 1
    return object
  }

  private func contents(of plan: PlanRow) async throws(VaultError) -> JSONObject {
    let document = try RunDocument(parsing: plan.document)
    var object = JSONObject()
    var digests = try Self.hasher()
    var cursor: Identifier?
    var first: Timestamp?
    var last: Timestamp?
    var erased: Int64 = 0
    var proven: Int64 = 0
    while true {
      let page = try await catalog.purgeEvidence(ofPlan: plan.id, after: cursor, limit: 1000)
      guard let end = page.last else { break }
      cursor = end.purge.call
      for row in page {
        first = min(first ?? row.purge.purged, row.purge.purged)
        last = max(last ?? row.purge.purged, row.purge.purged)
        if row.purge.erased != nil { erased += 1 }
        if row.purge.isProven == true { proven += 1 }
        digests.update(row.purge.call.bytes + row.purge.keyID.bytes)
      }
    }
    object["calls_and_keys_sha256"] = .string(digests.finalize().hex)
    object["planned"] = .object([
      "bytes": .integer(plan.bytes), "calls": .integer(plan.calls),
      "recordings": .integer(plan.recordings),
    ])
    object["purged"] = .integer(document.purged)
    object["skipped"] = .object(
      JSONObject(document.skipped.sorted { $0.key < $1.key }.map { ($0.key, .integer($0.value)) }))
    var t0: JSONObject = ["state": "access removed"]
    t0["first"] = first.map { .string($0.rfc3339) }
    t0["last"] = last.map { .string($0.rfc3339) }
    object["t0"] = .object(t0)
    object["t1"] = .object(["keys_destroyed": .integer(erased), "proven": .integer(proven)])
    object["method"] = .string(Self.destructionMethod)
    // Taken back while it ran: the rest of its calls is still there.
    object["stopped"] = document.voided.map { .string($0) }
    object["caps"] = document.capsVerdict.map { .string($0) }
    try await put(plan, into: &object)
    object["type"] = "callvault/destruction-run/v1"
    object["tenant"] = .string(configuration.tenant.description)
    object["v"] = 1
    return object
  }

  /// What certificates of calls and runs say alike: who decided, by which time, where, and the log.
  private func put(_ plan: PlanRow, into object: inout JSONObject) async throws(VaultError) {
    let document = try RunDocument(parsing: plan.document)
    object["plan"] = .string(plan.hash.hex)
    object["policy"] = document.policy.map { .string($0) }
    object["policy_version"] = document.policyVersion.map { .string($0) }
    var approvers: [JSONValue] = []
    for row in try await catalog.approvals(of: plan.hash) {
      let approval = try Approval(row: row)
      approvers.append(
        .object([
          "digest": .string(approval.digest.hex), "log_index": .integer(row.logIndex),
          "person": .string(approval.person.description),
          "role": .string(approval.role.rawValue), "time": .string(approval.time.rfc3339),
        ]))
    }
    object["approvals"] = .array(approvers)
    var hold: JSONObject = [:]
    hold["time"] = document.began.map { .string($0.rfc3339) }
    hold["holds_read"] = document.holds.map { .integer($0) }
    hold["again"] = "behind the call's gate, before its entry"
    object["hold_check"] = .object(hold)
    object["day"] = document.day.map { .string($0) }
    object["time_source"] = document.timeSource.map { .string($0) }
    object["software"] = document.software.map { .string($0) }
    object["places"] = .array(document.places.map { .object($0.json) })
    var log: JSONObject = [:]
    log["origin"] = document.origin.map { .string($0) }
    log["planned_index"] = plan.logIndex.map { .integer($0) }
    log["run_index"] = document.runIndex.map { .integer($0) }
    log["end_index"] = document.endIndex.map { .integer($0) }
    log["checkpoint"] = document.checkpoint.map { .string($0) }
    object["log"] = .object(log)
  }

  /// Recordings as the catalog wrote them, with ids as ids and without what is not known.
  private static func recordings(_ bytes: [UInt8]) throws(VaultError) -> [JSONValue] {
    do {
      return try JSONValue(parsing: bytes, limits: JSONLimits(byteCount: 1 << 20, depth: 4)).array?
        .map { value in
          var object = JSONObject()
          for member in value.object?.members ?? [] where !member.value.isNull {
            object[member.key] = member.value
          }
          if let id = object["id"]?.string.flatMap({ Hex.decode($0.lowercased()) }).flatMap({
            Identifier(bytes: $0)
          }) {
            object["id"] = .string(id.description)
          }
          return .object(object)
        } ?? []
    } catch {
      throw VaultError(.tampered, during: "reading what is left of a call", cause: error)
    }
  }

  private func sign(_ contents: JSONObject) async throws(VaultError) -> [UInt8] {
    let json: [UInt8]
    do {
      json = try JSONValue.object(contents).canonical()
    } catch {
      throw VaultError(.tampered, during: "writing a certificate", cause: error)
    }
    do throws(AuditError) {
      return try await log.sign(
        Statement(
          .destruction, origin: log.configuration.origin,
          fields: [Statement.Field("certificate", String(decoding: json, as: UTF8.self))]))
    } catch {
      throw VaultError(.unavailable, during: "signing a certificate", cause: error)
    }
  }
}

/// What a certificate is of.
public enum CertificateName: Sendable, CustomStringConvertible {
  case call(Identifier)
  case run(SHA256Digest)

  /// Reads a call's id or a plan's hash.
  public init?(_ text: String) {
    if let call = Identifier(text) {
      self = .call(call)
    } else if let hash = SHA256Digest(hex: text) {
      self = .run(hash)
    } else {
      return nil
    }
  }

  public var description: String {
    switch self {
    case .call(let call): call.description
    case .run(let hash): hash.hex
    }
  }
}
