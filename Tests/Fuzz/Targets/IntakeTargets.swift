import Cryptography
import Encoding
import Intake
import Vault

extension FuzzTarget {
  /// What a phone system leaves in a watched folder, and the rules of the clocks by which it wrote.
  static let intake: [FuzzTarget] = [
    oneSpelling(
      "intake-name", parse: { string($0).flatMap { RecordingFileName($0) } },
      encode: { utf8($0.description) }),
    settled(
      "intake-sidecar", parse: { try Sidecar(parsing: $0) },
      encode: { sidecar in
        var object: JSONObject = ["v": 1]
        object["source_id"] = sidecar.sourceID.map { .string($0) }
        object["started"] = sidecar.started.map { .string($0.description) }
        object["direction"] = sidecar.direction.map { .string($0.rawValue) }
        object["from"] = sidecar.from.map { .string($0) }
        object["to"] = sidecar.to.map { .string($0) }
        object["extension"] = sidecar.callExtension.map { .string($0) }
        object["agent"] = sidecar.agent.map { .string($0) }
        object["location"] = sidecar.location.map { .string($0) }
        object["sha256"] = sidecar.digest.map { .string($0.hex) }
        return JSONValue.object(object).encoded()
      }),
    FuzzTarget("time-zone") { bytes in
      guard let rules = TimeZoneRules(parsing: bytes) else { return .refused }
      for text in ["19000101000000", "20190211124743", "20260308023000", "21991231235959"] {
        guard let time = LocalTime(text), time.description == text else {
          return .broken("a time that is another once written")
        }
        _ = rules.instant(of: time)
      }
      return .accepted
    },
  ]
}
