import Audit
import Cryptography
import Drivers
import Encoding
import FaultInjection
import Foundation
import Testing

/// Two verifiers, Debian's Go packages and ours, over folders that the real writer made.
@Suite struct VerifierTests {
  /// A published log, and the head that its owner kept from when it was shorter.
  private func practice(_ count: Int) async throws -> (Harness, anchor: [UInt8]) {
    let harness = try Harness()
    let log = try await harness.open()
    _ = try await log.record(harness.draft())
    try await log.publish()
    let anchor = try #require(
      FileManager.default.contents(atPath: harness.layout.log + "/checkpoint"))
    try await withThrowingTaskGroup(of: Void.self) { group in
      for _ in 3..<count { group.addTask { _ = try await log.record(harness.draft()) } }
      try await group.waitForAll()
    }
    try await log.publish()
    return (harness, Array(anchor))
  }

  /// The files that the checkpoint covers, and so must not change by a bit.
  private func covered(_ size: Int64) -> [String] {
    ["checkpoint"] + TilePath.added(from: 0, to: size).map(\.description)
  }

  @Test(.timeLimit(.minutes(30)), arguments: [3, 300])
  func eachChangedByteIsRefusedByBoth(size: Int) async throws {
    let (harness, anchor) = try await practice(size)
    let folder = harness.layout.log
    let key = try harness.key
    let verifier = try LogVerifier(key: key, anchors: [anchor])
    let report = try await verifier.verify(LogFolder(folder))
    #expect(report.verdict == .intact, "\(report.findings)")
    #expect(report.notes.count == 1 && report.anchoredSize == 3, "\(report.notes)")
    #expect(try GoVerifier.accepts(folder, key: key))
    var changes = 0
    for path in covered(Int64(size)) {
      let url = URL(fileURLWithPath: folder + "/" + path)
      let bytes = try Data(contentsOf: url)
      // Each byte of a small log; of a larger one as many as a test may take.
      for place in stride(from: 0, to: bytes.count, by: max(1, bytes.count / 128)) {
        var damaged = bytes
        damaged[place] ^= 1 << UInt8(place % 8)
        try damaged.write(to: url)
        let verdict = try await verifier.verify(LogFolder(folder)).verdict
        #expect(verdict != .intact, "byte \(place) of \(path)")
        // The Go program trusts a tile that it can make from those below it, and its base64 does
        // not look at the two bits that the last digit of a signature has to spare.
        // Of the checkpoint it knows the line of the log's key alone.
        let end = path == "checkpoint" ? Self.startOfLastLine(bytes) : bytes.count
        let isSpare = path == "checkpoint" && place == end - 3
        if !isSpare && place < end && (!path.hasPrefix("tile/1/") || place < 32) {
          #expect(
            try !GoVerifier.accepts(folder, key: key, isExpected: false), "byte \(place) of \(path)"
          )
        }
        changes += 1
      }
      try bytes.write(to: url)
    }
    print("verify.go and LogVerifier: \(changes) changed bytes, each refused by both")
    #expect(try await verifier.verify(LogFolder(folder)).verdict == .intact)
  }

  private static func startOfLastLine(_ bytes: Data) -> Int {
    (bytes.dropLast().lastIndex(of: 0x0a) ?? -1) + 1
  }

  @Test func theLogIsVerifiedWhileItIsWritten() async throws {
    let harness = try Harness { $0.publishInterval = .milliseconds(1) }
    let log = try await harness.open()
    try await log.publish()
    let run = Task { await log.run() }
    let writers = Task {
      for _ in 0..<600 where !Task.isCancelled { _ = try await log.record(harness.draft()) }
    }
    let verifier = try LogVerifier(key: harness.key)
    var sizes: Set<Int64> = []
    while sizes.max() ?? 0 < 600 {
      let report = try await verifier.verify(LogFolder(harness.layout.log))
      #expect(report.verdict == .unanchored, "\(report.findings)")
      if report.verdict != .unanchored { break }
      sizes.insert(report.size)
    }
    writers.cancel()
    run.cancel()
    await run.value
    #expect(sizes.count > 1)
  }

  @Test func aLogThatWasRolledBackIsBehindItsAnchor() async throws {
    let harness = try Harness()
    let log = try await harness.open()
    try await log.publish()
    let copy = harness.directory.path + "/copy"
    try FileManager.default.copyItem(atPath: harness.layout.log, toPath: copy)
    _ = try await log.record(harness.draft())
    try await log.publish()
    let head = try #require(
      FileManager.default.contents(atPath: harness.layout.log + "/checkpoint"))
    let verifier = try LogVerifier(key: harness.key, anchors: [Array(head)])
    #expect(try await verifier.verify(LogFolder(copy)).verdict == .behindAnchor)
    #expect(try await verifier.verify(LogFolder(harness.layout.log)).verdict == .intact)
    #expect(try await verifier.verify(LogFolder(copy + "/nowhere")).verdict == .unreadable)
  }
}
