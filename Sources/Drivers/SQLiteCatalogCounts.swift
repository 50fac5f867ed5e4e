public import Audit
import Database
public import Encoding

/// The counts of subjects that came one after another, side by side: a row of `subject_count`.
///
/// A search counts its whole page, and in a large vault a page's calls lie far apart. With a row each,
/// the counts of a million calls were written to some thousand pages again and again, and an entry of
/// the log that came meanwhile waited for the disk.
struct CountBlock: Sendable {
  /// How many counts a block has.
  static let size = 256
  /// Above every count, since a log has fewer entries; no count has more digits than it.
  static let bound: Int64 = 1 << 53
  private static let widest = 16

  /// Decimal digits, as many for each count as the greatest needs.
  private var digits: [UInt8]

  private var width: Int { digits.count / Self.size }

  /// A block of subjects that no entry is about.
  init() { digits = Array(repeating: 0x30, count: Self.size) }

  /// - Throws: ``DatabaseError/Code/damaged`` when it is no text that a block has.
  init(parsing text: String) throws(DatabaseError) {
    digits = Array(text.utf8)
    guard
      digits.count.isMultiple(of: Self.size), (1...Self.widest).contains(width),
      digits.allSatisfy({ (0x30...0x39).contains($0) }),
      width < Self.widest || (0..<Self.size).allSatisfy({ self[$0] < Self.bound })
    else { throw DatabaseError(.damaged, during: "reading counts of subjects") }
  }

  var text: String { String(decoding: digits, as: UTF8.self) }

  /// The count at an offset below ``size``; not negative, and below ``bound``.
  subscript(offset: Int) -> Int64 {
    get { digits[offset * width..<(offset + 1) * width].reduce(0) { $0 * 10 + Int64($1 - 0x30) } }
    set {
      let wanted = Array(String(newValue).utf8)
      precondition((0..<Self.bound).contains(newValue), "a count has bounds")
      if wanted.count > width { widen(to: wanted.count) }
      let padding = Array(repeating: UInt8(0x30), count: width - wanted.count)
      digits.replaceSubrange(offset * width..<(offset + 1) * width, with: padding + wanted)
    }
  }

  private mutating func widen(to width: Int) {
    let padding = Array(repeating: UInt8(0x30), count: width - self.width)
    digits = (0..<Self.size).flatMap {
      padding + digits[$0 * self.width..<($0 + 1) * self.width]
    }
  }
}

/// Where the count of a subject is; places are given in the order in which subjects come, from 1.
private struct CountPlace {
  let block: Int64
  let offset: Int

  init(_ place: Int64) throws(DatabaseError) {
    guard place > 0 else { throw DatabaseError(.damaged, during: "placing a count") }
    let (block, offset) = (place - 1).quotientAndRemainder(dividingBy: Int64(CountBlock.size))
    self.block = block
    self.offset = Int(offset)
  }
}

extension SQLiteCatalog {
  public func countedEntries(of subjects: [Identifier]) async throws -> [Identifier: Int64] {
    try await read("counting the entries of subjects") { connection in
      var blocks: [Int64: CountBlock] = [:]
      var found: [Identifier: Int64] = [:]
      for subject in subjects {
        guard let place = try connection.placeOfCount(subject) else { continue }
        let block = try blocks[place.block] ?? connection.countBlock(place.block)
        guard let block else { throw DatabaseError(.damaged, during: "reading a place's count") }
        blocks[place.block] = block
        found[subject] = block[place.offset]
      }
      return found
    }
  }

  public func storeCounts(_ counts: [SubjectCount], through position: LogPosition) async throws {
    try await write("storing counts of subjects") { connection in
      var changes: [Int64: [(offset: Int, entries: Int64)]] = [:]
      for count in counts {
        // A catalog that somebody changed may have told the log a number at the bound.
        guard (0..<CountBlock.bound).contains(count.entries) else {
          throw DatabaseError(.damaged, during: "storing a count of entries")
        }
        let place =
          try connection.placeOfCount(count.subject)
          ?? connection.makePlaceOfCount(count.subject)
        changes[place.block, default: []].append((place.offset, count.entries))
      }
      for (number, changes) in changes.sorted(by: { $0.key < $1.key }) {
        var block = try connection.countBlock(number) ?? CountBlock()
        for change in changes { block[change.offset] = change.entries }
        try connection.run(
          """
          INSERT INTO subject_count (block, entries) VALUES (?, ?)
          ON CONFLICT (block) DO UPDATE SET entries = excluded.entries
          """, number, block.text)
      }
      try connection.advance(.counted, to: position)
    }
  }
}

extension Connection {
  /// Keeps all counts as those of an earlier log, and begins anew.
  func endCounts(asLog number: Int64) throws {
    try run(
      """
      INSERT INTO earlier_subject_count (log, subject, entries)
      SELECT ?, subject, CAST(substr(
          entries, 1 + (place - 1) % 256 * length(entries) / 256, length(entries) / 256
        ) AS INTEGER)
      FROM subject_place JOIN subject_count ON block = (place - 1) / 256
      """, number)
    try run("DELETE FROM subject_count")
    try run("DELETE FROM subject_place")
  }

  fileprivate func placeOfCount(_ subject: Identifier) throws -> CountPlace? {
    try first("SELECT place FROM subject_place WHERE subject = ?", subject.bytes) {
      (row) throws(DatabaseError) in try CountPlace(row.integer(0))
    }
  }

  fileprivate func makePlaceOfCount(_ subject: Identifier) throws -> CountPlace {
    let place = try first(
      "INSERT INTO subject_place (subject) VALUES (?) RETURNING place", subject.bytes
    ) { (row) throws(DatabaseError) in try CountPlace(row.integer(0)) }
    guard let place else { throw DatabaseError(.damaged, during: "placing a count") }
    return place
  }

  fileprivate func countBlock(_ number: Int64) throws -> CountBlock? {
    try first("SELECT entries FROM subject_count WHERE block = ?", number) {
      (row) throws(DatabaseError) in try CountBlock(parsing: row.text(0))
    }
  }
}
