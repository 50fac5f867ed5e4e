import Encoding
public import Failover
public import YAML

/// Kamailio's dispatcher, by JSON-RPC over its HTTP server: section 5 of
/// `Documentation/formats/failover-actuators.md`.
public final class KamailioActuator: SettingsActuator, DriftLinter {
  public let id: ActuatorID
  public let fence = PlanFence()
  public let readLimitMs: Int64
  private let rpc: KamailioRPC
  private let set: Int64
  private let routes: RouteChoice<[String]>
  /// All destinations of all routes, sorted.
  private let destinations: [String]

  /// Keys: `url`, `ca`, `path`, `set`, `routes`, `limit_ms`.
  public init(id: ActuatorID, settings: YAMLNode) throws(YAMLError) {
    self.id = id
    let fields = try settings.mapping(of: KamailioRPC.keys + ["set", "routes", "limit_ms"])
    rpc = try KamailioRPC(fields)
    set = try fields.required("set").integer(in: 1...1_000_000)
    readLimitMs = try VendorSettings.milliseconds(
      fields["limit_ms"], in: 50...10_000, otherwise: 1_000)
    routes = try RouteChoice(fields.required("routes")) { node throws(YAMLError) in
      var uris: [String] = []
      for item in try node.sequence() {
        let uri = try item.string()
        guard let contact = RouteContact(uri), !contact.isNumber else {
          throw VendorSettings.refuse(item, "a SIP URI of the dispatcher's list is expected here")
        }
        uris.append(uri)
      }
      guard !uris.isEmpty else {
        throw VendorSettings.refuse(node, "a route needs a destination")
      }
      return uris
    }
    destinations = Set(routes.all.joined()).sorted()
  }

  public func wanted(for plan: RoutePlan) -> [WantedSetting] {
    guard let open = routes.value(for: plan) else { return [] }
    // What opens goes first: at no time is no destination left.
    return open.map { WantedSetting($0, "on") }
      + destinations.filter { !open.contains($0) }.map { WantedSetting($0, "off") }
  }

  public func read(
    _ subjects: [String], before deadline: Moment
  ) async throws(FailoverError) -> [String: String] {
    let states = try await states(before: deadline)
    return states.filter { subjects.contains($0.key) }
  }

  public func write(
    _ setting: WantedSetting, of mark: PlanMark, before deadline: Moment
  ) async throws(FailoverError) {
    guard destinations.contains(setting.subject), ["on", "off"].contains(setting.value) else {
      throw FailoverError(.invalid, during: "setting a destination that no route has")
    }
    // `d` is undone by the dispatcher's next probe, unless `x` ends its probing.
    let state = setting.value == "on" ? "ap" : "dx"
    _ = try await rpc.call(
      "dispatcher.set_state", [.string(state), .integer(set), .string(setting.subject)],
      effect: .sets, before: deadline)
  }

  public func findings(for routes: [Route]) async -> [DriftFinding] {
    do throws(FailoverError) {
      return lint(try await states(before: .now.advanced(byMs: readLimitMs)))
    } catch {
      return [.settingsUnreadable(by: id, "the dispatcher's list could not be read: \(error)")]
    }
  }

  /// Pure: what is wrong with the dispatcher's list.
  func lint(_ states: [String: String]) -> [DriftFinding] {
    var findings: [DriftFinding] = []
    for missing in destinations where states[missing] == nil {
      findings.append(
        DriftFinding(
          code: "destination-missing", actuator: id, severity: .blocking,
          advice: "add \(missing) to set \(set) of the dispatcher's list"))
    }
    if !states.values.contains("on") {
      findings.append(
        DriftFinding(
          code: "no-route-active", actuator: id, severity: .blocking,
          advice: "every destination of set \(set) is switched off"))
    }
    return findings
  }

  private func states(before deadline: Moment) async throws(FailoverError) -> [String: String] {
    let result = try await rpc.call("dispatcher.list", [], effect: .reads, before: deadline)
    return Self.states(in: result, set: set)
  }

  /// Destinations of one set in a result of `dispatcher.list`, each `on` or `off`.
  static func states(in result: JSONValue, set: Int64) -> [String: String] {
    var states: [String: String] = [:]
    for record in result.object?["RECORDS"]?.array ?? [] {
      guard let entry = record.object?["SET"]?.object, entry["ID"]?.integer == set else { continue }
      for target in entry["TARGETS"]?.array ?? [] {
        guard let destination = target.object?["DEST"]?.object,
          let uri = destination["URI"]?.string, let flags = destination["FLAGS"]?.string
        else { continue }
        states[uri] = flags.uppercased().hasPrefix("D") ? "off" : "on"
      }
    }
    return states
  }
}
