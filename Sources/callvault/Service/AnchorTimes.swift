import Audit
import Encoding
import Retention
import Threading
import Vault

/// The time as anchors tell it: time stamps and cosignatures over heads of the log, checked as they were
/// kept.
struct AnchorTimes: OutsideTimes {
  let anchors: OutsideAnchors
  let anchoring: Anchoring
  let log: AuditLog
  let clock: any WallClock

  func refresh() async {
    // What cannot be published or confirmed is in the health; what is known already still counts.
    try? await log.publish()
    await anchoring.confirmNow()
  }

  func confirmations() async throws -> [HeadConfirmation] {
    let now = clock.read().milliseconds
    let statuses = await anchoring.statuses()
    return try await anchors.known().compactMap { name, known, _ in
      guard let known else { return nil }
      // Our clock when the answer came, if it came to this process; else only its age tells.
      let received = statuses.first { $0.name == name && $0.size == known.size }.map {
        now - $0.ageSeconds * 1000
      }
      return HeadConfirmation(
        kind: name == "timestamp" ? .authority : .witness, name: name, size: known.size,
        time: Timestamp(milliseconds: known.milliseconds),
        received: Timestamp(milliseconds: received ?? known.milliseconds))
    }
  }
}
