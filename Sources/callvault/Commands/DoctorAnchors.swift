import Audit
import Drivers
import Encoding
import Threading

extension DoctorCommand {
  /// How old each kind of anchor is, by what lies in the data directory and with the copies.
  static func anchors(
    _ layout: StorageLayout, _ settings: Settings, _ findings: inout [Finding]
  ) async {
    guard let anchors = settings.anchors else {
      findings.append(
        Finding(
          "anchors", .warning,
          "nobody else knows of the log: whoever owns the machine can rewrite it",
          "set `anchors` in callvault.yaml: a witness, a time stamp authority, a copy"))
      return
    }
    let clock = SystemClock()
    let now = clock.read().milliseconds
    func add(_ name: String, _ known: (size: Int64, milliseconds: Int64)?, _ limit: Duration) {
      guard let known else {
        findings.append(
          Finding(
            name, .warning, "it has not confirmed the log yet",
            "see the service's own log for anchor-… and \(name)"))
        return
      }
      let seconds = max(0, now - known.milliseconds) / 1000
      let text = "\(known.size) entries confirmed \(seconds) s ago"
      findings.append(
        seconds <= limit.components.seconds
          ? Finding(name, .good, text)
          : Finding(
            name, .warning, text + ", longer than its limit",
            "see that it can be reached from here, and the service's own log"))
    }
    do {
      let outside = try OutsideAnchors(layout, anchors, clock: clock)
      for (name, known, limit) in try await outside.known() { add(name, known, limit) }
    } catch {
      findings.append(
        Finding(
          "anchors", .red, (error as? CommandFailure)?.sentence ?? "\(error)",
          "correct `anchors` in callvault.yaml"))
    }
  }
}
