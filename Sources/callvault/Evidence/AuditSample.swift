import Cryptography
import Encoding

/// A sample for tests of controls: its size and who is in it follow from the population and a seed.
///
/// Specified in `Documentation/formats/package.md`, 7: discovery sampling, selected by rank.
struct AuditSample {
  struct Member: Hashable {
    let rank: [UInt8]
    let id: String
    let index: Int64
  }

  private let seed: String
  private let confidence: Int
  private let tolerable: Int
  private(set) var population: Int64 = 0
  /// The lowest ranks so far, no more than any population needs; ascending when settled.
  private var lowest: [Member] = []
  private let bound: Int

  /// - Parameters:
  ///   - seed: 1 to 256 printable ASCII characters without quote and backslash.
  ///   - confidence: whole per cent, 1 to 99.
  ///   - tolerable: likewise; for anything else there is no sample.
  init?(seed: String, confidence: Int, tolerable: Int) {
    guard (1...99).contains(confidence), (1...99).contains(tolerable),
      (1...256).contains(seed.utf8.count),
      seed.utf8.allSatisfy({ (0x20...0x7E).contains($0) && $0 != 0x22 && $0 != 0x5C })
    else { return nil }
    self.seed = seed
    self.confidence = confidence
    self.tolerable = tolerable
    // Without replacement a sample is never larger than with it, but for rounding in small numbers.
    bound =
      Self.size(
        of: 1 << 40, confidence: confidence, tolerable: tolerable) + 16
  }

  /// The least n with which a sample of `population` shows one of ⌈population · tolerable⌉ deviations
  /// with at least the confidence asked for.
  static func size(of population: Int64, confidence: Int, tolerable: Int) -> Int {
    let bad = (population * Int64(tolerable) + 99) / 100
    var chance = 1.0
    var size: Int64 = 0
    while size < population, chance > 1 - Double(confidence) / 100 {
      chance *= Double(population - bad - size) / Double(population - size)
      size += 1
    }
    return Int(size)
  }

  /// Takes an entry of the population.
  ///
  /// - Throws: `CryptographyError` when the library fails.
  mutating func take(id: String, index: Int64) throws {
    population += 1
    let key = Array(seed.utf8)
    let rank = try HMACSHA256.authenticate(
      Array("callvault/sample/v1".utf8) + Array(id.utf8), key: unsafe key.span.bytes)
    lowest.append(Member(rank: rank, id: id, index: index))
    if lowest.count >= 4 * bound { settle() }
  }

  private mutating func settle() {
    lowest.sort { $0.rank.lexicographicallyPrecedes($1.rank) }
    if lowest.count > bound { lowest.removeSubrange(bound...) }
  }

  /// The sample, in order of index.
  mutating func draw() -> [Member] {
    settle()
    let size = Self.size(of: population, confidence: confidence, tolerable: tolerable)
    return lowest.prefix(size).sorted { $0.index < $1.index }
  }
}
