/// Holds the times of entries against the stamps around them.
///
/// Specified in `Documentation/formats/anchors.md`, 3.4.
struct StampTimes {
  /// How far clocks may be apart, with the way to the authority, in milliseconds.
  static let tolerance: Int64 = 300_000

  /// Each stamp's size, ascending, with the latest time of those up to it and the earliest of those
  /// from it on.
  private var sizes: [Int64] = []
  private var latest: [Int64] = []
  private var earliest: [Int64] = []

  /// - Parameter stamps: by size, ascending.
  init(_ stamps: [AnchorAssessment.Stamp]) {
    for stamp in stamps {
      sizes.append(stamp.checkpoint.size)
      latest.append(max(latest.last ?? .min, stamp.seconds * 1000))
    }
    earliest = latest
    var first = Int64.max
    for (position, stamp) in stamps.enumerated().reversed() {
      first = min(first, stamp.seconds * 1000)
      earliest[position] = first
    }
  }

  var isEmpty: Bool { sizes.isEmpty }

  /// Whether an entry's time can be true.
  ///
  /// - Parameters:
  ///   - time: in milliseconds since 1970, below 2^53.
  ///   - index: the entry's place.
  /// - Returns: false if a stamp contradicts it.
  func allows(_ time: Int64, at index: Int64) -> Bool {
    // The first stamp that covers the entry.
    var (low, high) = (0, sizes.count)
    while low < high {
      let middle = (low + high) / 2
      if sizes[middle] > index { high = middle } else { low = middle + 1 }
    }
    if low < sizes.count, time > earliest[low] + Self.tolerance { return false }
    return low == 0 || time >= latest[low - 1] - Self.tolerance
  }
}

extension LogExamination {
  /// Reads the entries' times, where there are stamps to hold them against.
  func checkStamps() {
    guard let stamps = verifier.assessment?.stamps else { return }
    let times = StampTimes(stamps)
    guard !times.isEmpty, verifier.format == .callVault else { return }
    var first: Int64?
    var count = 0
    for number in 0..<((size + 255) / 256) {
      guard let path = TilePath.bundle(number, inLogOf: size), let bytes = content(path) else {
        continue
      }
      let span = bytes.span
      for (offset, range) in EntryBundle.ranges(bytes).prefix(path.width).enumerated() {
        let index = number * 256 + Int64(offset)
        guard let time = EntryFrame(span, range)?.time, !times.allows(time, at: index) else {
          continue
        }
        first = first ?? index
        count += 1
      }
    }
    guard let first else { return }
    find(
      .init(
        .altered, kind: .misdated, index: first,
        "its time lies outside the stamps around it\(count > 1 ? ", and \(count - 1) more" : "")"))
  }
}
