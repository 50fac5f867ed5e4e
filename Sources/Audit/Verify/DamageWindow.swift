import Cryptography

/// The entries and recorded hashes around a place where they differ, to tell what happened there.
///
/// The rules are those of `Documentation/formats/audit-log.md`, 9.4.
struct DamageWindow {
  /// What is found at one place.
  struct Place {
    let hash: SHA256Digest
    let frame: EntryFrame?
  }
  /// How many bundles are looked at.
  static let bundles: Int64 = 3

  /// The index of the first place.
  let start: Int64
  /// What the bundles hold, by place; entries beyond a short bundle's end are missing.
  private(set) var found: [Int64: Place] = [:]
  /// What the tiles record, by place.
  private(set) var recorded: [Int64: SHA256Digest] = [:]
  /// A recorded hash anywhere in the log.
  private let recordedAt: (Int64) -> SHA256Digest?

  /// Reads the bundle before that of `index`, its own and the next.
  ///
  /// - Parameters:
  ///   - index: the first bad place.
  ///   - size: how many entries the log should have.
  ///   - read: the content of a bundle or tile; nil if there is none or it cannot be read.
  init(around index: Int64, size: Int64, read: @escaping (TilePath) -> [UInt8]?) {
    let width = Int64(TilePath.fullWidth)
    func tile(_ number: Int64) -> [SHA256Digest]? {
      // A tile that is none has a finding of its own from whoever followed it; here it tells nothing.
      guard let path = TilePath.tile(0, number, inTreeOf: size), let bytes = read(path),
        let tile = try? Tile(path, parsing: bytes)
      else { return nil }
      return tile.hashes
    }
    recordedAt = { index in
      guard (0..<size).contains(index) else { return nil }
      return tile(index / width).map { $0[Int(index % width)] }
    }
    let first = max(0, index / width - 1)
    start = first * width
    for number in first..<(first + Self.bundles) {
      guard let path = TilePath.bundle(number, inLogOf: size) else { break }
      let origin = number * width
      if let bytes = read(path) {
        for (offset, range) in EntryBundle.ranges(bytes).enumerated() {
          let entry = Array(bytes[range])
          found[origin + Int64(offset)] = Place(
            hash: MerkleTree.leafHash(entry), frame: EntryFrame(entry))
        }
      }
      for (offset, hash) in (tile(number) ?? []).enumerated() {
        recorded[origin + Int64(offset)] = hash
      }
    }
  }

  /// What happened at `index`, where entry and tile differ and the tiles are known to be right.
  func kindBesideTiles(at index: Int64) -> LogReport.Finding.Kind {
    guard let here = found[index] else { return .removed }
    let expected = recorded[index]
    var truePlace = recorded.first { $0.key != index && $0.value == here.hash }?.key
    if truePlace == nil, let claimed = here.frame?.index, claimed != index,
      recordedAt(claimed) == here.hash
    {
      truePlace = claimed
    }
    let comesLater = found.contains { $0.key > index && $0.value.hash == expected }
    switch (truePlace, comesLater) {
    case (nil, false): return .edited
    case (nil, true): return .inserted
    case (let place?, true): return place < index ? .inserted : .reordered
    case (let place?, false): return place < index ? .edited : .removed
    }
  }

  /// What happened where the chain breaks, when only the entries themselves can say so; and where.
  func kindByChain(_ broken: ChainBreak) -> (kind: LogReport.Finding.Kind, index: Int64) {
    let index = broken.index
    switch broken.kind {
    case .index(nil):
      return (.edited, index)
    case .index(let claimed?) where claimed > index:
      let isLater = found.contains { $0.key > index && $0.value.frame?.index == index }
      return (isLater ? .reordered : .removed, index)
    case .index:
      return (.inserted, index)
    case .previous:
      guard index > 0, let here = found[index] else { return (.edited, max(0, index - 1)) }
      // The entry after vouches for this one by its `prev`; then the one before was changed.
      if let next = found[index + 1]?.frame?.previous {
        return (.edited, next == here.hash ? index - 1 : index)
      }
      let isAsRecorded = found[index - 1].map { $0.hash } == recorded[index - 1]
      return (.edited, isAsRecorded ? index : index - 1)
    }
  }
}
