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

/// `Documentation/formats/intake.md` section 4: what is removed, and what one look does not come to.
@Suite("Removals and listings", .timeLimit(.minutes(30)))
struct DropFolderTests {
  private static let name = WatchedFolderTests.name
  private static let held = ".cv~" + name

  private let practice: Practice
  private let path: String

  init() async throws {
    practice = try await Practice.new()
    path = practice.folder.appending(path: "held-\(Identifier.random())").path
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
  }

  private func folder(
    on calls: any DirectoryCalls = OthersCalls(), recursive: Bool = false
  ) throws -> LocalDropFolder {
    try LocalDropFolder(path, isRecursive: recursive, quarantine: path + "/.quarantine", on: calls)
  }

  private func intake(
    settle: Duration, on calls: any DirectoryCalls = OthersCalls()
  ) throws -> Intake {
    let zone = try Data(contentsOf: URL(filePath: "/usr/share/zoneinfo/America/Detroit"))
    return Intake(
      Intake.Configuration(
        source: "3cx", location: nil,
        rules: IntakeRules(settle: settle, sidecar: .optional, recordingLimit: 1 << 20),
        zone: try #require(TimeZoneRules(parsing: Array(zone)))),
      vault: practice.vault, folder: try folder(on: calls))
  }

  private func write(_ name: String, _ bytes: [UInt8]) throws {
    try Data(bytes).write(to: URL(filePath: path + "/" + name))
  }

  /// An empty file, by as few calls as can be.
  private func drop(_ name: String) throws {
    let file = unsafe creat(path + "/" + name, 0o600)
    try #require(file >= 0)
    close(file)
  }

  private func makeFolder(_ name: String) throws {
    try FileManager.default.createDirectory(
      atPath: path + "/" + name, withIntermediateDirectories: true)
  }

  private var names: [String] {
    get throws {
      try FileManager.default.contentsOfDirectory(atPath: path)
        .filter { $0 != ".quarantine" }.sorted()
    }
  }

  /// The recordings of the only call.
  private func recordings() async throws -> [[UInt8]] {
    let officer = try await practice.caller(.privacyOfficer)
    let found = try await practice.vault.findCalls(
      CallSearch(limit: 100), as: officer, purpose: .treatment)
    #expect(found.calls.count == 1)
    let call = try #require(found.calls.first)
    let facts = try await practice.vault.call(call.call, as: officer, purpose: .treatment)
    var all: [[UInt8]] = []
    for recording in facts.recordings {
      all.append(try await practice.read(recording.recording, as: officer))
    }
    return all
  }

  /// Looks until `isDone`, as ``Intake/run()`` does, but only when told to.
  private func look(_ intake: Intake, until isDone: () throws -> Bool) async throws {
    for _ in 0..<6000 {
      await intake.look()
      if try isDone() { return }
      try await Task.sleep(for: .milliseconds(50))
    }
    throw IntakeError(.unavailable, during: "waiting for what a test expects")
  }

  /// A crash between the two steps of a removal.
  @Test func whatAnInterruptedRemovalLeftGetsItsNameBack() async throws {
    let sound = WatchedFolderTests.sound(3)
    try write(Self.name, sound)
    let sidecar = Array("{\"v\":1,\"source_id\":\"one\"}".utf8)
    try write(Self.name + ".json", sidecar)
    let before = try intake(settle: .zero)
    try await look(before) { try names.isEmpty }
    try write(Self.held, sound)
    try write(Self.name + ".json", sidecar)
    // Whoever only looks leaves it as it is: a removal may be under way.
    #expect(try await folder().survey().files.count == 1)
    #expect(try names == [Self.held, Self.name + ".json"])
    let after = try intake(settle: .zero)
    try await look(after) { try names.isEmpty }
    #expect(after.status.recognised == 1)
    #expect(try await recordings() == [sound])
  }

  /// Another file has come under the name since: neither is taken for the other, and somebody has to look.
  @Test func aNameThatIsTakenIsNotGivenBack() async throws {
    try write(Self.held, WatchedFolderTests.sound(4))
    try write(Self.name, WatchedFolderTests.sound(5))
    let listing = try await folder().list()
    #expect(listing.files.map { $0.path.name } == [Array(Self.name.utf8)])
    #expect(listing.shortfall != nil)
    #expect(try names == [Self.held, Self.name])
    try makeFolder(".cv~folder")
    #expect(try await folder().list().files.count == 1)
  }

  /// Each call below the folder fails once, or all from there on; then a new run meets no fault.
  @Test(arguments: [(EIO, false), (EMFILE, true)])
  func everyCallFails(_ number: Int32, _ lasting: Bool) async throws {
    var call = 0
    while true {
      call += 1
      let calls = FailingDirectoryCalls(
        FailingFileSystem.Fault(call: call, number: number, lasting: lasting))
      try write(Self.name, Array("RIFF....WAVE\(call)".utf8))
      let first = try intake(settle: .zero, on: OthersCalls(calls))
      await first.look()
      let second = try intake(settle: .zero)
      await second.look()
      #expect(try names == [], "call \(call)")
      #expect(first.status.taken + second.status.taken == 1, "call \(call)")
      #expect(second.status.trouble == nil, "call \(call)")
      if !calls.fired { break }
    }
    #expect(call > 15)
    #expect(try await recordings().count == call)
  }

  /// A file that comes by rename between the last look at a name and what is done with it.
  @Test func aFileThatComesAtTheLastMomentIsTaken() async throws {
    let (old, new) = (WatchedFolderTests.sound(6), WatchedFolderTests.sound(7))
    try write(Self.name, old)
    try write(".next", new)
    let calls = OthersCalls(writing: false) { [path] in
      _ = unsafe Glibc.rename(path + "/.next", path + "/" + Self.name)
    }
    let intake = try intake(settle: .zero, on: calls)
    try await look(intake) { try names.isEmpty }
    #expect(try await recordings() == [old, new])
  }

  /// A phone system that opens its file again while it is sealed, and has written nothing yet.
  @Test func aFileThatIsOpenedAgainIsNotRemoved() async throws {
    try write(Self.name, WatchedFolderTests.sound(9))
    let folder = try folder(on: OthersCalls(writing: true))
    let file = try #require(try await folder.list().files.first)
    await #expect(throws: IntakeError.self) { try await folder.remove(file) }
    #expect(try names == [Self.name])
  }

  @Test func whatComesAtTheLastMomentIsNotPutAside() async throws {
    try write("junk", [1, 2, 3])
    try write(".next", [4, 5, 6])
    let calls = OthersCalls(writing: false) { [path] in
      _ = unsafe Glibc.rename(path + "/.next", path + "/junk")
    }
    let folder = try folder(on: calls)
    let file = try #require(try await folder.list().files.first)
    await #expect(throws: IntakeError.self) { try await folder.quarantine([file], because: .name) }
    #expect(try Array(Data(contentsOf: URL(filePath: path + "/junk"))) == [4, 5, 6])
  }

  // MARK: Listing

  @Test func aFolderThatCannotBeEnteredIsPassedOver() async throws {
    for folder in ["100", "lost+found", "zzz"] {
      try makeFolder(folder)
      try write(folder + "/" + Self.name, WatchedFolderTests.sound(8))
    }
    let calls = OthersCalls(barred: "lost+found")
    let listing = try await folder(on: calls, recursive: true).list()
    #expect(listing.files.map { $0.path.folders } == ["100", "zzz"].map { [Array($0.utf8)] })
    #expect(listing.shortfall != nil)
    #expect(listing.endsRound)
    #expect(try await folder(recursive: true).list().shortfall == nil)
  }

  @Test func manyNamesAreReachedInTurns() async throws {
    let count = 20_500
    for number in 0..<count { try drop("\(number).wav") }
    for number in 0..<1000 { try drop(".\(number).wav") }
    try await expectAll(count, inTurns: 2)
  }

  @Test func manyFoldersAreReachedInTurns() async throws {
    for number in 0..<2100 {
      try makeFolder("\(number)")
      try drop("\(number)/a.wav")
    }
    try await expectAll(2100, inTurns: 3)
  }

  @Test func aFolderIsGoneOnWithInItsMiddle() async throws {
    try makeFolder("a/b")
    try makeFolder("c")
    for number in 0..<20_100 { try drop("a/b/\(number).wav") }
    for name in ["a/b.wav", "b.wav", "c/d.wav"] { try drop(name) }
    try await expectAll(20_103, inTurns: 2)
  }

  private func expectAll(_ count: Int, inTurns turns: Int) async throws {
    let folder = try folder(recursive: true)
    // What fits in no look comes round as often as looks are made.
    for _ in 0..<2 {
      var found: Set<DropPath> = []
      for turn in 1...turns {
        let listing = try await folder.list()
        #expect(found.isDisjoint(with: listing.files.map { $0.path }))
        found.formUnion(listing.files.map { $0.path })
        #expect(listing.endsRound == (turn == turns))
        #expect(listing.shortfall != nil, "it is told that one look is not enough")
      }
      #expect(found.count == count)
    }
  }
}

/// The kernel's calls for files that are another user's, as far as it makes a difference.
private final class OthersCalls: ForwardedCalls {
  let real: any DirectoryCalls
  private let isWritten: Bool?
  private let barred: String?
  private let meddle: Lock<(@Sendable () -> Void)?>

  /// - Parameters:
  ///   - real: where the calls go.
  ///   - isWritten: what is told of writers; nil: nothing.
  ///   - barred: the folder that cannot be entered.
  ///   - meddle: done once, right before the first rename.
  init(
    _ real: any DirectoryCalls = LinuxDirectoryCalls(), writing isWritten: Bool? = nil,
    barred: String? = nil,
    _ meddle: (@Sendable () -> Void)? = nil
  ) {
    self.real = real
    self.isWritten = isWritten
    self.barred = barred
    self.meddle = Lock(meddle)
  }

  func isBeingWritten(_ file: FileDescriptor) -> Bool? { isWritten }

  func openDirectory(_ name: [UInt8], in directory: FileDescriptor)
    throws(SystemCallError) -> FileDescriptor
  {
    if let barred, name == Array(barred.utf8) { throw SystemCallError("openat", EACCES) }
    return try real.openDirectory(name, in: directory)
  }

  func renameToNew(
    _ name: [UInt8], in directory: FileDescriptor, to newName: [UInt8], in other: FileDescriptor
  ) throws(SystemCallError) {
    let meddle = meddle.withLock { meddle in
      defer { meddle = nil }
      return meddle
    }
    meddle?()
    try real.renameToNew(name, in: directory, to: newName, in: other)
  }
}
