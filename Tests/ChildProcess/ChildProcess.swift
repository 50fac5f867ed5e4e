import CLinux
import Foundation
import Glibc
import Synchronization

/// A program that runs beside a test.
///
/// Foundation's `Process` is not used: in Swift 6.3 its search for the highest open descriptor copies 256
/// bytes of each directory entry, past the end of what was read, and so ends one test run in twenty
/// (swift-corelibs-foundation, pull request 5472).
@safe
public final class ChildProcess: Sendable {
  /// What the program reads.
  public enum Input: Sendable {
    case nothing
    case text(String)
    /// What ``say(_:)`` brings, until ``closeInput()``.
    case written
  }

  public enum Ending: Sendable, Equatable {
    case exit(Int32)
    case signal(Int32)
  }

  /// How a program ended, and what it wrote.
  public struct Outcome: Sendable {
    public let ending: Ending
    public let output: String
    public let errors: String

    /// The exit code; 128 and the signal's number as shells say it, if a signal ended it.
    public var status: Int32 {
      switch ending {
      case .exit(let code): code
      case .signal(let number): 128 + number
      }
    }
  }

  public struct Failure: Error {
    public let call: String
    public let number: Int32
  }

  public let id: Int32
  /// Without a reader to wait for: what the program writes goes into memory, as into a file.
  private let output: Int32
  private let errors: Int32
  private let input: Mutex<Int32?>
  private let ending = Mutex<Ending?>(nil)

  /// Starts a path, or a name that `PATH` finds, with no signal blocked or ignored and no descriptor but
  /// the three; its environment is this process's with the changes, where nil leaves a variable out.
  ///
  /// - Throws: ``Failure`` if it cannot be started.
  public init(
    _ program: String, _ arguments: [String] = [], environment changes: [String: String?] = [:],
    input: Input = .nothing
  ) throws {
    var environment = ProcessInfo.processInfo.environment
    for (name, value) in changes { environment[name] = value }
    output = try Self.memory()
    errors = try Self.memory()
    let far: Int32
    var near: Int32?
    switch input {
    case .nothing: far = try Self.checked(unsafe open("/dev/null", O_RDONLY), "open")
    case .text(let text):
      far = try Self.memory()
      let bytes = Array(text.utf8)
      // By its place: the program reads from the beginning.
      guard unsafe pwrite(far, bytes, bytes.count, 0) == bytes.count else {
        throw Failure(call: "pwrite", number: errno)
      }
    case .written:
      var ends: [Int32] = [-1, -1]
      _ = try Self.checked(unsafe pipe2(&ends, O_CLOEXEC), "pipe2")
      (far, near) = (ends[0], ends[1])
    }
    defer { close(far) }
    self.input = Mutex(near)
    id = try Self.spawn(
      program, arguments, environment.map { "\($0)=\($1)" }, [far, output, errors])
  }

  deinit {
    if isRunning { kill(id, SIGKILL) }
    _ = wait()
    closeInput()
    close(output)
    close(errors)
  }

  /// Runs a program to its end.
  public static func run(
    _ program: String, _ arguments: [String], environment changes: [String: String?] = [:],
    input: Input = .nothing
  ) throws -> Outcome {
    try ChildProcess(program, arguments, environment: changes, input: input).wait()
  }

  public var isRunning: Bool { reap(WNOHANG) == nil }

  /// Waits for its end, and holds the thread.
  public func wait() -> Outcome {
    let ending = reap(0) ?? .signal(0)
    return Outcome(ending: ending, output: Self.text(output), errors: Self.text(errors))
  }

  /// Waits for its end, and leaves the thread to others.
  public func ended() async -> Outcome {
    await withCheckedContinuation { continuation in
      Thread.detachNewThread { continuation.resume(returning: self.wait()) }
    }
  }

  /// What it has written on standard error so far.
  public var errorText: String { Self.text(errors) }

  /// Waits until it has written a line.
  ///
  /// - Returns: false if it ended without, or wrote none in a minute.
  public func hasWrittenLine() -> Bool {
    for _ in 0..<12_000 {
      let isOver = !isRunning
      if Self.text(output).contains("\n") { return true }
      if isOver { return false }
      usleep(5_000)
    }
    return false
  }

  public func say(_ text: String) throws {
    let bytes = Array(text.utf8)
    try input.withLock { input in
      guard let input, unsafe write(input, bytes, bytes.count) == bytes.count else {
        throw Failure(call: "write", number: errno)
      }
    }
  }

  public func closeInput() {
    input.withLock { input in
      if let input { close(input) }
      input = nil
    }
  }

  public func signal(_ number: Int32) {
    if isRunning { kill(id, number) }
  }

  /// Reaps it once; whoever asks later hears the same.
  private func reap(_ options: Int32) -> Ending? {
    ending.withLock { ending in
      if let ending { return ending }
      var status: Int32 = 0
      var result: pid_t
      repeat { result = unsafe waitpid(id, &status, options) } while result < 0 && errno == EINTR
      guard result == id else { return nil }
      let number = status & 0x7F
      ending = number == 0 ? .exit((status >> 8) & 0xFF) : .signal(number)
      return ending
    }
  }

  private static func memory() throws -> Int32 {
    try checked(unsafe memfd_create("child", 1), "memfd_create")  // MFD_CLOEXEC
  }

  private static func checked(_ result: Int32, _ call: String) throws -> Int32 {
    guard result >= 0 else { throw Failure(call: call, number: errno) }
    return result
  }

  private static func text(_ file: Int32) -> String {
    var status = stat()
    guard unsafe fstat(file, &status) == 0 else { return "" }
    var bytes = [UInt8](repeating: 0, count: Int(status.st_size))
    let count = unsafe pread(file, &bytes, bytes.count, 0)
    return String(decoding: bytes.prefix(max(count, 0)), as: UTF8.self)
  }

  private static func spawn(
    _ program: String, _ arguments: [String], _ environment: [String], _ files: [Int32]
  ) throws -> pid_t {
    var actions = unsafe posix_spawn_file_actions_t()
    var attributes = posix_spawnattr_t()
    unsafe posix_spawn_file_actions_init(&actions)
    unsafe posix_spawnattr_init(&attributes)
    defer {
      unsafe posix_spawn_file_actions_destroy(&actions)
      unsafe posix_spawnattr_destroy(&attributes)
    }
    // The child of a test has most signals blocked, and hands that on.
    var all = sigset_t()
    var none = sigset_t()
    unsafe sigfillset(&all)
    unsafe sigemptyset(&none)
    unsafe posix_spawnattr_setsigdefault(&attributes, &all)
    unsafe posix_spawnattr_setsigmask(&attributes, &none)
    unsafe posix_spawnattr_setflags(
      &attributes, Int16(POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK))
    for (number, file) in files.enumerated() {
      unsafe posix_spawn_file_actions_adddup2(&actions, file, Int32(number))
    }
    unsafe posix_spawn_file_actions_addclosefrom_np(&actions, 3)
    let words = unsafe ([program] + arguments).map { unsafe strdup($0) }
    let names = unsafe environment.map { unsafe strdup($0) }
    defer { unsafe (words + names).forEach { unsafe free($0) } }
    var id: pid_t = 0
    let status = unsafe posix_spawnp(
      &id, program, &actions, &attributes, words + [nil], names + [nil])
    guard status == 0 else { throw Failure(call: "posix_spawn \(program)", number: status) }
    return id
  }
}
