/// Up to 256 entries as `tile/entries/…` stores them: each as `u16be length ‖ entry`.
public enum EntryBundle {
  /// What the 16 bit length can say.
  public static let maximumEntryByteCount = 65_535
  /// No bundle file is longer than this.
  public static let maximumByteCount = TilePath.fullWidth * (2 + maximumEntryByteCount)

  /// Returns the bundle of `entries`.
  ///
  /// - Throws: ``AuditError/Code/invalidDraft`` if there are none or more than 256, or one is too
  ///   long.
  public static func encode(_ entries: some Collection<[UInt8]>) throws(AuditError) -> [UInt8] {
    guard (1...TilePath.fullWidth).contains(entries.count) else {
      throw AuditError(.invalidDraft, during: "encoding a bundle of no or too many entries")
    }
    var bytes: [UInt8] = []
    for entry in entries { try append(entry, to: &bytes) }
    return bytes
  }

  /// Appends one entry with its length; a bundle only ever grows at its end.
  ///
  /// - Throws: ``AuditError/Code/invalidDraft`` if the entry is too long.
  public static func append(_ entry: [UInt8], to bundle: inout [UInt8]) throws(AuditError) {
    guard entry.count <= maximumEntryByteCount else {
      throw AuditError(.invalidDraft, during: "encoding a bundle with too long an entry")
    }
    bundle.append(UInt8(entry.count >> 8))
    bundle.append(UInt8(entry.count & 0xff))
    bundle.append(contentsOf: entry)
  }

  /// Returns the entries of a bundle that must hold exactly `count`.
  ///
  /// - Throws: ``AuditError/Code/malformed`` if an entry is cut short, or there are more or fewer.
  public static func parse(_ bytes: [UInt8], count: Int) throws(AuditError) -> [[UInt8]] {
    let ranges = ranges(bytes)
    guard ranges.count == count, ranges.last?.upperBound == bytes.count else {
      throw AuditError(.malformed, during: "parsing a bundle of entries")
    }
    return ranges.map { Array(bytes[$0]) }
  }

  /// Where the entries lie that are wholly there, up to 256.
  ///
  /// Bytes after the end of the last range are a cut entry or do not belong.
  static func ranges(_ bytes: [UInt8]) -> [Range<Int>] {
    var ranges: [Range<Int>] = []
    ranges.reserveCapacity(TilePath.fullWidth)
    var offset = 0
    while bytes.count - offset >= 2, ranges.count < TilePath.fullWidth {
      let start = offset + 2
      let end = start + (Int(bytes[offset]) << 8 | Int(bytes[offset + 1]))
      guard end <= bytes.count else { break }
      ranges.append(start..<end)
      offset = end
    }
    return ranges
  }
}
