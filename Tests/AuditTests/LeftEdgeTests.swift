import Audit
import Foundation
import Synchronization
import Testing

/// Checks that begin in the middle: from a head, where an earlier run ended, above what was pruned.
@Suite struct LeftEdgeTests {
  private static let log = Result { try SampleLog(1000, publishedAt: [300, 600, 1000]) }

  private func verifier(_ log: SampleLog, from size: Int64) throws -> LogVerifier {
    try LogVerifier(key: log.key, from: try demand(log.heads[size]))
  }

  @Test func whatLiesBelowTheGivenHeadIsNotRead() async throws {
    var log = try Self.log.get()
    let verifier = try verifier(log, from: 600)
    for path in ["tile/entries/000", "tile/entries/001", "tile/0/000", "tile/0/001"] {
      log.files[path] = nil
    }
    let report = try await verifier.verify(log)
    #expect(report.verdict == .intact, "\(report.findings)")
    #expect(report.anchoredSize == 1000 || report.anchoredSize == 600)
    #expect(report.notes.contains { $0.contains("entries below 512 were not looked at") })
    // What is looked at is looked at as ever.
    for path in ["tile/entries/003.p/232", "tile/entries/002", "tile/1/000.p/3"] {
      var damaged = log
      damaged.files[path]?[90] ^= 1
      #expect(try await verifier.verify(damaged).verdict == .altered, "\(path)")
    }
    log.files["tile/1/000.p/3"] = nil
    #expect(try await verifier.verify(log).findings.first?.kind == .removed)
  }

  @Test func anotherHistoryBelowTheGivenHeadIsAFork() async throws {
    let log = try Self.log.get()
    let other = try SampleLog(600, publishedAt: [600], seed: "other")
    let note = try SampleLog.head(Array(other.entries), seed: "sample")
    let report = try await LogVerifier(key: log.key, from: note).verify(log)
    #expect(report.verdict == .forked, "\(report.findings)")
    #expect(report.evidence.count == 2)
  }

  @Test func aRunGoesOnWhereAnotherEnded() async throws {
    var log = try Self.log.get()
    let parts = Mutex<[VerifiedPart]>([])
    _ = try await LogVerifier(key: log.key).verify(log) { progress in
      if let part = progress.verified { parts.withLock { $0.append(part) } }
    }
    let last = try #require(parts.withLock { $0.last })
    #expect(last.entries == 1000)
    let part = try VerifiedPart(parsing: last.encoded)
    #expect(part == last)
    let verifier = try LogVerifier(key: log.key, earlierRun: part)
    for path in ["tile/entries/000", "tile/entries/001", "tile/entries/002", "tile/0/000"] {
      log.files[path] = nil
    }
    let report = try await verifier.verify(log)
    #expect(report.verdict == .intact, "\(report.findings)")
    // Another log under the same key is not what was verified.
    let other = try SampleLog(1000, publishedAt: [1000], seed: "other")
    var changed = log
    changed.files = other.files
    changed.files["checkpoint"] = try SampleLog.head(other.entries, seed: "sample")
    changed.files["checkpoints/2026-11"] = nil
    #expect(try await verifier.verify(changed).verdict == .forked)
  }

  /// What cannot be read is said to be so, also where it was there when the check began.
  @Test func aMinimumIndexThatCannotBeReadIsNotAbsent() async throws {
    final class Unreadable: LogFolderReader {
      struct Fault: Error {}
      let log: SampleLog
      /// Readings of `minimum` that succeed.
      let sound: Int
      let readings = Mutex(0)

      init(log: SampleLog, sound: Int) {
        self.log = log
        self.sound = sound
      }

      func read(_ path: String, from offset: Int64, count: Int) throws -> [UInt8]? {
        if path == "minimum" {
          let reading = readings.withLock { count in
            count += 1
            return count
          }
          if reading > sound { throw Fault() }
        }
        return try log.read(path, from: offset, count: count)
      }

      func list(_ folder: String) throws -> [LogFolderItem]? { try log.list(folder) }
    }
    let log = try Self.log.get()
    let verifier = try LogVerifier(key: log.key, anchors: [try demand(log.heads[1000])])
    var report = try await verifier.verify(Unreadable(log: log, sound: 0))
    #expect(report.verdict == .unreadable && report.findings.first?.path == "minimum")
    // Gone while something else was found: the check does not begin again as if nothing were pruned.
    var damaged = log
    damaged.files["tile/entries/000"] = nil
    report = try await verifier.verify(Unreadable(log: damaged, sound: 1))
    #expect(report.findings.contains { $0.path == "minimum" && $0.verdict == .unreadable })
  }

  @Test func aMinimumIndexMustBeSignedAndAnnounced() async throws {
    var log = try Self.log.get()
    let verifier = try LogVerifier(key: log.key, anchors: [try demand(log.heads[1000])])
    func minimum(_ index: Int64, _ announced: Int64, seed: String = "sample") throws -> [UInt8] {
      let text = "callvault/minimum/v1\n\(SampleLog.origin)\n\(index)\n\(announced)\n"
      return try SampleLog.signer(seed).sign(Array(text.utf8)).encoded
    }
    for path in ["tile/entries/000", "tile/0/000"] { log.files[path] = nil }
    #expect(try await verifier.verify(log).verdict == .altered)
    // Entry 700 is no `log.prune`.
    log.files["minimum"] = try minimum(256, 700)
    var report = try await verifier.verify(log)
    #expect(report.verdict == .unauthentic && report.findings.first?.index == 700)
    #expect(report.notes.contains { $0.hasPrefix("pruned") })
    for (bytes, verdict) in [
      (try minimum(256, 700, seed: "other"), Verdict.unauthentic),
      (try minimum(255, 700), .altered), (try minimum(1024, 1024), .altered),
      (Array("callvault\n".utf8), .altered),
    ] {
      log.files["minimum"] = bytes
      report = try await verifier.verify(log)
      #expect(report.findings.contains { $0.path == "minimum" && $0.verdict == verdict })
    }
  }
}
