import Adapters
import Audit
import Cryptography
import Durable
import Encoding
import FaultInjection
import Foundation
import Glibc
import Testing
import Threading

@testable import Intake
@testable import Vault

/// A folder that a test drops files into, and what takes them from there.
private final class Drop: Sendable {
  let practice: Practice
  let path: String

  init(_ practice: Practice) throws {
    self.practice = practice
    path = practice.folder.appending(path: "drop-\(Identifier.random())").path
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
  }

  init(_ practice: Practice, sameAs other: Drop) {
    self.practice = practice
    path = other.path
  }

  func intake(
    settle: Duration = .zero, sidecar: IntakeRules.SidecarUse = .optional,
    recursive: Bool = false, limit: Int64 = 1 << 20,
    on calls: any DirectoryCalls = PatientCalls()
  ) throws -> Intake {
    let zone = try Data(contentsOf: URL(filePath: "/usr/share/zoneinfo/America/Detroit"))
    return Intake(
      Intake.Configuration(
        source: "3cx", location: nil,
        rules: IntakeRules(settle: settle, sidecar: sidecar, recordingLimit: limit),
        zone: try #require(TimeZoneRules(parsing: Array(zone))), rescan: .milliseconds(200)),
      vault: practice.vault,
      folder: try LocalDropFolder(
        path, isRecursive: recursive, quarantine: path + "/.quarantine", on: calls))
  }

  /// Looks once, by a new intake.
  @discardableResult
  func look(
    recursive: Bool = false, limit: Int64 = 1 << 20,
    on calls: any DirectoryCalls = PatientCalls()
  ) async throws -> IntakeFacts {
    let intake = try intake(recursive: recursive, limit: limit, on: calls)
    await intake.look()
    return intake.status
  }

  func write(_ name: String, _ bytes: [UInt8]) throws {
    try Data(bytes).write(to: URL(filePath: path + "/" + name))
  }

  /// What lies in the folder, without quarantine.
  var names: [String] {
    get throws {
      try FileManager.default.subpathsOfDirectory(atPath: path)
        .filter { !$0.hasPrefix(".quarantine") }.sorted()
    }
  }

  /// Reasons of quarantine by the name of the file.
  var quarantined: [String: String] {
    get throws {
      let shelf = path + "/.quarantine"
      guard FileManager.default.fileExists(atPath: shelf) else { return [:] }
      var found: [String: String] = [:]
      for item in try FileManager.default.contentsOfDirectory(atPath: shelf)
      where !item.hasSuffix(".json") {
        let bytes = try Data(contentsOf: URL(filePath: "\(shelf)/\(item).json"))
        let reason = try #require(
          try JSONValue(parsing: Array(bytes)).object?["reason"]?.string)
        for name in try FileManager.default.contentsOfDirectory(atPath: shelf + "/" + item) {
          #expect(found[name] == nil, "\(name) lies in quarantine twice")
          found[name] = reason
        }
      }
      return found
    }
  }

  /// Every call with its details and the bytes of its recordings.
  func stored() async throws -> [(call: CallSummary, recordings: [[UInt8]])] {
    let officer = try await practice.caller(.privacyOfficer)
    var all: [(call: CallSummary, recordings: [[UInt8]])] = []
    for call in try await practice.vault.findCalls(
      CallSearch(limit: 100), as: officer, purpose: .treatment
    ).calls {
      let facts = try await practice.vault.call(call.call, as: officer, purpose: .treatment)
      var recordings: [[UInt8]] = []
      for recording in facts.recordings {
        recordings.append(try await practice.read(recording.recording, as: officer))
      }
      all.append((facts.summary, recordings))
    }
    return all
  }
}

/// `Documentation/formats/intake.md` sections 4 and 5, with real folders and a real vault.
@Suite("Watched folders")
struct WatchedFolderTests {
  static let name = "[27836826436]_27836826436-100_20190211124743(3).wav"

  static func sound(_ seed: UInt8, count: Int = 70_000) -> [UInt8] {
    Array("RIFF....WAVE".utf8) + (0..<count).map { UInt8(truncatingIfNeeded: $0) ^ seed }
  }

  @Test func aRecordingIsSealedAndItsFileGoes() async throws {
    let practice = try await Practice.new()
    let drop = try Drop(practice)
    try drop.write(Self.name, Self.sound(1))
    let entries = try await practice.entriesOf {
      try await drop.look()
    }
    #expect(try drop.names == [])
    let stored = try await drop.stored()
    #expect(stored.count == 1)
    let call = try #require(stored.first)
    #expect(call.recordings == [Self.sound(1)])
    #expect(call.call.source == "3cx")
    #expect(call.call.started.description == "2019-02-11T12:47:43-05:00")
    #expect(call.call.direction == .inbound)
    #expect(call.call.callExtension == "100")
    #expect(call.call.details?.sourceID == Self.name)
    #expect(call.call.details?.from == "27836826436")
    // An identity of its own: introduced, signed in, and the actor of everything after.
    #expect(
      entries.map { $0.action } == [
        .personCreated, .authSignIn, .callCreated, .recordingStored, .recordingStored,
      ])
    let identity = try #require(entries[0].objects.first)
    #expect(entries[0].actor.kind == .system)
    for entry in entries.dropFirst() {
      #expect(entry.actor.id == identity)
      #expect(entry.actor.kind == .service && entry.actor.role == .service)
      #expect(entry.actor.method == .internal)
    }
  }

  @Test func aSidecarSaysMore() async throws {
    let practice = try await Practice.new()
    let drop = try Drop(practice)
    let digest = SHA256.hash(Self.sound(2)).hex
    try drop.write("a call.wav", Self.sound(2))
    try drop.write(
      "a call.wav.json",
      Array(
        """
        {"v":1,"source_id":"x1","started":"2026-11-20T09:30:00-05:00","from":"+13135550142",
        "agent":"Dana Reyes","direction":"outbound","sha256":"\(digest)"}
        """.utf8))
    try await drop.look()
    #expect(try drop.names == [])
    let call = try #require(try await drop.stored().first)
    #expect(call.recordings == [Self.sound(2)])
    #expect(call.call.details?.sourceID == "x1")
    #expect(call.call.details?.agent == "Dana Reyes")
    #expect(call.call.direction == .outbound)
  }

  @Test func whatCannotBeUnderstoodIsPutAside() async throws {
    let practice = try await Practice.new()
    let drop = try Drop(practice)
    let good = Self.sound(3)
    try drop.write("holiday.wav", good)
    try drop.write("[]_100-200_20260230120918(2).wav", good)
    try drop.write("[]_100-201_20260219120918(2).wav", Array("not a sound at all".utf8))
    try drop.write("[]_100-202_20260219120918(2).wav", [])
    try drop.write("[]_100-203_20260219120918(2).wav", good)
    try drop.write("[]_100-203_20260219120918(2).wav.json", Array("{".utf8))
    try drop.write("[]_100-204_20260219120918(2).wav", good)
    let wrong = String(repeating: "00", count: 32)
    try drop.write(
      "[]_100-204_20260219120918(2).wav.json", Array("{\"v\":1,\"sha256\":\"\(wrong)\"}".utf8))
    try drop.write("[]_100-205_20260219120918(2).wav", good)
    let long = String(repeating: "x", count: 300)
    try drop.write(
      "[]_100-205_20260219120918(2).wav.json", Array("{\"v\":1,\"agent\":\"\(long)\"}".utf8))
    try drop.write("[]_100-206_20260219120918(2).wav", good + [UInt8](repeating: 0, count: 1 << 20))
    try drop.write("line\nend.wav", good)
    let longest = String(repeating: "n", count: 255)
    try drop.write(longest, good)
    try FileManager.default.createSymbolicLink(
      atPath: drop.path + "/link.wav", withDestinationPath: "/etc/passwd")
    #expect(unsafe mkfifo(drop.path + "/pipe.wav", 0o600) == 0)
    try drop.write("linked.wav", good)
    try FileManager.default.linkItem(
      atPath: drop.path + "/linked.wav", toPath: practice.folder.path + "/elsewhere")
    let facts = try await drop.look()
    #expect(facts.taken == 0)
    #expect(facts.trouble == nil)
    #expect(try drop.names == [])
    let expected = [
      "holiday.wav": "name-not-understood",
      "[]_100-200_20260230120918(2).wav": "name-not-understood",
      "[]_100-201_20260219120918(2).wav": "not-audio",
      "[]_100-202_20260219120918(2).wav": "empty",
      "[]_100-203_20260219120918(2).wav": "sidecar-not-understood",
      "[]_100-203_20260219120918(2).wav.json": "sidecar-not-understood",
      "[]_100-204_20260219120918(2).wav": "digest-differs",
      "[]_100-204_20260219120918(2).wav.json": "digest-differs",
      "[]_100-205_20260219120918(2).wav": "details-refused",
      "[]_100-205_20260219120918(2).wav.json": "details-refused",
      "[]_100-206_20260219120918(2).wav": "too-large",
      "line\nend.wav": "name-not-text", longest: "name-not-understood",
      "link.wav": "not-a-file", "pipe.wav": "not-a-file", "linked.wav": "has-another-name",
    ]
    #expect(try drop.quarantined == expected)
    #expect(facts.lyingInQuarantine == 13)
    let asides = try await practice.entries().filter { $0.action == .intakeQuarantined }
    #expect(asides.filter { $0.phase == .intent }.count == 13)
    #expect(asides.filter { $0.outcome == .success }.count == 13)
    #expect(try await drop.stored().allSatisfy { $0.recordings.isEmpty })
  }

  @Test func whatWasStoredBeforeIsRecognised() async throws {
    let practice = try await Practice.new()
    let drop = try Drop(practice)
    try drop.write(Self.name, Self.sound(4))
    try await drop.look()
    // As after a crash between the receipt and the removal.
    try drop.write(Self.name, Self.sound(4))
    #expect(try await drop.look().recognised == 1)
    #expect(try drop.names == [])
    #expect(try await drop.stored().map(\.recordings) == [[Self.sound(4)]])
    // The same name with other bytes is another recording of the same call.
    try drop.write(Self.name, Self.sound(5))
    #expect(try await drop.look().taken == 1)
    #expect(try await drop.stored().map(\.recordings) == [[Self.sound(4), Self.sound(5)]])
  }

  @Test func foldersWithin() async throws {
    let practice = try await Practice.new()
    let drop = try Drop(practice)
    for folder in ["100", "101", ".hidden", "a/b/c/d/e"] {
      try FileManager.default.createDirectory(
        atPath: drop.path + "/" + folder, withIntermediateDirectories: true)
      try drop.write(folder + "/" + Self.name, Self.sound(6))
    }
    try FileManager.default.createSymbolicLink(
      atPath: drop.path + "/way", withDestinationPath: drop.path + "/.hidden")
    try drop.write(".unfinished.wav", Self.sound(6))
    #expect(try await drop.look().taken == 0, "folders are not entered unasked")
    let facts = try await drop.look(recursive: true)
    #expect(facts.taken + facts.recognised == 2)
    #expect(try await drop.stored().map(\.recordings) == [[Self.sound(6)]])
    #expect(try drop.quarantined == ["way": "not-a-file"])
    #expect(
      try drop.names.filter { $0.hasSuffix(".wav") } == [
        ".hidden/" + Self.name, ".unfinished.wav", "a/b/c/d/e/" + Self.name,
      ])
  }

  @Test func whatIsBeingWrittenIsLeft() async throws {
    let practice = try await Practice.new()
    let drop = try Drop(practice)
    try drop.write(Self.name, Self.sound(7))
    let writer = try #require(FileHandle(forWritingAtPath: drop.path + "/" + Self.name))
    try writer.seekToEnd()
    #expect(try await drop.look(on: LinuxDirectoryCalls()).taken == 0)
    #expect(try drop.names == [Self.name])
    try writer.write(contentsOf: Data([1, 2, 3]))
    try writer.close()
    #expect(try await drop.look().taken == 1)
    #expect(try await drop.stored().map(\.recordings) == [[Self.sound(7) + [1, 2, 3]]])
  }

  @Test func whatChangesWhileItIsReadIsNotStored() async throws {
    let practice = try await Practice.new()
    let drop = try Drop(practice)
    try drop.write(Self.name, Self.sound(8))
    let file = drop.path + "/" + Self.name
    for meddling in [
      Meddling { try? FileManager.default.removeItem(atPath: file) },
      Meddling { try? Data([1]).write(to: URL(filePath: file)) },
      Meddling {
        try? FileManager.default.setAttributes(
          [.modificationDate: Date(timeIntervalSince1970: 0)], ofItemAtPath: file)
      },
    ] {
      try drop.write(Self.name, Self.sound(8))
      #expect(try await drop.look(on: PatientCalls(meddling)).taken == 0)
      #expect(meddling.hasMeddled)
    }
    #expect(try await drop.stored().allSatisfy { $0.recordings.isEmpty })
  }

  @Test func aFolderThatIsNotThereIsWaitedFor() async throws {
    let practice = try await Practice.new()
    let drop = try Drop(practice)
    try FileManager.default.removeItem(atPath: drop.path)
    let intake = try drop.intake()
    await intake.look()
    #expect(intake.status.trouble != nil)
    try FileManager.default.createDirectory(atPath: drop.path, withIntermediateDirectories: false)
    try drop.write(Self.name, Self.sound(9))
    await intake.look()
    #expect(intake.status.trouble == nil)
    #expect(intake.status.taken == 1)
  }

  @Test(.timeLimit(.minutes(30))) func filesAreTakenAsTheyCome() async throws {
    let practice = try await Practice.new()
    let drop = try Drop(practice)
    // It looks again until a file is nobody's, so it needs no patience.
    let intake = try drop.intake(
      settle: .milliseconds(100), recursive: true, on: LinuxDirectoryCalls())
    let running = Task { await intake.run() }
    for number in 0..<5 {
      // By rename, as transfer programs do, into a folder that was not there.
      let folder = "/10\(number)"
      try FileManager.default.createDirectory(
        atPath: drop.path + folder, withIntermediateDirectories: false)
      try drop.write(".partial", Self.sound(UInt8(number)))
      try FileManager.default.moveItem(
        atPath: drop.path + "/.partial",
        toPath: drop.path + folder + "/[]_10\(number)-911_20260219120918(\(number)).wav")
    }
    // In pieces, with pauses shorter than what settles; open before it is found, or it might be taken
    // for an empty one.
    try drop.write(".partial", [])
    let writer = try #require(FileHandle(forWritingAtPath: drop.path + "/.partial"))
    try FileManager.default.moveItem(
      atPath: drop.path + "/.partial", toPath: drop.path + "/" + Self.name)
    for piece in 0..<10 {
      try writer.write(contentsOf: Data(Self.sound(99)[(piece * 7000)..<(piece + 1) * 7000]))
      try await Task.sleep(for: .milliseconds(30))
    }
    try writer.write(contentsOf: Data(Self.sound(99)[70_000...]))
    try writer.close()
    while intake.status.taken < 6 { try await Task.sleep(for: .milliseconds(20)) }
    running.cancel()
    await running.value
    #expect(try drop.names.filter { $0.hasSuffix(".wav") } == [])
    let recordings = try await drop.stored().map(\.recordings)
    #expect(Set(recordings) == Set(([0, 1, 2, 3, 4, 99] as [UInt8]).map { [Self.sound($0)] }))
  }

  @Test func aStopLeavesTheFile() async throws {
    let practice = try await Practice.new()
    let drop = try Drop(practice)
    try drop.write(Self.name, Self.sound(10))
    let intake = try drop.intake(settle: .milliseconds(200))
    let running = Task {
      await intake.run()
    }
    running.cancel()
    await running.value
    #expect(try drop.names == [Self.name])
    #expect(intake.status.taken == 0)
    #expect(try await drop.look().taken == 1)
  }

  // MARK: Faults

  /// Three files: one with a sidecar, one alone, one that goes to quarantine.
  private static func fill(_ drop: Drop, _ seed: UInt8, number: Int = 1) throws {
    try drop.write("[]_100-0836826436_20260219120918(\(number)).wav", sound(seed))
    try drop.write("b.wav", sound(seed ^ 0x55))
    try drop.write(
      "b.wav.json",
      Array("{\"v\":1,\"source_id\":\"b\(number)\",\"started\":\"2026-11-20T09:30:00Z\"}".utf8))
    try drop.write("junk", [1, 2, 3])
  }

  /// Each call below the folder fails once, or all from there on; then a new run meets no fault.
  @Test(arguments: [(EIO, false), (EMFILE, true)])
  func everyCallFails(_ number: Int32, _ lasting: Bool) async throws {
    let practice = try await Practice.new()
    var call = 0
    while true {
      call += 1
      let calls = FailingDirectoryCalls(
        FailingFileSystem.Fault(call: call, number: number, lasting: lasting))
      let drop = try Drop(practice)
      try Self.fill(drop, 11, number: call)
      let before = try await practice.recordings().count
      let first = try await drop.look(on: PatientCalls(calls))
      let second = try await drop.look()
      #expect(second.trouble == nil)
      // Between the removals of a recording and of its sidecar a restart leaves the sidecar, for a day.
      #expect(try drop.names.allSatisfy { $0.hasSuffix("b.wav.json") }, "call \(call)")
      #expect(try drop.quarantined == ["junk": "name-not-understood"], "call \(call)")
      #expect(first.taken + second.taken == 2, "call \(call)")
      #expect(try await practice.recordings().count == before + 2, "call \(call)")
      if !calls.fired { break }
    }
    #expect(call > 30)
  }

  /// Each call below the objects fails once; then the same service meets no fault.
  @Test(arguments: [ENOSPC, EIO])
  func everyObjectCallFails(_ number: Int32) async throws {
    var call = 0
    while true {
      call += 1
      let files = FailingFileSystem(
        FailingFileSystem.Fault(call: call, number: number, tearing: true))
      let practice = try await Practice.new(objectsOn: files)
      let drop = try Drop(practice)
      try Self.fill(drop, 13)
      try await drop.look()
      // What was not stored is still there, and comes in with the next look.
      let facts = try await drop.look()
      #expect(facts.trouble == nil, "call \(call)")
      #expect(try drop.names == [], "call \(call)")
      #expect(try drop.quarantined == ["junk": "name-not-understood"], "call \(call)")
      // Beyond the last call of the intake the fault would meet the reading below.
      guard files.fired else { break }
      #expect(
        try await Set(drop.stored().map(\.recordings))
          == [[Self.sound(13)], [Self.sound(13 ^ 0x55)]], "call \(call)")
    }
    #expect(call > 10)
  }

  /// Each append to the log fails for good; then the practice starts anew.
  @Test func everyEntryFails() async throws {
    var count = 0
    while true {
      let practice = try await Practice.new()
      let drop = try Drop(practice)
      try Self.fill(drop, 12)
      practice.store.fail(after: count)
      let first = try await drop.look()
      let isWhole = first.trouble == nil
      let again = try await practice.restarted()
      let second = Drop(again, sameAs: drop)
      try await second.look()
      #expect(try second.names == [], "append \(count)")
      #expect(try second.quarantined == ["junk": "name-not-understood"])
      #expect(
        try await Set(second.stored().map(\.recordings))
          == [[Self.sound(12)], [Self.sound(12 ^ 0x55)]], "append \(count)")
      if isWhole { break }
      count += 1
    }
    #expect(count >= 6)
  }
}

extension Practice {
  /// Every recording there is.
  fileprivate func recordings() async throws -> [Identifier] {
    try await entries().filter { $0.action == .recordingStored && $0.outcome == .success }
      .compactMap { $0.objects.last }
  }
}

/// Calls that do not believe at once that a file is being written: a child that another test starts has
/// a copy of each descriptor of this process until its program begins.
private struct PatientCalls: ForwardedCalls {
  let real: any DirectoryCalls

  init(_ real: any DirectoryCalls = LinuxDirectoryCalls()) {
    self.real = real
  }

  func isBeingWritten(_ file: FileDescriptor) -> Bool? {
    for _ in 0..<6000 {
      let answer = real.isBeingWritten(file)
      guard answer == true else { return answer }
      usleep(10_000)
    }
    return true
  }
}

/// The kernel's calls, with somebody who touches the file after its second read.
private final class Meddling: ForwardedCalls {
  let real: any DirectoryCalls = LinuxDirectoryCalls()
  private let reads = Lock(0)
  private let meddle: @Sendable () -> Void

  init(_ meddle: @escaping @Sendable () -> Void) {
    self.meddle = meddle
  }

  var hasMeddled: Bool { reads.withLock { $0 >= 2 } }

  func pread(_ file: FileDescriptor, into buffer: inout MutableRawSpan, at offset: Int64)
    throws(SystemCallError) -> Int
  {
    let count = try real.pread(file, into: &buffer, at: offset)
    let turn = reads.withLock { reads in
      reads += 1
      return reads
    }
    if turn == 2 { meddle() }
    return count
  }
}
