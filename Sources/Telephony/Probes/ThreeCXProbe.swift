import Encoding
public import Failover
public import YAML

/// 3CX's own word on itself: its services run and its trunks are registered.
public final class ThreeCXProbe: Probe {
  public let target: TargetID
  public let signal = SignalKind.pbxAPI
  private let client: ThreeCXClient
  private let trunks: Set<String>
  private let services: Set<String>
  private let pace: ProbePace

  /// Keys: those of a PBX, `trunks` (their numbers), `services` (their names), `interval_ms`, `limit_ms`.
  public init(target: TargetID, settings: YAMLNode) throws(YAMLError) {
    self.target = target
    let fields = try settings.mapping(
      of: ThreeCXClient.keys + ["trunks", "services"] + ProbePace.keys)
    client = try ThreeCXClient.shared(fields)
    trunks = Set(try fields["trunks"].map { node throws(YAMLError) in try node.strings() } ?? [])
    services = Set(
      try fields["services"].map { node throws(YAMLError) in try node.strings() } ?? [])
    pace = try ProbePace(fields, intervalMs: 2_000, limitMs: 4_000)
  }

  public func run(report: @escaping @Sendable (ProbeObservation) -> Void) async {
    await pace.run(target: target, signal: signal, report: report) { deadline in
      await self.once(before: deadline)
    }
  }

  private func once(before deadline: Moment) async -> ProbeObservation.Result {
    let sent = Moment.now
    do throws(FailoverError) {
      let status = try await client.get(
        "/xapi/v1/SystemStatus?$select=TrunksRegistered,TrunksTotal", before: deadline)
      guard let status = VendorJSON.object(status) else { return .missed(.wrongAnswer) }
      var isServing = Self.hasTrunks(status)
      if !trunks.isEmpty {
        let areOnline = try await Self.areOnline(trunks, asking: client, before: deadline)
        isServing = isServing && areOnline
      }
      if !services.isEmpty {
        let body = try await client.get(
          "/xapi/v1/Services?$top=100&$select=Name,Status", before: deadline)
        isServing = isServing && Self.areRunning(services, in: body)
      }
      return isServing ? .alive(roundTripMs: Moment.now.ms(since: sent)) : .missed(.notServing)
    } catch {
      return .missed(ProbeMiss(vendor: error))
    }
  }

  /// Whether these trunks are registered, by their numbers.
  static func areOnline(
    _ trunks: Set<String>, asking client: ThreeCXClient, before deadline: Moment
  ) async throws(FailoverError) -> Bool {
    areOnline(
      trunks,
      in: try await client.get(
        "/xapi/v1/Trunks?$top=100&$select=Number,IsOnline", before: deadline))
  }

  /// Where there are trunks, one at least is registered.
  static func hasTrunks(_ status: JSONObject) -> Bool {
    guard let total = status["TrunksTotal"]?.integer, total > 0 else { return true }
    return (status["TrunksRegistered"]?.integer ?? 0) > 0
  }

  static func areOnline(_ trunks: Set<String>, in body: [UInt8]) -> Bool {
    let online = VendorJSON.object(body)?["value"]?.array?.compactMap { value in
      value.object?["IsOnline"]?.bool == true ? value.object?["Number"]?.string : nil
    }
    return trunks.isSubset(of: online ?? [])
  }

  static func areRunning(_ services: Set<String>, in body: [UInt8]) -> Bool {
    let running = VendorJSON.object(body)?["value"]?.array?.compactMap { value in
      value.object?["Status"]?.string == "Running" ? value.object?["Name"]?.string : nil
    }
    return services.isSubset(of: running ?? [])
  }
}
