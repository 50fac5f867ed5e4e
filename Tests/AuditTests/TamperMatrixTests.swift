import Audit
import Foundation
import Testing

/// Every byte of every file changed, every file removed, emptied and cut, each on its own.
@Suite struct TamperMatrixTests {
  private static let log = Result { try SampleLog(7, publishedAt: [3, 7]) }

  /// The verdicts that damage to a file may have; the first is that of a changed byte.
  private static func allowed(_ path: String) -> Set<Verdict> {
    if path == "checkpoint" { return [.unauthentic, .unreadable] }
    if path.hasPrefix("checkpoints/") { return [.altered, .unauthentic] }
    if path.hasPrefix("tile/entries/000.p/7") { return [.altered, .truncated] }
    return [.altered]
  }

  @Test func everyChangedByteIsFound() async throws {
    let log = try Self.log.get()
    let verifier = try LogVerifier(key: log.key, anchors: [try #require(log.heads[3])])
    #expect(try await verifier.verify(log).verdict == .intact)
    var changes = 0
    for (path, bytes) in log.files {
      for place in bytes.indices {
        var damaged = log
        damaged.files[path]?[place] ^= 1 << UInt8(place % 8)
        let report = try await verifier.verify(damaged)
        #expect(
          Self.allowed(path).contains(report.verdict),
          "byte \(place) of \(path): \(report.verdict) \(report.findings)")
        // A changed entry is named to the index, whichever byte of it changed.
        if path == "tile/entries/000.p/7", report.findings.first?.kind == .edited {
          let index = try Self.index(ofByte: place, in: log.entries)
          #expect(report.findings.first?.index == index, "byte \(place): \(report.findings)")
        }
        changes += 1
      }
    }
    print("tamper matrix: \(changes) changed bytes, each found")
  }

  @Test func everyMissingEmptyAndCutFileIsFound() async throws {
    let log = try Self.log.get()
    let verifier = try LogVerifier(key: log.key, anchors: [try #require(log.heads[3])])
    // A writer may remove partial files that wider ones replaced, and there is a note for no history.
    let replaced = ["tile/0/000.p/3", "tile/entries/000.p/3"]
    for (path, bytes) in log.files {
      var damaged = log
      damaged.files[path] = nil
      var report = try await verifier.verify(damaged)
      if replaced.contains(path) {
        #expect(report.verdict == .intact)
      } else if path.hasPrefix("checkpoints/") {
        #expect(report.verdict == .intact && !report.notes.isEmpty)
      } else {
        #expect(report.verdict != .intact, "\(path) removed: \(report.findings)")
      }
      for length in [0, 1, bytes.count / 2, bytes.count - 1] {
        damaged.files[path] = Array(bytes.prefix(length))
        report = try await verifier.verify(damaged)
        #expect(
          Self.allowed(path).contains(report.verdict),
          "\(path) cut to \(length): \(report.verdict) \(report.findings)")
      }
    }
  }

  /// A log of 24 entries and three epochs that another program made.
  private static func epochs() throws -> (folder: MemoryLog, verifier: LogVerifier) {
    let vectors = try KeyringVectors.loaded.get()
    return (try vectors.folder(), try vectors.verifier(root: vectors.rootVkey))
  }

  private static func allowedInEpochs(_ path: String) -> Set<Verdict> {
    switch path {
    // A line that names a later epoch is one of a keyring that lacks it.
    case "checkpoint": [.unauthentic, .altered]
    case "keyring", "checkpoints/2026-11": [.altered, .unauthentic]
    case _ where path.hasPrefix("tile/entries/"): [.altered, .truncated]
    default: [.altered]
    }
  }

  /// Each bit of every file: head, history and keyring of a log with epochs, tiles and bundle of the
  /// same log without; there the other files would only be checked anew each time.
  @Test(.timeLimit(.minutes(60)), arguments: [true, false])
  func everyChangedBitIsFound(hasEpochs: Bool) async throws {
    var (log, verifier) = try Self.epochs()
    if !hasEpochs {
      for path in log.files.keys where !path.hasPrefix("tile/") { log.files[path] = nil }
      log.files["checkpoint"] = Array(try KeyringVectors.loaded.get().bare.utf8)
      verifier.rootKey = nil
    }
    let (whole, checker) = (log, verifier)
    #expect(try await checker.verify(whole).verdict == .intact)
    let paths = log.files.keys.filter { $0.hasPrefix("tile/") != hasEpochs }
    let (count, missed) = try await Self.turnEachBit(of: paths.sorted(), in: whole) { log in
      try await checker.verify(log)
    }
    #expect(missed.isEmpty, "\(missed.prefix(5))")
    let what = hasEpochs ? "head, history and keyring" : "entries and tiles"
    print(": \(count) changed bits of \(what), \(count - missed.count) named")
  }

  /// The same of 300 entries, for half a day; `CALLVAULT_TORTURE=97` turns each 97th bit.
  @Test(.enabled(if: ProcessInfo.processInfo.environment["CALLVAULT_TORTURE"] != nil))
  func everyChangedBitOfManyEntriesIsFound() async throws {
    var sample = try SampleLog(300, publishedAt: [300])
    sample.files["checkpoints/2026-11"] = nil
    var verifier = try LogVerifier(key: sample.key, anchors: [try demand(sample.heads[300])])
    verifier.workers = 1
    let (checker, paths) = (verifier, sample.files.keys.filter { $0.hasPrefix("tile/") })
    let (count, missed) = try await Self.turnEachBit(
      of: paths.sorted(), in: MemoryLog(files: sample.files),
      step: Int(ProcessInfo.processInfo.environment["CALLVAULT_TORTURE"] ?? "") ?? 1
    ) { log in try await checker.verify(log) }
    #expect(missed.isEmpty, "\(missed.prefix(5))")
    print(": \(count) changed bits of 300 entries, \(count - missed.count) named")
  }

  /// Returns how many bits were turned, and those of which no verdict that the file may have came.
  private static func turnEachBit(
    of paths: [String], in log: MemoryLog, step: Int = 1,
    verdict: @escaping @Sendable (MemoryLog) async throws -> LogReport
  ) async throws -> (count: Int, missed: [String]) {
    let places = paths.flatMap { path in
      (0..<(log.files[path] ?? []).count * 8).map { (path: path, bit: $0) }
    }
    let lanes = 2 * step
    return try await withThrowingTaskGroup(of: [String].self) { group in
      for lane in stride(from: 0, to: lanes, by: step) {
        group.addTask {
          var missed: [String] = []
          for number in stride(from: lane, to: places.count, by: lanes) {
            let (path, bit) = places[number]
            var damaged = log
            damaged.files[path]?[bit / 8] ^= 1 << UInt8(bit % 8)
            let report = try await verdict(damaged)
            if !allowedInEpochs(path).contains(report.verdict) {
              missed.append("bit \(bit) of \(path): \(report.verdict) \(report.findings)")
            }
          }
          return missed
        }
      }
      return ((places.count + step - 1) / step, try await group.reduce(into: []) { $0 += $1 })
    }
  }

  /// Entries dropped, doubled and swapped, files taken away and replaced by those of an older log.
  @Test func everyMovedEntryAndEveryOldFileIsNamed() async throws {
    let (log, verifier) = try Self.epochs()
    let path = "tile/entries/000.p/24"
    let entries = try EntryBundle.parse(try demand(log.files[path]), count: 24)
    var count = 0
    func check(
      _ changed: [[UInt8]], _ verdict: Verdict, _ kind: LogReport.Finding.Kind?, at index: Int,
      _ what: String
    ) async throws {
      var damaged = log
      damaged.files[path] = try EntryBundle.encode(changed)
      let report = try await verifier.verify(damaged)
      let worst = report.findings.first
      #expect(
        report.verdict == verdict && worst?.kind == kind && worst?.index == Int64(index),
        "\(what) \(index): \(report.findings)")
      count += 1
    }
    for index in entries.indices {
      var changed = entries
      changed.remove(at: index)
      let isLast = index == entries.count - 1
      try await check(
        changed, isLast ? .truncated : .altered, isLast ? nil : .removed, at: index, "dropped")
      changed = entries
      changed.insert(entries[index], at: index)
      try await check(changed, .altered, .inserted, at: index + 1, "doubled")
      guard !isLast else { continue }
      changed = entries
      changed.swapAt(index, index + 1)
      try await check(changed, .altered, .reordered, at: index, "swapped")
    }
    // What an older state of this log had under the same names.
    let older: [String: ([UInt8]) -> [UInt8]] = [
      "keyring": { bytes in
        let text = String(decoding: bytes, as: UTF8.self)
        let end = text.range(of: "\ncallvault/epoch/v1", options: .backwards)
        return end.map { Array(text[..<$0.lowerBound].utf8) } ?? []
      },
      "checkpoints/2026-11": { bytes in
        Array(bytes[..<(2 + Int(bytes[0]) * 256 + Int(bytes[1]))])
      },
      path: { _ in (try? EntryBundle.encode(entries[..<12])) ?? [] },
      "tile/0/000.p/24": { Array($0.prefix(12 * 32)) },
    ]
    let expected: [String: Set<Verdict>] = [
      "keyring": [.altered], "checkpoints/2026-11": [.altered], path: [.truncated],
      "tile/0/000.p/24": [.altered],
    ]
    for (name, old) in older {
      var damaged = log
      damaged.files[name] = old(try demand(log.files[name]))
      let report = try await verifier.verify(damaged)
      #expect(expected[name]?.contains(report.verdict) == true, "\(name): \(report.findings)")
      count += 1
    }
    let removed: [String: Verdict] = [
      "keyring": .unauthentic, "checkpoint": .unreadable, path: .truncated,
      "tile/0/000.p/24": .altered,
    ]
    for (name, verdict) in removed {
      var damaged = log
      damaged.files[name] = nil
      let report = try await verifier.verify(damaged)
      #expect(report.verdict == verdict, "\(name) removed: \(report.findings)")
      count += 1
    }
    print(": \(count) moved entries and old files, each named")
  }

  /// The entry that byte `place` of the bundle belongs to, its length included.
  private static func index(ofByte place: Int, in entries: [[UInt8]]) throws -> Int64 {
    var end = 0
    for (index, entry) in entries.enumerated() {
      end += 2 + entry.count
      if place < end { return Int64(index) }
    }
    throw Mismatch()
  }
}
