import Durable
import FaultInjection
import Foundation
import Testing

private let old = [UInt8]("the old bytes".utf8)
private let new = [UInt8](repeating: 0x6e, count: 10_000)

private func contents(of path: String) throws -> [UInt8] {
  try AtomicFile.read(path, limit: 1 << 20, on: LinuxFileSystem())
}

/// What holds however one system call fails, for every call of the operation.
@Suite struct FaultTests {
  @Test(arguments: FaultPlan.all)
  func aReplacedFileIsWhollyOldOrWhollyNew(plan: FaultPlan) throws {
    let faults = try plan.failEachCall {
      let directory = try TemporaryDirectory()
      try AtomicFile.write(old, to: directory.path + "/file", on: LinuxFileSystem())
      return directory
    } operation: { directory, fileSystem in
      try AtomicFile.write(new, to: directory.path + "/file", on: fileSystem)
    } afterwards: { directory, call, error in
      let found = try contents(of: directory.path + "/file")
      #expect(found == old || found == new, "call \(call)")
      if error == nil { #expect(found == new) }
      // The cleaning up needs a working `unlink`; with a lasting fault the sweep has the rest.
      if !plan.lasting { #expect(try directory.names() == ["file"], "call \(call)") }
    }
    #expect(faults == 6)
  }

  @Test(arguments: FaultPlan.all)
  func aStagedFileIsWhollyThereOrAbsent(plan: FaultPlan) throws {
    let faults = try plan.failEachCall {
      try TemporaryDirectory()
    } operation: { directory, fileSystem in
      try Directory.make(directory.path + "/ab/cd", below: directory.path, on: fileSystem)
      var file = try StagedFile(stagedIn: directory.path, named: "object", on: fileSystem)
      try file.append(new)
      try file.append(new)
      try file.commit(to: directory.path + "/ab/cd/object")
    } afterwards: { directory, call, error in
      let path = directory.path + "/ab/cd/object"
      if error == nil {
        #expect(try contents(of: path) == new + new)
      } else if !plan.lasting {
        #expect(!FileManager.default.fileExists(atPath: path), "call \(call)")
      } else if FileManager.default.fileExists(atPath: path) {
        // Linked, but neither synced nor taken back: never acknowledged, and yet whole.
        #expect(try contents(of: path) == new + new, "call \(call)")
      }
      let left = try directory.names().filter { $0.hasSuffix(StagedFile.temporaryEnding) }
      if !left.isEmpty {
        let future = Int64(Date().timeIntervalSince1970 * 1000) + 1000
        let swept = try Directory.sweepTemporaryFiles(
          in: directory.path, writtenBefore: future, on: LinuxFileSystem())
        #expect(swept == left.count)
      }
      #expect(try directory.names().allSatisfy { $0 == "ab" })
    }
    #expect(faults >= 12)
  }

  @Test(arguments: FaultPlan.all)
  func aCreatedFileDoesNotReplaceAnother(plan: FaultPlan) throws {
    try plan.failEachCall {
      let directory = try TemporaryDirectory()
      try AtomicFile.write(old, to: directory.path + "/file", on: LinuxFileSystem())
      return directory
    } operation: { directory, fileSystem in
      try AtomicFile.create(new, at: directory.path + "/file", on: fileSystem)
    } afterwards: { directory, call, error in
      #expect(error != nil, "call \(call)")
      let found = try contents(of: directory.path + "/file")
      #expect(found == old, "call \(call)")
    }
  }

  @Test(arguments: FaultPlan.all)
  func aPoisonedAppenderStaysPoisonedAndWhatItAcknowledgedStays(plan: FaultPlan) throws {
    final class Progress { var acknowledged: [UInt8] = [] }
    let faults = try plan.failEachCall {
      (try TemporaryDirectory(), Progress())
    } operation: { state, fileSystem in
      var file = try AppendFile(state.0.path + "/journal", on: fileSystem)
      for round in UInt8(0)..<4 {
        let batch = [UInt8](repeating: round, count: 1000)
        do {
          try file.append(batch)
          try file.sync()
          state.1.acknowledged += batch
        } catch {
          let isPoisoned = file.isPoisoned
          #expect(isPoisoned)
          // The fault is gone, the poison is not; and the kernel is not even asked.
          let calls = fileSystem.calls.count
          let again = #expect(throws: DurableError.self) { try file.append(batch) }
          #expect(again?.code == .poisoned)
          let sync = #expect(throws: DurableError.self) { try file.sync() }
          #expect(sync?.code == .poisoned)
          let cut = #expect(throws: DurableError.self) { try file.truncate(to: 0) }
          #expect(cut?.code == .poisoned)
          #expect(fileSystem.calls.count == calls)
          throw error
        }
      }
    } afterwards: { state, call, _ in
      let path = state.0.path + "/journal"
      guard FileManager.default.fileExists(atPath: path) else {
        #expect(state.1.acknowledged.isEmpty)
        return
      }
      let found = try contents(of: path)
      #expect(found.starts(with: state.1.acknowledged), "call \(call)")
      // Opened again, the torn end is cut and the file grows on.
      var file = try AppendFile(path, on: LinuxFileSystem())
      try file.truncate(to: Int64(state.1.acknowledged.count))
      try file.append([1, 2, 3])
      try file.sync()
      #expect(try contents(of: path) == state.1.acknowledged + [1, 2, 3])
    }
    #expect(faults == 12)
  }

  @Test(arguments: FaultPlan.all)
  func aReadThatFailsReturnsNothing(plan: FaultPlan) throws {
    try plan.failEachCall {
      let directory = try TemporaryDirectory()
      try AtomicFile.write(new, to: directory.path + "/file", on: LinuxFileSystem())
      return directory
    } operation: { directory, fileSystem in
      let bytes = try AtomicFile.read(directory.path + "/file", limit: 1 << 20, on: fileSystem)
      #expect(bytes == new)
    } afterwards: { _, _, _ in
    }
  }

  @Test(arguments: FaultPlan.all)
  func aLockThatFailsIsFree(plan: FaultPlan) throws {
    try plan.failEachCall {
      try TemporaryDirectory()
    } operation: { directory, fileSystem in
      _ = try DirectoryLock(directory.path, on: fileSystem)
    } afterwards: { directory, _, _ in
      _ = try DirectoryLock(directory.path, on: LinuxFileSystem())
    }
  }

  @Test(arguments: FaultPlan.all)
  func removingAndSweepingReportWhatFailed(plan: FaultPlan) throws {
    try plan.failEachCall {
      let directory = try TemporaryDirectory()
      try AtomicFile.write(old, to: directory.path + "/a.tmp", on: LinuxFileSystem())
      try AtomicFile.write(old, to: directory.path + "/b", on: LinuxFileSystem())
      return directory
    } operation: { directory, fileSystem in
      try Directory.sweepTemporaryFiles(
        in: directory.path, writtenBefore: .max, on: fileSystem)
      try Directory.remove(directory.path + "/b", on: fileSystem)
      #expect(try Directory.names(in: directory.path, on: fileSystem).isEmpty)
    } afterwards: { directory, _, error in
      let names = try directory.names()
      if error == nil { #expect(names.isEmpty) }
    }
  }

  @Test func shortAndInterruptedCallsAreCompleted() throws {
    let directory = try TemporaryDirectory()
    let fileSystem = FailingFileSystem(
      FailingFileSystem.Fault(call: nil, number: 0), writesAtMost: 7)
    let path = directory.path + "/file"
    try AtomicFile.write(new, to: path, on: fileSystem)
    #expect(try AtomicFile.read(path, limit: 1 << 20, on: fileSystem) == new)
    #expect(fileSystem.calls.count(where: { $0 == "write" }) == (new.count + 6) / 7)
    var journal = try AppendFile(directory.path + "/journal", on: fileSystem)
    try journal.append(new)
    try journal.sync()
    let length = journal.length
    #expect(length == 10_000)
    #expect(try contents(of: directory.path + "/journal") == new)
  }

  @Test(arguments: [
    (EIO, DurableError.Code.inputOutput), (ENOSPC, .noSpace), (EDQUOT, .noSpace),
    (EROFS, .readOnly), (EMFILE, .tooManyOpenFiles), (ENFILE, .tooManyOpenFiles),
    (EACCES, .denied), (ENOENT, .notFound),
  ])
  func eachErrorNumberHasItsCode(number: Int32, code: DurableError.Code) throws {
    let directory = try TemporaryDirectory()
    let fileSystem = FailingFileSystem(FailingFileSystem.Fault(call: 1, number: number))
    let error = #expect(throws: DurableError.self) {
      try AtomicFile.write(old, to: directory.path + "/file", on: fileSystem)
    }
    #expect(error?.code == code)
    // What a client sees names no path.
    #expect(error.map { !"\($0)".contains(directory.path) } == true)
  }
}
