/// The name of a tile or an entry bundle under a log's folder, as c2sp.org/tlog-tiles spells it.
///
/// One tile has one name: `tile/0/x001/x234/067`, or `tile/1/000.p/17` when only 17 of its 256
/// hashes are there yet.
public struct TilePath: Hashable, Sendable, LosslessStringConvertible {
  /// Hashes in a whole tile, entries in a whole bundle.
  public static let fullWidth = 256

  /// What a path names.
  public enum Level: Hashable, Sendable {
    /// Bundle of entries.
    case entries
    /// Hashes of subtrees of 256^level leaves; 0 to 63.
    case hashes(Int)
  }

  public let level: Level
  /// Which tile of its level, counted from 0.
  public let number: Int64
  /// How many hashes or entries it holds, 1 to 256.
  public let width: Int

  /// Is nil if the level is not 0 to 63, the number is negative or the width not 1 to 256.
  public init?(_ level: Level, _ number: Int64, width: Int = TilePath.fullWidth) {
    if case .hashes(let height) = level, !(0...63).contains(height) { return nil }
    guard number >= 0, (1...Self.fullWidth).contains(width) else { return nil }
    self.level = level
    self.number = number
    self.width = width
  }

  /// Reads a path; any but the one spelling is nil.
  public init?(_ description: String) {
    // "tile/entries/", seven groups "xNNN/" and ".p/255" stay below this.
    guard description.utf8.count <= 64 else { return nil }
    var components = description.split(separator: "/", omittingEmptySubsequences: false)[...]
    guard components.count >= 3, components.removeFirst() == "tile" else { return nil }
    let levelName = components.removeFirst()
    var level = Level.entries
    if levelName != "entries" {
      guard let height = Self.digits(levelName) else { return nil }
      level = .hashes(Int(height))
    }
    var width = Self.fullWidth
    if components.count >= 2, components[components.endIndex - 2].hasSuffix(".p") {
      guard let last = components.popLast(), let count = Self.digits(last), count < Self.fullWidth
      else { return nil }
      width = Int(count)
      components.append(components.removeLast().dropLast(2))
    }
    var number: Int64 = 0
    for group in components {
      guard let value = Self.digits(group.hasPrefix("x") ? group.dropFirst() : group) else {
        return nil
      }
      let (scaled, overflow) = number.multipliedReportingOverflow(by: 1000)
      let (sum, carried) = scaled.addingReportingOverflow(value)
      guard !overflow, !carried else { return nil }
      number = sum
    }
    self.init(level, number, width: width)
    // A missing or stray x, short groups, leading groups of zeros: whatever differs ends here.
    guard self.description == description else { return nil }
  }

  public var description: String {
    let levelName =
      switch level {
      case .entries: "entries"
      case .hashes(let height): String(height)
      }
    var name = Self.group(number % 1000)
    var rest = number / 1000
    while rest > 0 {
      name = "x" + Self.group(rest % 1000) + "/" + name
      rest /= 1000
    }
    let suffix = width == Self.fullWidth ? "" : ".p/\(width)"
    return "tile/\(levelName)/\(name)\(suffix)"
  }

  private static func group(_ value: Int64) -> String {
    let digits = String(value)
    return String(repeating: "0", count: 3 - digits.utf8.count) + digits
  }

  private static func digits(_ text: Substring) -> Int64? {
    guard (1...3).contains(text.utf8.count), text.utf8.allSatisfy({ (0x30...0x39).contains($0) })
    else { return nil }
    return Int64(text)
  }
}

extension TilePath {
  /// The tile of level `height` numbered `number` in a tree of `size` leaves, with the width it
  /// then has; nil if the tree does not reach it.
  public static func tile(_ height: Int, _ number: Int64, inTreeOf size: Int64) -> TilePath? {
    guard (0...7).contains(height), number >= 0, size >= 0 else { return nil }
    let hashes = size >> Int64(8 * height)
    let (start, overflow) = number.multipliedReportingOverflow(by: Int64(fullWidth))
    guard !overflow, start < hashes else { return nil }
    return TilePath(.hashes(height), number, width: Int(min(hashes - start, Int64(fullWidth))))
  }

  /// The bundle numbered `number` of a log of `size` entries, with the width it then has.
  public static func bundle(_ number: Int64, inLogOf size: Int64) -> TilePath? {
    guard let tile = tile(0, number, inTreeOf: size) else { return nil }
    return TilePath(.entries, number, width: tile.width)
  }

  /// Every bundle and tile that a tree of `size` leaves has and one of `oldSize` had not, or not
  /// in that width: what a publisher writes, in a good order.
  public static func added(from oldSize: Int64, to size: Int64) -> [TilePath] {
    guard oldSize >= 0, oldSize < size else { return [] }
    var paths: [TilePath] = []
    for level in 0...7 {
      let old = oldSize >> Int64(8 * level)
      let new = size >> Int64(8 * level)
      if old == new { break }
      for number in (old / 256)...((new - 1) / 256) {
        if level == 0, let bundle = bundle(number, inLogOf: size) { paths.append(bundle) }
        if let tile = tile(level, number, inTreeOf: size) { paths.append(tile) }
      }
    }
    return paths
  }
}
