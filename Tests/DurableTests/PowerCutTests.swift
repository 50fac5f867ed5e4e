import Durable
import FaultInjection
import Foundation
import Mutation
import Testing

private let old = [UInt8]("the old bytes".utf8)
private let new = [UInt8](repeating: 0x6e, count: 10_000)

/// What holds wherever the power goes, and whatever the disk had not yet taken.
@Suite struct PowerCutTests {
  /// Cuts the power before each call in turn, and lays out some of the states the disk may be in.
  private func cutEachCall(
    prepare: (String) throws -> Void = { _ in }, operation: (String, PowerCut) throws -> Void,
    afterwards: (String, _ wasAcknowledged: Bool) throws -> Void
  ) throws {
    var call = 0
    var isWhole = false
    while !isWhole {
      call += 1
      for seed in 0..<8 {
        var dice = Dice(seed: UInt64(call << 8 | seed))
        let directory = try TemporaryDirectory()
        try prepare(directory.path)
        let disk = try PowerCut(below: directory.path, atCall: call)
        var wasAcknowledged = true
        do { try operation(directory.path, disk) } catch { wasAcknowledged = false }
        isWhole = !disk.isOff
        try disk.restore(&dice)
        try afterwards(directory.path, wasAcknowledged)
      }
    }
    #expect(call > 4)
  }

  private func contents(of path: String) throws -> [UInt8]? {
    guard FileManager.default.fileExists(atPath: path) else { return nil }
    return try AtomicFile.read(path, limit: 1 << 20, on: LinuxFileSystem())
  }

  @Test func aReplacedFileIsWhollyOldOrWhollyNew() throws {
    try cutEachCall { root in
      try AtomicFile.write(old, to: root + "/file", on: LinuxFileSystem())
    } operation: { root, disk in
      try AtomicFile.write(new, to: root + "/file", on: disk)
    } afterwards: { root, wasAcknowledged in
      let found = try contents(of: root + "/file")
      #expect(found == new || (found == old && !wasAcknowledged))
    }
  }

  @Test func aStagedFileIsWhollyThereOrAbsent() throws {
    try cutEachCall(
      operation: { root, disk in
        try Directory.make(root + "/ab/cd", below: root, on: disk)
        var file = try StagedFile(stagedIn: root, named: "object", on: disk)
        try file.append(new)
        try file.append(new)
        try file.commit(to: root + "/ab/cd/object")
      },
      afterwards: { root, wasAcknowledged in
        let found = try contents(of: root + "/ab/cd/object")
        #expect(found == new + new || (found == nil && !wasAcknowledged))
      })
  }

  @Test func anAppendedFileKeepsWhatWasSynced() throws {
    try cutEachCall(
      operation: { root, disk in
        var file = try AppendFile(root + "/file", on: disk)
        try file.append(new)
        try file.sync()
        try file.append(new)
        try file.truncate(to: 10_000)
        try file.append(old)
        try file.sync()
      },
      afterwards: { root, wasAcknowledged in
        let found = try contents(of: root + "/file")
        #expect(found == new + old || !wasAcknowledged)
      })
  }
}
