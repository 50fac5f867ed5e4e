import Encoding
import Testing

@testable import Service

/// What `/openapi.json` says, held against what the program does.
struct OpenAPIDescription {
  /// Method and path as documented, with the statuses of each.
  let operations: [(method: String, path: String, statuses: Set<String>)]

  init() throws {
    let document = try #require(
      try JSONValue(
        parsing: HealthRoutes.openAPI, limits: JSONLimits(byteCount: 1 << 22, depth: 64)
      ).object)
    var operations: [(method: String, path: String, statuses: Set<String>)] = []
    for path in try #require(document["paths"]?.object).members {
      for operation in try #require(path.value.object).members
      where ["get", "head", "post", "delete", "put", "patch"].contains(operation.key) {
        let responses = try #require(operation.value.object?["responses"]?.object)
        operations.append((operation.key.uppercased(), path.key, Set(responses.keys)))
      }
    }
    self.operations = operations
  }

  /// A path of the description with something in its variables' places.
  static func example(_ path: String) -> [String] {
    path.replacing("{level}", with: "0").replacing("{tile}", with: "000")
      .replacing("{width}", with: "1").replacing("{index}", with: "0")
      .replacing("{month}", with: "2026-11")
      .split(separator: "/").map(String.init)
  }
}

@Suite struct OpenAPITests {
  @Test func everyDocumentedOperationHasARouteAndEveryRouteIsDocumented() async throws {
    try await LiveService.run { service in
      let description = try OpenAPIDescription()
      let table = RouteTable(
        routes: CallRoutes(vault: service.vault).routes
          + RecordingRoutes(vault: service.vault).routes
          + TextRoutes(vault: service.vault).routes
          + ConsentRoutes(vault: service.vault).routes
          + IncidentRoutes(vault: service.vault).routes
          + AuditRoutes(vault: service.vault, log: service.log).routes
          + FHIRRoutes(vault: service.vault).routes
          + EvidenceRoutes(vault: service.vault, log: service.log).routes
          + TokenRoutes(vault: service.vault).routes
          + SealRoutes(vault: service.vault, seal: {}).routes
          + HealthRoutes(
            vault: service.vault, intakes: [], sinks: [], metrics: MetricsRegistry()
          ).routes
          + IntakeRoutes(vault: service.vault, intakes: []).routes
          + KeyRoutes(vault: service.vault).routes
          + MaintenanceRoutes(vault: service.vault, maintenance: nil).routes
          + HoldRoutes(vault: service.vault).routes
          + RetentionRoutes(vault: service.vault).routes)
      var documented: Set<String> = []
      for operation in description.operations {
        let path = OpenAPIDescription.example(operation.path)
        guard case .route(let route, _) = table.find(method: operation.method, path: path) else {
          Issue.record("no route for \(operation.method) \(operation.path)")
          continue
        }
        documented.insert(route.method + " " + route.template)
        for status in ["400", "405", "408", "431", "500", "503"] {
          #expect(operation.statuses.contains(status), "\(operation.path) lacks \(status)")
        }
      }
      #expect(documented == Set(table.routes.map { $0.method + " " + $0.template }))
    }
  }
}
