/// Reads how long something lives, such as `8h`.
enum DurationText {
  /// Reads digits and one of `s`, `m`, `h`, `d`.
  ///
  /// - Returns: seconds, or nil for anything else or more than ten years.
  static func seconds(_ text: String) -> Int64? {
    guard let unit = text.last, let count = Int64(text.dropLast()),
      text.dropLast().utf8.allSatisfy({ (0x30...0x39).contains($0) }), count > 0,
      count <= 315_360_000
    else { return nil }
    let factor: Int64
    switch unit {
    case "s": factor = 1
    case "m": factor = 60
    case "h": factor = 3600
    case "d": factor = 86400
    default: return nil
    }
    let (seconds, overflow) = count.multipliedReportingOverflow(by: factor)
    return overflow || seconds > 315_360_000 ? nil : seconds
  }
}
