import Drivers
import Encoding
import Service
import Vault

/// Has maintenance done: by the service that owns the data directory, or, where none runs, here.
struct MaintenanceClient {
  let arguments: Arguments
  let terminal: Terminal

  /// - Returns: what the run says of itself at its end.
  /// - Throws: ``CommandFailure`` for a run that failed.
  func run(
    _ work: MaintenanceWork, path: String, body: JSONObject
  ) async throws -> JSONObject {
    // Without a data directory here the service is asked, and says what lacks.
    if arguments.value("server") == nil, let data = try? dataDirectory(arguments) {
      let layout = StorageLayout(root: data)
      let settings = try Settings.read(layout)
      do throws(CommandFailure) {
        return try await runHere(work, settings, try OwnedLock(layout))
      } catch {
        guard error.code == .locked else { throw error }
      }
    }
    let client = try ServiceClient(arguments, administers: true)
    let id = try await client.post(path, json: body).object().requiredString("id")
    while true {
      try await Task.sleep(for: .milliseconds(200))
      guard let run = try await client.get("/v1/maintenance").object()["run"]?.object,
        try run.requiredString("id") == id
      else {
        throw CommandFailure(
          .internal, "the service was stopped meanwhile; what was made before still counts")
      }
      switch try run.requiredString("state") {
      case "running": continue
      case "failed":
        throw CommandFailure(
          Self.exitCode(run["code"]?.string ?? ""),
          run["detail"]?.string ?? "the service says no more")
      default: return run
      }
    }
  }

  /// Owns the directory for as long as it takes.
  private func runHere(
    _ work: MaintenanceWork, _ settings: Settings, _ lock: OwnedLock
  ) async throws(CommandFailure) -> JSONObject {
    do {
      return try await OpenedVault.stopped(
        arguments, terminal, lock: lock, settings: settings
      ) { opened in
        try await opened.vault.perform(work, in: opened.places, as: nil).json
      }
    } catch {
      throw CommandFailure(describing: error)
    }
  }

  private static func exitCode(_ code: String) -> ExitCode {
    switch code {
    case "invalid", "tooLarge": .usage
    case "conflict": .conflict
    case "tampered", "behindLog": .damaged
    case "denied", "unauthenticated", "held": .refused
    case "sealed": .sealed
    case "notFound": .notFound
    default: .internal
    }
  }
}
