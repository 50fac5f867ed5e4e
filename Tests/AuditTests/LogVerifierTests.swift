import Audit
import Cryptography
import Encoding
import Foundation
import Mutation
import Testing

/// One way to damage a log, and what the verifier must say of it.
struct Tampering: Sendable, CustomTestStringConvertible {
  let name: String
  let verdict: Verdict
  var kind: LogReport.Finding.Kind?
  var index: Int64?
  /// Changes a log of 600 entries, published at 300 and 600, whose head of 300 is the anchor.
  let apply: @Sendable (inout SampleLog) throws -> Void

  var testDescription: String { name }
}

/// Replaces tiles and bundles by those of other entries, but not the signed head.
@Sendable private func replaceTree(
  _ log: inout SampleLog, by entries: [[UInt8]], tiles: Bool
) throws {
  for (path, bytes) in try SampleLog.tiles(entries)
  where tiles || path.hasPrefix("tile/entries/") {
    log.files[path] = bytes
  }
}

private func edited(_ entry: [UInt8]) throws -> [UInt8] {
  var entry = try Entry(parsing: entry)
  entry.purpose = .payment
  return try entry.encoded()
}

/// The bundles of 600 places filled with other entries, under the names the head expects.
@Sendable private func refill(_ log: inout SampleLog, with entries: [[UInt8]]) throws {
  for (number, name) in ["tile/entries/000", "tile/entries/001", "tile/entries/002.p/88"]
    .enumerated()
  {
    let start = min(number * 256, entries.count)
    let end = number == 2 ? entries.count : min(start + 256, entries.count)
    log.files[name] = try EntryBundle.encode(entries[start..<end])
  }
}

private let tamperings: [Tampering] = [
  Tampering(name: "nothing", verdict: .intact) { _ in },
  Tampering(name: "an entry edited", verdict: .altered, kind: .edited, index: 411) { log in
    log.entries[411] = try edited(log.entries[411])
    try refill(&log, with: log.entries)
  },
  Tampering(name: "an entry removed", verdict: .altered, kind: .removed, index: 411) { log in
    log.entries.remove(at: 411)
    try refill(&log, with: log.entries)
  },
  Tampering(name: "ten entries removed", verdict: .altered, kind: .removed, index: 250) { log in
    log.entries.removeSubrange(250..<260)
    try refill(&log, with: log.entries)
  },
  Tampering(name: "an entry inserted", verdict: .altered, kind: .inserted, index: 411) { log in
    log.entries.insert(try edited(log.entries[411]), at: 411)
    try refill(&log, with: log.entries)
  },
  Tampering(name: "an entry doubled", verdict: .altered, kind: .inserted, index: 412) { log in
    log.entries.insert(log.entries[411], at: 412)
    try refill(&log, with: log.entries)
  },
  Tampering(name: "neighbours swapped", verdict: .altered, kind: .reordered, index: 411) { log in
    log.entries.swapAt(411, 412)
    try refill(&log, with: log.entries)
  },
  Tampering(name: "distant entries swapped", verdict: .altered, kind: .reordered, index: 250) {
    log in
    log.entries.swapAt(250, 511)
    try refill(&log, with: log.entries)
  },
  Tampering(name: "an entry replaced by an older one", verdict: .altered, kind: .edited, index: 9) {
    log in
    log.entries[9] = log.entries[3]
    try refill(&log, with: log.entries)
  },
  Tampering(name: "an entry and its tile edited", verdict: .altered, kind: .edited, index: 411) {
    log in
    log.entries[411] = try edited(log.entries[411])
    try replaceTree(&log, by: log.entries, tiles: true)
  },
  Tampering(name: "an entry removed, tiles too", verdict: .altered, kind: .removed, index: 100) {
    log in
    log.entries.remove(at: 100)
    log.entries.append(log.entries[598])
    try replaceTree(&log, by: log.entries, tiles: true)
  },
  Tampering(name: "neighbours swapped, tiles too", verdict: .altered, kind: .reordered, index: 5) {
    log in
    log.entries.swapAt(5, 6)
    try replaceTree(&log, by: log.entries, tiles: true)
  },
  Tampering(name: "an entry doubled, tiles too", verdict: .altered, kind: .inserted, index: 301) {
    log in
    log.entries.insert(log.entries[300], at: 301)
    log.entries.removeLast()
    try replaceTree(&log, by: log.entries, tiles: true)
  },
  // Between the heads of 300 and 600 the history cannot tell.
  Tampering(name: "edited, chain and tiles redone", verdict: .altered, kind: .edited, index: 300) {
    log in
    log.entries[411] = try edited(log.entries[411])
    log.entries = try SampleLog.rechained(log.entries)
    try replaceTree(&log, by: log.entries, tiles: true)
  },
  Tampering(name: "rewritten and signed again", verdict: .forked, index: 0) { log in
    log.entries[11] = try edited(log.entries[11])
    log.entries = try SampleLog.rechained(log.entries)
    log.files = [:]
    try log.publish(upTo: 300)
    try log.publish(upTo: 600)
  },
  Tampering(name: "rewritten after the anchor, history kept", verdict: .forked, index: 300) { log in
    log.entries[411] = try edited(log.entries[411])
    log.entries = try SampleLog.rechained(log.entries)
    try replaceTree(&log, by: log.entries, tiles: true)
    log.files["checkpoint"] = try SampleLog.head(log.entries)
    log.files["checkpoints/2026-12"] = log.files["checkpoint"].map {
      [UInt8($0.count >> 8), UInt8($0.count & 255)] + $0
    }
  },
  Tampering(name: "another key", verdict: .unauthentic) { log in
    log.files["checkpoint"] = try SampleLog.head(log.entries, seed: "another")
  },
  Tampering(name: "tail cut at an entry", verdict: .truncated, index: 550) { log in
    log.files["tile/entries/002.p/88"] = try EntryBundle.encode(log.entries[512..<550])
  },
  Tampering(name: "tail cut inside an entry", verdict: .truncated, index: 550) { log in
    log.files["tile/entries/002.p/88"] =
      try EntryBundle.encode(log.entries[512..<551]).dropLast(7)
  },
  Tampering(name: "last bundle removed", verdict: .truncated, index: 512) { log in
    log.files["tile/entries/002.p/88"] = nil
  },
  Tampering(name: "middle bundle removed", verdict: .altered, kind: .removed, index: 256) { log in
    log.files["tile/entries/001"] = nil
  },
  Tampering(name: "bundle and tiles cut off", verdict: .truncated, index: 512) { log in
    log.files["tile/entries/002.p/88"] = nil
    log.files["tile/0/002.p/88"] = nil
  },
  Tampering(name: "rolled back behind the anchor", verdict: .behindAnchor, index: 280) { log in
    log = try SampleLog(600, publishedAt: [280])
  },
  Tampering(name: "an older checkpoint put back", verdict: .intact) { log in
    log.files["checkpoint"] = log.heads[300]
  },
  Tampering(name: "entries after the signed ones", verdict: .altered, kind: .inserted, index: 600) {
    log in
    log.files["tile/entries/002.p/88", default: []] += try EntryBundle.encode([log.entries[0]])
  },
  Tampering(name: "a tile of level 0 edited", verdict: .altered, kind: .edited, index: 258) { log in
    log.files["tile/0/001"]?[64] ^= 1
  },
  Tampering(name: "a tile of level 1 edited", verdict: .altered, kind: .edited, index: 256) { log in
    log.files["tile/1/000.p/2"]?[32] ^= 1
  },
  Tampering(name: "a tile removed", verdict: .altered, kind: .removed, index: 0) { log in
    log.files["tile/1/000.p/2"] = nil
  },
  Tampering(name: "an older partial bundle edited", verdict: .altered, kind: .edited, index: 257) {
    log in
    log.files["tile/entries/001.p/44"]?[1200] ^= 1
  },
  Tampering(name: "history emptied", verdict: .altered, kind: .removed) { log in
    log.files["checkpoints/2026-11"] = []
  },
  Tampering(name: "history cut", verdict: .altered, kind: .edited) { log in
    log.files["checkpoints/2026-11"]?.removeLast()
  },
  Tampering(name: "history's order changed", verdict: .altered, kind: .reordered) { log in
    let frames = [Int64(600), 300].map { size -> [UInt8] in
      let note = log.heads[size] ?? []
      return [UInt8(note.count >> 8), UInt8(note.count & 255)] + note
    }
    log.files["checkpoints/2026-11"] = frames[0] + frames[1]
  },
  Tampering(name: "signed without being chained", verdict: .altered, kind: .removed, index: 411) {
    log in
    log.entries.remove(at: 411)
    log.files = [:]
    try log.publish(upTo: 300)
    try log.publish(upTo: 599)
  },
  Tampering(name: "signed, but not canonical", verdict: .altered, kind: .nonCanonical, index: 599) {
    log in
    log.entries[599] = Array(" ".utf8) + log.entries[599]
    log.files = [:]
    try log.publish(upTo: 300)
    try log.publish(upTo: 600)
  },
  Tampering(name: "a later version", verdict: .intact) { log in
    log.entries[599] = Array(#"{"idx":599,"new":[],"v":2}"#.utf8)
    log.files = [:]
    try log.publish(upTo: 300)
    try log.publish(upTo: 600)
  },
  Tampering(name: "checkpoint emptied", verdict: .unreadable) { log in
    log.files["checkpoint"] = []
  },
  Tampering(name: "everything gone", verdict: .unreadable) { log in log.files = [:] },
]

@Suite struct LogVerifierTests {
  private static let sample = Result { try SampleLog(600, publishedAt: [300, 600]) }

  @Test(arguments: tamperings) func tamperingIsNamed(_ tampering: Tampering) async throws {
    var log = try Self.sample.get()
    let anchor = try #require(log.heads[300])
    try tampering.apply(&log)
    let report = try await LogVerifier(key: log.key, anchors: [anchor]).verify(log)
    let said = "\(report.findings)"
    #expect(report.verdict == tampering.verdict, "\(said)")
    if let kind = tampering.kind { #expect(report.findings.first?.kind == kind, "\(said)") }
    if let index = tampering.index { #expect(report.findings.first?.index == index, "\(said)") }
    if report.verdict == .intact { #expect(report.findings.isEmpty && report.anchoredSize == 300) }
    if report.verdict == .forked { #expect(report.evidence.count == 2) }
    #expect(report.sentence.hasSuffix("."))
  }

  @Test func withoutAKeyOrAnAnchorNothingIsIntact() async throws {
    let log = try SampleLog(300, publishedAt: [10, 300])
    let head = try #require(log.heads[300])
    #expect(try await LogVerifier(key: nil).verify(log).verdict == .unanchored)
    #expect(try await LogVerifier(key: nil, anchors: [head]).verify(log).verdict == .unanchored)
    #expect(try await LogVerifier(key: log.key).verify(log).verdict == .unanchored)
    let report = try await LogVerifier(key: log.key, anchors: [head]).verify(log)
    #expect(report.verdict == .intact)
    #expect(report.unanchoredTail == 0 && report.anchoredSize == 300)
    #expect(report.anchoredTime == report.lastTime)
  }

  @Test func anOldLogIsStaleWhenAMaximumAgeIsGiven() async throws {
    let log = try SampleLog(3, publishedAt: [3])
    let head = try #require(log.heads[3])
    var verifier = try LogVerifier(key: log.key, anchors: [head])
    let last: Int64 = 1_795_188_000_123 + 2000
    verifier.maximumAge = (60_000, Timestamp(milliseconds: last + 60_000))
    #expect(try await verifier.verify(log).verdict == .intact)
    verifier.maximumAge = (60_000, Timestamp(milliseconds: last + 60_001))
    #expect(try await verifier.verify(log).verdict == .stale)
  }

  @Test func anAnchorOfAnotherKeyIsTheCallersMistake() async throws {
    let log = try SampleLog(3, publishedAt: [3])
    let other = try SampleLog.head(log.entries, seed: "other")
    #expect(throws: AuditError.self) { _ = try LogVerifier(key: log.key, anchors: [other]) }
    #expect(throws: AuditError.self) { _ = try LogVerifier(key: log.key, anchors: [[1, 2]]) }
  }

  /// A folder whose newest head changes while it is read, as a running writer's does.
  private final class MovingLog: LogFolderReader, @unchecked Sendable {
    private let lock = NSLock()
    private var states: [SampleLog]
    init(_ states: [SampleLog]) { self.states = states }

    func read(_ path: String, from offset: Int64, count: Int) throws -> [UInt8]? {
      lock.lock()
      defer { lock.unlock() }
      defer { if path.hasPrefix("checkpoint"), states.count > 1 { states.removeFirst() } }
      return try states[0].read(path, from: offset, count: count)
    }

    func list(_ folder: String) throws -> [LogFolderItem]? {
      lock.lock()
      defer { lock.unlock() }
      return try states[0].list(folder)
    }
  }

  @Test func aLogThatGrowsMeanwhileIsReadAgain() async throws {
    let states = try [20, 25, 31, 300].map { try SampleLog(300, publishedAt: [$0]) }
    let report = try await LogVerifier(key: states[0].key).verify(MovingLog(states))
    #expect(report.verdict == .unanchored, "\(report.findings)")
    #expect(report.size == 300)
  }

  /// What an attacker may claim costs the verifier little, whether or not there is a key.
  @Test(.timeLimit(.minutes(30)), arguments: [1 << 40, 1 << 60, 1 << 62, Int64.max])
  func headsOfImpossibleSizesEnd(size: Int64) async throws {
    var log = try Self.sample.get()
    let checkpoint = try demand(
      Checkpoint(origin: SampleLog.origin, size: size, root: SHA256.hash([1])))
    log.files["checkpoint"] = try SampleLog.signer().sign(checkpoint).encoded
    log.files["checkpoints/2026-11"] = nil
    for key in [nil, log.key] {
      let report = try await LogVerifier(key: key).verify(log)
      let expected: Verdict = size < 1 << 61 ? .truncated : .unauthentic
      #expect(report.verdict == expected, "\(report.findings)")
    }
  }

  /// Folders of changed bytes: always an answer, never intact when a covered byte changed.
  @Test func changedFoldersAlwaysHaveAVerdict() async throws {
    let log = try SampleLog(40, publishedAt: [12, 40])
    let verifier = try LogVerifier(key: log.key, anchors: [try #require(log.heads[12])])
    var dice = Dice(seed: 5)
    let paths = log.files.keys.sorted()
    for _ in 0..<Mutation.rounds(otherwise: 300) {
      var damaged = log
      let path = try #require(paths.randomElement(using: &dice))
      damaged.files[path] = Mutation.change(log.files[path] ?? [], with: &dice)
      guard damaged.files[path] != log.files[path] else { continue }
      let verdict = try await verifier.verify(damaged).verdict
      #expect(verdict != .intact && verdict != .verifierFault, "\(path)")
    }
  }

  @Test func progressReachesTheEnd() async throws {
    let log = try SampleLog(600, publishedAt: [600])
    let seen = Mutex()
    _ = try await LogVerifier(key: log.key).verify(log) { seen.set($0.entries) }
    #expect(seen.value == 600)
  }

  private final class Mutex: @unchecked Sendable {
    private let lock = NSLock()
    private var last: Int64 = 0
    var value: Int64 { lock.withLock { last } }
    func set(_ value: Int64) { lock.withLock { last = value } }
  }
}
