import Audit
import Cryptography
import Drivers
import Encoding
import Foundation
import HTTP
import HTTPClient
import Retention
import Testing
import Threading
import Vault

@testable import Service

/// The API over real drivers in a folder of its own, listening on a port and a socket.
final class LiveService: Sendable {
  let folder: URL
  let vault: Vault
  let log: AuditLog
  let keys: KeyRing
  let lines = Lock<[String]>([])
  private let origin: String
  private let socket: String
  private let tasks: [Task<Void, Never>]

  init(recordingLimit: Int64 = 1 << 20) async throws {
    folder = FileManager.default.temporaryDirectory.appending(
      path: "callvault-service-\(UUID().uuidString.prefix(8))")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    let layout = StorageLayout(root: folder.path)
    for name in ["keys", "objects", "run"] {
      try FileManager.default.createDirectory(
        at: folder.appending(path: name), withIntermediateDirectories: true)
    }
    let clock = SystemClock()
    let tenant = Identifier.random()
    keys = try KeyRing.create(
      tenant: tenant, custodian: KeyFileCustodian(rootKeyFile: layout.keys + "/root.key"),
      store: FileKeyRingStore(layout.keys + "/ring"),
      at: Timestamp(milliseconds: clock.read().milliseconds))
    let catalog = try SQLiteCatalog(layout.catalog)
    let name = "service.example.org/callvault"
    log = try await AuditLog.open(
      LogConfiguration(
        origin: name, tenant: tenant, node: try #require(NodeName("test")),
        software: try #require(SoftwareName("callvault 0.0.0"))),
      store: FileLogStore(layout),
      signer: try NoteSigner(name: name, seed: try keys.logSigningSeed()), openings: keys,
      subjects: catalog, clock: clock)
    let policies = URL(filePath: #filePath).deletingLastPathComponent()
      .appending(path: "../../Policies")
    vault = try await Vault.open(
      VaultConfiguration(
        tenant: tenant, administrator: getuid(), recordingLimit: recordingLimit),
      policy: AccessPolicy(
        parsing: [UInt8](Data(contentsOf: policies.appending(path: "access.yaml"))),
        file: "access.yaml"),
      retention: RetentionSchedule(
        parsing: [UInt8](Data(contentsOf: policies.appending(path: "retention.yaml"))),
        file: "retention.yaml"),
      catalog: catalog, blobs: try FileBlobStore(root: layout.objects), log: log, keys: keys,
      inspector: Unexamined(), clock: clock)
    let metrics = MetricsRegistry()
    let lines = lines
    let operatorLog = OperatorLog(clock: clock) { line in
      lines.withLock { $0.append(String(decoding: line, as: UTF8.self)) }
    }
    var configuration = ServerConfiguration(
      listeners: [
        .tcp(address: "127.0.0.1", port: 0, tls: nil),
        .unix(path: layout.socket, mode: 0o600),
      ], hosts: ["127.0.0.1"])
    configuration.refusal = CallVaultAPI.refusal
    configuration.loops = 1
    let report = FloorReport(metrics: metrics, log: operatorLog)
    configuration.report = { report.take($0) }
    let server = try Server(
      configuration,
      handler: CallVaultAPI(
        vault: vault, auditLog: log,
        authenticators: [BearerAuthenticator(vault: vault), PeerAuthenticator(vault: vault)],
        metrics: metrics, log: operatorLog))
    origin = "http://\(server.addresses[0])"
    socket = layout.socket
    let (log, vault) = (log, vault)
    tasks = [
      Task { await log.run() }, Task { await vault.run() },
      Task {
        do { try await server.run() } catch { Issue.record("the server failed: \(error)") }
      },
    ]
  }

  func stop() async {
    for task in tasks.reversed() {
      task.cancel()
      await task.value
    }
    try? FileManager.default.removeItem(at: folder)
  }

  /// Runs `body` against a fresh service and stops it.
  static func run(
    recordingLimit: Int64 = 1 << 20, _ body: (LiveService) async throws -> Void
  ) async throws {
    let service = try await LiveService(recordingLimit: recordingLimit)
    do {
      try await body(service)
    } catch {
      await service.stop()
      throw error
    }
    await service.stop()
  }

  // MARK: Requests

  /// A request over TCP, or over the socket of local users.
  func send(
    _ method: String, _ target: String, token: String? = nil, headers: [String: String] = [:],
    body: [UInt8]? = nil, bySocket: Bool = false
  ) async throws -> ClientResponse {
    let client = try HTTPClient(
      bySocket ? .socket(path: socket) : .server(origin: origin, trust: .system))
    var fields = headers.map { ClientRequest.Header($0.key, $0.value) }
    if let token { fields.append(ClientRequest.Header("Authorization", "Bearer " + token)) }
    return try await client.send(
      ClientRequest(method, target, headers: fields, body: body.map { .bytes($0) } ?? .none))
  }

  func post(
    _ target: String, _ json: String, token: String? = nil, headers: [String: String] = [:]
  ) async throws -> ClientResponse {
    try await send(
      "POST", target, token: token,
      headers: headers.merging(["Content-Type": "application/json"]) { first, _ in first },
      body: Array(json.utf8))
  }

  /// A token of this role, made by the administrator over the socket.
  func token(_ role: String, scopes: [String] = []) async throws -> String {
    let list = scopes.map { "\"\($0)\"" }.joined(separator: ",")
    let answer = try await send(
      "POST", "/v1/tokens", headers: ["Content-Type": "application/json"],
      body: Array("{\"name\":\"test\",\"role\":\"\(role)\",\"scopes\":[\(list)]}".utf8),
      bySocket: true)
    #expect(answer.status == 201)
    return try #require(try answer.object()["token"]?.string)
  }

  /// A call with a recording; the ids of both.
  func recording(
    _ audio: [UInt8], token: String, sourceID: String = UUID().uuidString
  ) async throws -> (call: String, recording: String) {
    let call = try await post(
      "/v1/calls", "{\"source\":\"pbx\",\"source_id\":\"\(sourceID)\",\"from\":\"+13135550142\"}",
      token: token)
    let id = try #require(try call.object()["call"]?.string)
    let stored = try await send(
      "POST", "/v1/calls/\(id)/recordings", token: token, headers: ["Content-Type": "audio/wav"],
      body: audio)
    #expect(stored.status == 201)
    return (id, try #require(try stored.object()["recording"]?.string))
  }

  /// What would change if something were stored.
  func state() async throws -> [String] {
    let counts = await vault.health().catalog
    let objects =
      FileManager.default.enumerator(atPath: folder.appending(path: "objects").path)?
      .allObjects.compactMap { $0 as? String }.filter { $0.count > 10 }.sorted() ?? []
    return ["\(try #require(counts))"] + objects
  }

  /// Entries of the log that one request made.
  func entries(ofRequest request: Identifier) async throws -> [Entry] {
    var filter = EntryFilter()
    filter.request = request
    return try await log.entries(matching: filter, limit: 100).entries.map { $0.entry }
  }

  /// Entries of the log with this action.
  func entries(_ action: Action) async throws -> [Entry] {
    var filter = EntryFilter()
    filter.actions = [action]
    return try await log.entries(matching: filter, limit: 1000).entries.map { $0.entry }
  }
}

extension ClientResponse {
  func object() throws -> JSONObject {
    try #require(try JSONValue(parsing: body).object)
  }

  var text: String { String(decoding: body, as: UTF8.self) }
}

/// Says nothing about sound: the probe has tests of its own.
private struct Unexamined: AudioInspector {
  func inspect(
    length: Int64, from uploader: Identifier,
    read: @escaping @Sendable (_ offset: Int64, _ count: Int) async throws -> [UInt8]
  ) async -> AudioFacts {
    AudioFacts(condition: .unexamined)
  }
}
