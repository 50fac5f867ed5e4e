import Audit
import Cryptography
public import Encoding
import HTTP
public import Vault

/// Backups, drills and scrubs: begun here, done beside the service, looked at here.
struct MaintenanceRoutes: Sendable {
  let vault: Vault
  let maintenance: Maintenance?

  var routes: [Route] {
    [
      Route("GET", "/v1/maintenance", .known(.auditRead)) { context in
        try await vault.admitMaintenanceReader(context.caller)
        try await context.reply.send(200, json: try await status())
      },
      Route(
        "POST", "/v1/maintenance/backups", .known(.backupMade), body: .object(limit: 8192)
      ) { context in
        let fields = try await context.fields(["folder"])
        try await start(.backup(folder: try fields.text("folder", limit: 4096)), context)
      },
      Route(
        "POST", "/v1/maintenance/drills", .known(.backupDrilled), body: .object(limit: 16384)
      ) { context in
        let fields = try await context.fields(["folder", "aside", "sample"])
        let sample = try fields.integer("sample", in: 1...100_000) ?? 25
        try await start(
          .drill(
            folder: try fields.text("folder", limit: 4096),
            aside: try fields.text("aside", limit: 4096),
            sample: Int(sample)), context)
      },
      Route("POST", "/v1/maintenance/scrubs", .known(.scrubRun), body: .object(limit: 1024)) {
        context in
        let fields = try await context.fields(["level"])
        let level = try fields.integer("level", in: 1...3) ?? 3
        guard let level = ScrubLevel(rawValue: Int(level)) else {
          throw ProblemDetail(.unprocessable, "`level` must be 1, 2 or 3.")
        }
        try await start(.scrub(level), context)
      },
    ]
  }

  private func start(_ work: MaintenanceWork, _ context: RequestContext) async throws {
    guard let maintenance else { throw ProblemDetail.notFound }
    let run = try await maintenance.start(work, as: context.caller)
    try await context.reply.send(202, json: run.json)
  }

  private func status() async throws -> JSONObject {
    let health = await vault.health()
    var object = JSONObject()
    if let age = health.backupAge {
      object["backup"] = .object([
        "made": .bool(age.isMade), "since": .string(age.time.rfc3339),
        "alarm": .bool(health.isBackupOld),
      ])
    }
    if let scrub = health.scrub { object["scrub"] = .object(scrub.json) }
    if let run = await maintenance?.last { object["run"] = .object(run.json) }
    return object
  }
}

extension BackupAge {
  fileprivate var isMade: Bool {
    if case .made = self { true } else { false }
  }
}

extension MaintenanceRun {
  /// The run as the API tells it, and as commands print it.
  public var json: JSONObject {
    var object: JSONObject = [
      "id": .string(id.description), "kind": .string(kind), "began": .string(began.rfc3339),
    ]
    if let milliseconds { object["took_milliseconds"] = .integer(milliseconds) }
    for member in state.json.members { object[member.key] = member.value }
    return object
  }
}

extension MaintenanceRun.State {
  public var json: JSONObject {
    switch self {
    case .running: return ["state": .string("running")]
    case .failed(let error):
      return [
        "state": .string("failed"), "code": .string("\(error.code)"),
        "detail": .string(error.detail ?? "\(error)"),
      ]
    case .backup(let made):
      let contents = made.note.contents
      var object: JSONObject = [
        "state": .string("done"), "set": .integer(made.note.set),
        "manifest": .string(contents.manifest.hex), "files": .integer(contents.files),
        "bytes": .integer(contents.bytes), "recordings": .integer(contents.recordings),
        "lost": .integer(contents.lost), "copied": .integer(contents.copied),
        "copied_bytes": .integer(contents.copiedBytes), "log_size": .integer(contents.head.size),
        "log_index": .integer(made.logIndex),
      ]
      if let leftover = made.leftover {
        object["leftover"] = .string(leftover.detail ?? "\(leftover)")
      }
      return object
    case .drill(let report, let certificate):
      return [
        "state": .string("done"), "sample": .integer(report.sample),
        "opened": .integer(report.opened), "purged": .integer(report.purged),
        "damaged": .integer(report.damaged), "milliseconds": .integer(report.milliseconds),
        "certificate": .string(String(decoding: report.certificate, as: UTF8.self)),
        "certificate_file": .string(certificate), "log_index": .integer(report.logIndex),
      ]
    case .scrub(let state):
      var object = state.json
      object["state"] = .string("done")
      return object
    }
  }
}

extension ScrubState {
  fileprivate var json: JSONObject {
    var object: JSONObject = [
      "pass_began": .string(began.rfc3339), "pass_finished": .bool(isFinished),
      "examined": .integer(examined), "examined_bytes": .integer(bytes),
      "repaired": .integer(repaired),
      "damaged": .array(damaged.map { .string($0.description) }),
    ]
    if let lastPass { object["last_pass"] = .string(lastPass.rfc3339) }
    return object
  }
}
