public import Failover
import Subprocess
public import YAML

/// A program of the practice's own on this machine: section 10 of
/// `Documentation/formats/failover-actuators.md`.
///
/// Its arguments are words of the policy and numbers of the plan; nothing else is ever one.
public final class ScriptActuator: SettingsActuator {
  public let id: ActuatorID
  public let fence = PlanFence()
  public let readLimitMs: Int64
  /// It gets fencing number and version, and exits with 3 for lower ones.
  public let isFenced = true
  private let program: Subprocess
  private let routes: RouteWords

  /// Keys: `path`, `routes`, `limit_ms`.
  public init(id: ActuatorID, settings: YAMLNode) throws(YAMLError) {
    self.id = id
    let fields = try settings.mapping(of: ["path", "routes", "limit_ms"])
    let pathNode = try fields.required("path")
    do {
      program = try Subprocess(path: try pathNode.string())
    } catch let error as YAMLError {
      throw error
    } catch {
      throw VendorSettings.refuse(pathNode, "a program's path from / on is expected here")
    }
    routes = try RouteWords(fields.required("routes"))
    readLimitMs = try VendorSettings.milliseconds(
      fields["limit_ms"], in: 50...10_000, otherwise: 2_000)
  }

  public func wanted(for plan: RoutePlan) -> [WantedSetting] {
    routes.word(for: plan).map { [WantedSetting("route", $0)] } ?? []
  }

  public func read(
    _ subjects: [String], before deadline: Moment
  ) async throws(FailoverError) -> [String: String] {
    let output = try await run(["read"], before: deadline)
    let line = String(decoding: output.prefix { $0 != 0x0A }, as: UTF8.self)
    return ["route": routes.known(line)]
  }

  public func write(
    _ setting: WantedSetting, of mark: PlanMark, before deadline: Moment
  ) async throws(FailoverError) {
    _ = try await run(Self.arguments(for: setting.value, mark), before: deadline)
  }

  /// `set --route main --answer ai --fencing 7 --version 3`.
  static func arguments(for word: String, _ plan: PlanMark) -> [String] {
    let parts = word.split(separator: "/").map(String.init)
    return [
      "set", "--route", parts.first ?? "", "--answer", parts.count == 2 ? "people" : "any",
      "--fencing", String(plan.fencing), "--version", String(plan.version),
    ]
  }

  private func run(
    _ arguments: [String], before deadline: Moment
  ) async throws(FailoverError) -> [UInt8] {
    let outcome: Subprocess.Outcome
    do throws(SubprocessError) {
      outcome = try await program.run(arguments, by: deadline.instant)
    } catch {
      throw FailoverError(
        error.code == .unusable ? .invalid : .unreachable, during: "running a script", cause: error)
    }
    switch outcome.status {
    case 0: return outcome.output
    case 3: throw FailoverError(.fenced, during: "running a script")
    default:
      throw FailoverError(
        .refused, during: "running a script", cause: VendorAnswer(status: Int(outcome.status)))
    }
  }
}
