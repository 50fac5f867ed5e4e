import CLinux
import Glibc
import Threading

/// Runs one program of the operator at a time: no shell, arguments as given, an environment of its own, a time limit.
///
/// The program leads a process group, so that what it started ends with it. Its input is empty; its output is
/// kept up to a bound and the rest thrown away.
public actor Subprocess {
  /// Bytes of output that are kept.
  public static let outputLimit = 4096

  /// How a program ended.
  public struct Outcome: Sendable, Equatable {
    public let status: Int32
    /// The beginning of what it wrote on standard output.
    public let output: [UInt8]
  }

  private let executor: BlockingExecutor
  public nonisolated var unownedExecutor: UnownedSerialExecutor {
    unsafe executor.asUnownedSerialExecutor()
  }
  private let path: String

  /// - Parameter path: the program, from `/` on; it is looked at when it is run.
  /// - Throws: ``SubprocessError/Code/unusable``, ``SubprocessError/Code/unavailable``.
  public init(path: String) throws(SubprocessError) {
    guard path.hasPrefix("/"), path.utf8.count <= 4096, path.utf8.allSatisfy({ $0 != 0 }) else {
      throw SubprocessError(.unusable, during: "reading a program's path")
    }
    self.path = path
    do {
      executor = try BlockingExecutor(label: "subprocess")
    } catch {
      throw SubprocessError(.unavailable, during: "starting a thread")
    }
  }

  /// Runs the program and waits for its end.
  ///
  /// - Parameters:
  ///   - arguments: at most 32, each 1 to 256 bytes without control characters.
  ///   - deadline: the group is killed then.
  /// - Returns: how it ended.
  /// - Throws: ``SubprocessError``; the group is gone whatever is thrown.
  public func run(
    _ arguments: [String], by deadline: ContinuousClock.Instant
  ) throws(SubprocessError) -> Outcome {
    guard arguments.count <= 32,
      arguments.allSatisfy({ argument in
        (1...256).contains(argument.utf8.count)
          && argument.utf8.allSatisfy { $0 >= 0x20 && $0 != 0x7F }
      })
    else { throw SubprocessError(.unusable, during: "reading a program's arguments") }
    guard deadline > .now else { throw SubprocessError(.timeout, during: "starting a program") }
    let group = try ProcessGroup.start(path, arguments)
    return try group.finish(by: deadline)
  }
}

/// A child that leads a process group, and the pipe from it; it is killed and reaped exactly once.
@safe
private struct ProcessGroup: ~Copyable {
  private let leader: pid_t
  private let output: Int32

  private init(leader: pid_t, output: Int32) {
    self.leader = leader
    self.output = output
  }

  static func start(
    _ path: String, _ arguments: [String]
  ) throws(SubprocessError) -> ProcessGroup {
    var ends: [Int32] = [-1, -1]
    guard unsafe pipe2(&ends, O_CLOEXEC) == 0 else {
      throw SubprocessError(.unavailable, during: "making a pipe")
    }
    let near = ends[0]
    let far = ends[1]
    defer { close(far) }
    let flags = fcntl(near, F_GETFL)
    guard flags >= 0, fcntl(near, F_SETFL, flags | O_NONBLOCK) == 0,
      let leader = spawn(path, arguments, output: far)
    else {
      close(near)
      throw SubprocessError(.unavailable, during: "starting a program")
    }
    return ProcessGroup(leader: leader, output: near)
  }

  /// Collects the output until the leader ends, and leaves nobody of the group.
  consuming func finish(
    by deadline: ContinuousClock.Instant
  ) throws(SubprocessError) -> Subprocess.Outcome {
    var kept: [UInt8] = []
    var hasEnded = leaderHasEnded
    while !hasEnded, deadline > .now {
      collect(into: &kept)
      // Output wakes it at once; an end without output is seen within 5 ms.
      var entry = pollfd(fd: output, events: Int16(POLLIN), revents: 0)
      if unsafe poll(&entry, 1, 5) > 0, entry.revents & Int16(POLLIN) == 0 {
        // Closed its output and runs on.
        usleep(5_000)
      }
      hasEnded = leaderHasEnded
    }
    // Before the leader is reaped: until then its number names this group and no other.
    kill(-leader, SIGKILL)
    var status: Int32 = 0
    while unsafe waitpid(leader, &status, 0) < 0 && errno == EINTR {}
    collect(into: &kept)
    close(output)
    guard hasEnded else { throw SubprocessError(.timeout, during: "waiting for a program") }
    guard status & 0x7F == 0 else { throw SubprocessError(.killed, during: "running a program") }
    return Subprocess.Outcome(status: (status >> 8) & 0xFF, output: kept)
  }

  /// Whether the leader has ended; it is not reaped.
  private var leaderHasEnded: Bool {
    var facts = unsafe siginfo_t()
    let result = unsafe waitid(P_PID, id_t(leader), &facts, WEXITED | WNOHANG | WNOWAIT)
    return unsafe result == 0 && facts.si_signo == SIGCHLD
  }

  private func collect(into kept: inout [UInt8]) {
    var buffer = [UInt8](repeating: 0, count: Subprocess.outputLimit)
    // A bound on the turns: who writes without end must not hold this loop.
    for _ in 0..<64 {
      let count = unsafe Glibc.read(output, &buffer, buffer.count)
      guard count > 0 else { return }
      kept += buffer[..<min(count, Subprocess.outputLimit - kept.count)]
    }
  }

  private static func spawn(_ path: String, _ arguments: [String], output: Int32) -> pid_t? {
    var actions = unsafe posix_spawn_file_actions_t()
    var attributes = posix_spawnattr_t()
    guard unsafe posix_spawn_file_actions_init(&actions) == 0 else { return nil }
    defer { unsafe posix_spawn_file_actions_destroy(&actions) }
    guard unsafe posix_spawnattr_init(&attributes) == 0 else { return nil }
    defer { unsafe posix_spawnattr_destroy(&attributes) }
    // Signals as a fresh process has them: a parent that ignores or blocks some must not pass on.
    var all = sigset_t()
    var none = sigset_t()
    unsafe sigfillset(&all)
    unsafe sigemptyset(&none)
    let flags = POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETPGROUP
    let prepared = unsafe [
      posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0),
      posix_spawn_file_actions_adddup2(&actions, output, 1),
      posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0),
      posix_spawn_file_actions_addclosefrom_np(&actions, 3),
      posix_spawn_file_actions_addchdir_np(&actions, "/"),
      posix_spawnattr_setsigdefault(&attributes, &all),
      posix_spawnattr_setsigmask(&attributes, &none),
      posix_spawnattr_setpgroup(&attributes, 0),
      posix_spawnattr_setflags(&attributes, Int16(flags)),
    ]
    guard prepared.allSatisfy({ $0 == 0 }) else { return nil }
    let words = unsafe ([path] + arguments).map { unsafe strdup($0) }
    defer { unsafe words.forEach { unsafe free($0) } }
    let environment: [String] = ["PATH=/usr/bin:/bin", "LANG=C"]
    let names = unsafe environment.map { unsafe strdup($0) }
    defer { unsafe names.forEach { unsafe free($0) } }
    guard unsafe (words + names).allSatisfy({ unsafe $0 != nil }) else { return nil }
    var leader: pid_t = 0
    let status = unsafe posix_spawn(
      &leader, path, &actions, &attributes, words + [nil], names + [nil])
    return status == 0 ? leader : nil
  }
}
