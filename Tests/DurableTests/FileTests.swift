import ChildProcess
import Durable
import FaultInjection
import Foundation
import Glibc
import Testing

@Suite struct FileTests {
  private let files = LinuxFileSystem()

  @Test func theLockExcludesASecondProcess() throws {
    let directory = try TemporaryDirectory()
    let path = directory.path
    /// Asks as another process would: 0 got the lock, 1 did not.
    func otherProcess() throws -> Int32 {
      try ChildProcess.run("/usr/bin/flock", ["--nonblock", path, "true"]).status
    }
    do {
      let lock = try DirectoryLock(path, on: files)
      #expect(try otherProcess() == 1)
      let second = #expect(throws: DurableError.self) { _ = try DirectoryLock(path, on: files) }
      #expect(second?.code == .locked)
      _ = consume lock
    }
    #expect(try otherProcess() == 0)
    // And the other way round: another process holds it.
    let holder = try ChildProcess(
      "/usr/bin/flock", ["--no-fork", path, "sh", "-c", "echo held; exec sleep 60"])
    try #require(holder.hasWrittenLine())
    let error = #expect(throws: DurableError.self) { _ = try DirectoryLock(path, on: files) }
    #expect(error?.code == .locked)
    holder.signal(SIGKILL)
    #expect(holder.wait().ending == .signal(SIGKILL))
  }

  /// A child has the directory open from its start until it executes its program.
  @Test func theLockIsGivenBackWhileAChildBegins() throws {
    let directory = try TemporaryDirectory()
    let path = directory.path
    let copy: Int32
    do {
      let lock = try DirectoryLock(path, on: files)
      let open = try FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd")
      let number = open.first {
        (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/fd/" + $0)) == path
      }
      copy = dup(try #require(number.flatMap { Int32($0) }))
      _ = consume lock
    }
    defer { close(copy) }
    _ = try DirectoryLock(path, on: files)
  }

  @Test func filesAreForTheirOwnerOnly() throws {
    let directory = try TemporaryDirectory()
    try AtomicFile.write([1], to: directory.path + "/a", on: files)
    try Directory.make(directory.path + "/b/c", below: directory.path, on: files)
    _ = try AppendFile(directory.path + "/d", on: files)
    for (name, permissions) in [
      ("a", 0o600), ("b", 0o700), ("b/c", 0o700), ("d", 0o600),
    ] {
      #expect(try files.status(at: directory.path + "/" + name).permissions == permissions)
    }
  }

  @Test func linksAndPipesAreNotFollowed() throws {
    let directory = try TemporaryDirectory()
    let (link, pipe) = (directory.path + "/link", directory.path + "/pipe")
    try AtomicFile.write([1], to: directory.path + "/target", on: files)
    try #require(unsafe symlink(directory.path + "/target", link) == 0)
    try #require(unsafe mkfifo(pipe, 0o600) == 0)
    for path in [link, pipe, directory.path] {
      let reading = #expect(throws: DurableError.self) { try InputFile(path, on: files) }
      #expect(reading?.code == .malformed)
      let appending = #expect(throws: DurableError.self) { _ = try AppendFile(path, on: files) }
      #expect(appending?.code == .malformed)
    }
    // Replacing the name of a link replaces the link, not what it points at.
    try AtomicFile.write([2], to: link, on: files)
    #expect(try AtomicFile.read(directory.path + "/target", limit: 9, on: files) == [1])
    let nul = #expect(throws: DurableError.self) { try InputFile(link + "\0.txt", on: files) }
    #expect(nul?.code == .inputOutput)
  }

  @Test func readingStopsAtTheEnd() throws {
    let directory = try TemporaryDirectory()
    let path = directory.path + "/file"
    try AtomicFile.write(Array(0..<100), to: path, on: files)
    let file = try InputFile(path, on: files)
    #expect(file.length == 100)
    #expect(try file.read(at: 90, count: 5) == Array(90..<95))
    #expect(try file.read(at: 90, count: .max) == Array(90..<100))
    #expect(try file.read(at: 100, count: 5).isEmpty)
    #expect(try file.read(at: .max, count: .max).isEmpty)
    #expect(throws: DurableError.self) { try file.read(at: -1, count: 5) }
    #expect(throws: DurableError.self) { try file.read(at: 0, count: -5) }
    let long = #expect(throws: DurableError.self) {
      try AtomicFile.read(path, limit: 99, on: files)
    }
    #expect(long?.code == .malformed)
  }

  @Test func aDescriptorIsClosedOnEveryPath() throws {
    let directory = try TemporaryDirectory()
    for number in 0..<200 {
      _ = try? AtomicFile.read(directory.path + "/absent", limit: 1, on: files)
      _ = try? AppendFile(directory.path, on: files)
      var staged = try StagedFile(stagedIn: directory.path, named: "x", on: files)
      try staged.append([1])
      if number.isMultiple(of: 2) { try staged.commit(to: directory.path + "/\(number)") }
    }
    // Of this directory alone: other tests of this process open files meanwhile.
    let open = try FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd").filter { name in
      // A descriptor may have been closed since it was listed.
      (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/fd/" + name))?
        .hasPrefix(directory.path) == true
    }
    #expect(open.isEmpty)
  }
}
