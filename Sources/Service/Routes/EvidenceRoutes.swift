import Audit
import Cryptography
import Encoding
import HTTP
import Vault

/// What an auditor's package is made of, beside the log itself; and patients, for proofs about one.
struct EvidenceRoutes: Sendable {
  let vault: Vault
  let log: AuditLog
  /// What anchors answered, public files; nil where there is no such folder.
  var anchors: (any LogFolderReader)?
  /// The same of the earlier log of a number.
  var earlierAnchors: (@Sendable (Int64) -> any LogFolderReader)?

  /// No file that an anchor left is longer, lists of renewed stamps included.
  private static let anchorLimit = 1 << 20

  var routes: [Route] {
    [
      Route("POST", "/v1/audit/packages", .known(.auditExported), body: .object(limit: 4096)) {
        context in try await package(context)
      },
      Route("GET", "/v1/audit/anchors", .known(.auditRead), query: ["log"]) { context in
        try await vault.admitAuditReader(context.caller, belowCheckpoint: true)
        let folder = try anchorFolder(context)
        let names = try Self.anchorNames(in: folder, below: "", depth: 0).sorted()
        try await context.reply.send(200, json: ["files": .array(names.map { .string($0) })])
      },
      Route("GET", "/v1/audit/anchors/{…}", .known(.auditRead), query: ["log"]) { context in
        try await vault.admitAuditReader(context.caller, belowCheckpoint: true)
        guard let name = context.variables["rest"], Self.isAnchorName(name),
          let bytes = try anchorFolder(context)?.read(name, from: 0, count: Self.anchorLimit)
        else { throw ProblemDetail.notFound }
        try await context.reply.send(
          200, type: "application/octet-stream", body: bytes, isStorable: true)
      },
      Route("GET", "/v1/audit/policies/{hash}", .known(.auditRead)) { context in
        guard
          let hash = context.variables["hash"].flatMap({ Hex.decode($0) }).flatMap({
            SHA256Digest(bytes: $0)
          })
        else { throw ProblemDetail.notFound }
        let bytes = try await vault.policyFile(hash, as: context.caller)
        try await context.reply.send(
          200, type: "application/yaml", body: bytes, isStorable: true)
      },
      Route("GET", "/v1/audit/identities", .known(.auditRead), query: ["first", "log"]) { context in
        try await identities(context)
      },
      Route("GET", "/v1/audit/openings", .known(.auditRead), query: ["first", "log"]) { context in
        try await openings(context)
      },
      Route("POST", "/v1/subjects", .known(.subjectCreated), body: .object(limit: 4096)) {
        context in
        let reference = try await reference(context)
        let receipt = try await vault.createPatient(reference: reference, as: context.caller)
        try await context.reply.send(
          201,
          json: [
            "subject": .string(receipt.id.description), "log_index": .integer(receipt.logIndex),
          ], headers: ["Location": "/v1/subjects/\(receipt.id)/proof"])
      },
      Route("POST", "/v1/subjects/search", .known(.search), body: .object(limit: 4096)) {
        context in
        let reference = try await reference(context)
        let id = try await vault.findPatient(reference: reference, as: context.caller)
        try await context.reply.send(200, json: ["subject": .string(id.description)])
      },
      Route(
        "POST", "/v1/subjects/{subject}/links", .known(.subjectLinked), body: .object(limit: 4096)
      ) { context in try await link(context) },
      Route("DELETE", "/v1/subjects/{subject}/links/{call}", .known(.subjectUnlinked)) { context in
        let receipt = try await vault.unlink(
          context.identifier("call"), from: context.identifier("subject"), as: context.caller)
        try await context.reply.send(
          200,
          json: [
            "link": .string(receipt.id.description), "log_index": .integer(receipt.logIndex),
          ])
      },
      Route("GET", "/v1/subjects/{subject}/proof", .known(.auditExported), query: ["log"]) {
        context in
        let proof = try await vault.proveSubject(
          context.identifier("subject"), as: context.caller, purpose: context.claimedPurpose,
          in: context.logNumber)
        try await context.reply.send(200, type: "application/json", body: proof.encoded())
      },
    ]
  }

  /// The files below a folder of `anchors/`, by path; what has no name of `anchors.md` is passed over.
  private static func anchorNames(
    in anchors: (any LogFolderReader)?, below folder: String, depth: Int
  ) throws -> [String] {
    guard let anchors, depth < 3 else { return [] }
    var names: [String] = []
    for item in try anchors.list(folder) ?? [] {
      let path = folder.isEmpty ? item.name : folder + "/" + item.name
      if item.isFolder {
        names += try anchorNames(in: anchors, below: path, depth: depth + 1)
      } else if isAnchorName(path) {
        names.append(path)
      }
    }
    return names
  }

  /// Where the anchors of the log that is asked for lie.
  private func anchorFolder(_ context: RequestContext) throws -> (any LogFolderReader)? {
    guard let number = try context.logNumber, number != vault.logCount else { return anchors }
    guard number < vault.logCount else { throw ProblemDetail.notFound }
    return earlierAnchors?(number)
  }

  /// Whether a path is one of `Documentation/formats/anchors.md`, 1, and so leads nowhere else.
  private static func isAnchorName(_ path: String) -> Bool {
    let parts = path.split(separator: "/", omittingEmptySubsequences: false)
    guard let kind = parts.first, parts.count == (kind == "renewals" ? 2 : 3) else { return false }
    return ["cosigned", "stamps", "renewals"].contains(kind)
      && parts.dropFirst().allSatisfy { part in
        part.utf8.first.map { (0x30...0x39).contains($0) } == true && part.utf8.count <= 64
          && part.utf8.allSatisfy {
            (0x30...0x39).contains($0) || (0x61...0x7A).contains($0) || $0 == 0x2D || $0 == 0x2E
          }
      }
  }

  private func package(_ context: RequestContext) async throws {
    let fields = try await context.fields(["from", "to"])
    guard let from = try fields.time("from"), let to = try fields.time("to") else {
      throw ProblemDetail(.unprocessable, "`from` and `to` are needed.")
    }
    guard from.instant < to.instant else {
      throw ProblemDetail(.unprocessable, "`from` must be before `to`.")
    }
    let index = try await vault.admitPackage(
      of: "package \(from.instant.rfc3339) \(to.instant.rfc3339)", as: context.caller)
    try await log.publish()
    try await context.reply.send(201, json: ["log_index": .integer(index)])
  }

  /// A page of the log's entries from `first` on, of one action if that is all that counts.
  private func page(
    _ context: RequestContext, of actions: Set<Action>?
  ) async throws -> (log: any AuditableLog, page: EntryPage) {
    let first = try context.queryInteger("first", in: 0...(1 << 53) - 1) ?? 0
    try await vault.admitAuditReader(context.caller, belowCheckpoint: true)
    var filter = EntryFilter(indices: first..<Int64.max)
    filter.actions = actions
    let log = try await context.log(of: vault)
    return (log, try await log.entries(matching: filter, limit: actions == nil ? 1000 : 100))
  }

  private func identities(_ context: RequestContext) async throws {
    let (log, page) = try await page(context, of: [.personCreated])
    let found = try await vault.identities(
      introducedBy: page.entries, in: log, as: context.caller)
    var document: JSONObject = [
      "identities": .array(
        found.map { identity in
          .object([
            "id": .string(identity.id.description), "index": .integer(identity.index),
            "key": .string(Base64.encode(identity.key)), "kind": .string(identity.kind),
            "name": .string(identity.name),
          ])
        })
    ]
    if let next = page.next { document["next"] = .integer(next) }
    try await context.reply.send(200, json: document)
  }

  private func openings(_ context: RequestContext) async throws {
    let (log, page) = try await page(context, of: nil)
    let counts = try await vault.openingCounts(of: page.entries, in: log)
    var document: JSONObject = [
      "present": .integer(counts.present), "erased": .integer(counts.erased),
      "missing": .integer(counts.missing),
    ]
    if let index = counts.firstMissing { document["first_missing"] = .integer(index) }
    if let next = page.next { document["next"] = .integer(next) }
    try await context.reply.send(200, json: document)
  }

  private func reference(_ context: RequestContext) async throws -> String {
    try await context.fields(["reference"]).requiredText("reference", limit: 128)
  }

  private func link(_ context: RequestContext) async throws {
    let fields = try await context.fields(["call"])
    guard let call = Identifier(try fields.requiredText("call", limit: 36)) else {
      throw ProblemDetail(.unprocessable, "`call` must be an id: a UUID in lower case.")
    }
    let receipt = try await vault.link(
      call, to: context.identifier("subject"), as: context.caller)
    try await context.reply.send(
      201,
      json: ["link": .string(receipt.id.description), "log_index": .integer(receipt.logIndex)])
  }
}
