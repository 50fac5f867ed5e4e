import Threading

/// How long we would still wait for the client, in nanoseconds.
///
/// Bytes earn waiting, up to a bound: who has moved much must not be able to stall for hours.
/// Only time spent waiting for the client counts: our own disk must not make it look slow.
struct Pace {
  private(set) var credit: UInt64
  private let bound: UInt64
  private let bytesPerSecond: Double

  init(_ limits: ServerLimits) {
    let longest: UInt64 = 1 << 60  // Decades; sums with the clock cannot overflow.
    credit = min(Monotonic.nanoseconds(limits.rateGrace), longest)
    bound = max(credit, min(Monotonic.nanoseconds(limits.stallTime), longest))
    bytesPerSecond = Double(max(1, limits.minimumRate))
  }

  mutating func waited(_ time: UInt64) { credit -= min(credit, time) }

  mutating func moved(_ bytes: Int) {
    let earned = UInt64(min(Double(bytes) / bytesPerSecond * 1e9, Double(bound)))
    credit = bound - credit > earned ? credit + earned : bound
  }
}
