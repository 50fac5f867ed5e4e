import AMI
import Encoding
public import Failover
public import YAML

/// Whether registrations that calls depend on stand, told by whoever keeps them: section 12 of
/// `Documentation/formats/failover-actuators.md`.
///
/// A trunk that lost its registration answers every health check and gets no calls.
public final class RegistrationProbe: Probe {
  private enum Keeper: Sendable {
    /// What Asterisk registers elsewhere, by the names of `pjsip.conf`.
    case asterisk(AsteriskConversation)
    /// 3CX's trunks, by their numbers.
    case threeCX(ThreeCXClient)
    /// What registers with a Kamailio of ours, by address of record.
    case kamailio(KamailioRPC)
  }

  public let target: TargetID
  public let signal = SignalKind.registration
  private let keeper: Keeper
  private let names: Set<String>
  private let pace: ProbePace

  /// Keys: `at` (`asterisk`, `threecx`, `kamailio`) and the keys of that, `names`, `interval_ms`, `limit_ms`.
  public init(target: TargetID, settings: YAMLNode) throws(YAMLError) {
    self.target = target
    let node = try settings.selecting(["at"]).mapping(of: ["at"]).required("at")
    let own = ["at", "names"] + ProbePace.keys
    let fields: YAMLMapping
    switch try node.string() {
    case "asterisk":
      fields = try settings.mapping(of: own + AsteriskConversation.keys)
      keeper = .asterisk(try .opened(fields, at: settings))
    case "threecx":
      fields = try settings.mapping(of: own + ThreeCXClient.keys)
      keeper = .threeCX(try ThreeCXClient.shared(fields))
    case "kamailio":
      fields = try settings.mapping(of: own + KamailioRPC.keys)
      // Once: the next probe is the next attempt.
      keeper = .kamailio(try KamailioRPC(fields, policy: RetryPolicy(attempts: 1)))
    default: throw VendorSettings.refuse(node, "one of asterisk, threecx and kamailio is expected")
    }
    let list = try fields.required("names")
    names = Set(try list.strings())
    guard (1...16).contains(names.count),
      names.allSatisfy({ name in
        (1...128).contains(name.utf8.count) && name.utf8.allSatisfy { (0x21...0x7E).contains($0) }
      })
    else {
      throw VendorSettings.refuse(list, "1 to 16 names are expected, printable and without spaces")
    }
    pace = try ProbePace(fields, intervalMs: 1_000, limitMs: 3_000)
  }

  public func run(report: @escaping @Sendable (ProbeObservation) -> Void) async {
    await pace.run(target: target, signal: signal, report: report) { deadline in
      let sent = Moment.now
      do throws(FailoverError) {
        return try await self.areRegistered(before: deadline)
          ? .alive(roundTripMs: Moment.now.ms(since: sent)) : .missed(.notServing)
      } catch {
        return .missed(self.miss(error))
      }
    }
  }

  private func areRegistered(before deadline: Moment) async throws(FailoverError) -> Bool {
    switch keeper {
    case .asterisk(let manager):
      let found = try await manager.ask(.registrations, before: deadline).registrations
      return names.allSatisfy { found[$0] == true }
    case .threeCX(let client):
      return try await ThreeCXProbe.areOnline(names, asking: client, before: deadline)
    case .kamailio(let rpc):
      for name in names {
        let record = try await rpc.call(
          "ul.lookup", ["location", .string(name)], effect: .reads, before: deadline)
        guard Self.hasContact(record) else { return false }
      }
      return true
    }
  }

  /// Whether a record of Kamailio's location service has a contact that has not run out.
  static func hasContact(_ record: JSONValue) -> Bool {
    (record.object?["Contacts"]?.array ?? []).contains { item in
      let contact = item.object?["Contact"]?.object
      if contact?["Expires"]?.string == "permanent" { return true }
      return (contact?["Expires"]?.integer ?? 0) > 0
    }
  }

  private func miss(_ error: FailoverError) -> ProbeMiss {
    switch keeper {
    case .asterisk: return AMIProbe.miss(error)
    // What is not registered it answers with 500, as it does any other error.
    case .kamailio where (error.cause as? VendorAnswer)?.status == 500: return .notServing
    case .threeCX, .kamailio: return ProbeMiss(vendor: error)
    }
  }
}
