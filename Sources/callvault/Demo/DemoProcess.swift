import CLinux
import Glibc

/// A program started by the demonstration, with one owner: it is ended and reaped exactly once.
struct DemoProcess: ~Copyable {
  private let processID: pid_t
  private var status: Int32?

  /// Starts `words`, the first being a path or a name on PATH.
  ///
  /// - Parameters:
  ///   - words: program and arguments.
  ///   - environment: what is added to our own.
  ///   - output: the descriptor that its output and errors go to.
  ///   - extra: a descriptor that it gets as number 3.
  /// - Throws: ``DemoError`` when it cannot be started.
  init(
    _ words: [String], environment: [(name: String, value: String)] = [], output: Int32,
    extra: Int32? = nil
  ) throws(DemoError) {
    var actions = unsafe posix_spawn_file_actions_t()
    var attributes = posix_spawnattr_t()
    unsafe posix_spawn_file_actions_init(&actions)
    defer { unsafe posix_spawn_file_actions_destroy(&actions) }
    unsafe posix_spawnattr_init(&attributes)
    defer { unsafe posix_spawnattr_destroy(&attributes) }
    var none = sigset_t()
    unsafe sigemptyset(&none)
    unsafe posix_spawnattr_setsigmask(&attributes, &none)
    // A group of its own: Ctrl-C reaches the demonstration alone, which ends the service gently.
    unsafe posix_spawnattr_setpgroup(&attributes, 0)
    unsafe posix_spawnattr_setflags(
      &attributes, Int16(POSIX_SPAWN_SETSIGMASK) | Int16(POSIX_SPAWN_SETPGROUP))
    var prepared = unsafe [
      posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0),
      posix_spawn_file_actions_adddup2(&actions, output, 1),
      posix_spawn_file_actions_adddup2(&actions, output, 2),
    ]
    if let extra {
      prepared.append(unsafe posix_spawn_file_actions_adddup2(&actions, extra, 3))
    }
    prepared.append(
      unsafe posix_spawn_file_actions_addclosefrom_np(&actions, extra == nil ? 3 : 4))
    guard prepared.allSatisfy({ $0 == 0 }), let program = words.first else {
      throw DemoError("cannot prepare to start a program")
    }
    let names = Set(environment.map(\.name))
    var settings = environment.map { "\($0.name)=\($0.value)" }
    settings += Self.inherited().filter { setting in
      !names.contains(String(setting.prefix { $0 != "=" }))
    }
    let arguments = unsafe words.map { unsafe strdup($0) } + [nil]
    let variables = unsafe settings.map { unsafe strdup($0) } + [nil]
    defer {
      unsafe (arguments + variables).forEach { unsafe free($0) }
    }
    var started: pid_t = 0
    let result = unsafe posix_spawnp(
      &started, program, &actions, &attributes, arguments, variables)
    guard result == 0 else {
      throw DemoError("cannot start \(program); `./bootstrap.sh` installs what is missing")
    }
    processID = started
  }

  deinit {
    guard status == nil else { return }
    kill(processID, SIGKILL)
    var ignored: Int32 = 0
    unsafe waitpid(processID, &ignored, 0)
  }

  /// Waits until it ends.
  ///
  /// - Returns: its exit code, or 128 and the signal that ended it.
  mutating func wait() -> Int32 {
    while true {
      if let code = ended(waiting: true) { return code }
    }
  }

  /// The exit code if it has ended.
  mutating func ended(waiting: Bool = false) -> Int32? {
    if let status { return status }
    var raw: Int32 = 0
    guard unsafe waitpid(processID, &raw, waiting ? 0 : WNOHANG) == processID else { return nil }
    // wait(2): the low seven bits are the signal, the next eight the code.
    let code = raw & 0x7F == 0 ? (raw >> 8) & 0xFF : 128 + raw & 0x7F
    status = code
    return code
  }

  /// Asks it to end, and waits.
  mutating func stop() -> Int32 {
    if status == nil { kill(processID, SIGTERM) }
    return wait()
  }

  private static func inherited() -> [String] {
    var settings: [String] = []
    var next = unsafe environ
    while let text = unsafe next.pointee {
      unsafe settings.append(String(cString: text))
      unsafe next += 1
    }
    return settings
  }
}

/// A pipe whose ends close themselves.
final class DemoPipe {
  private(set) var reading: Int32
  private(set) var writing: Int32

  init() throws(DemoError) {
    var ends: [Int32] = [-1, -1]
    guard unsafe pipe2(&ends, O_CLOEXEC) == 0 else { throw DemoError("cannot make a pipe") }
    (reading, writing) = (ends[0], ends[1])
  }

  deinit {
    closeWriting()
    close(reading)
  }

  /// Ours must be closed before the end of what a child writes can be seen.
  func closeWriting() {
    if writing >= 0 { close(writing) }
    writing = -1
  }

  /// Everything until the last writer closes, at most 16 MiB of it.
  func readToEnd() -> [UInt8] {
    var all: [UInt8] = []
    while let more = read(), !more.isEmpty {
      if all.count < 16 << 20 { all += more }
    }
    return all
  }

  /// The first line, without its end; nil if the writer closes before.
  func readLine() -> String? {
    var line: [UInt8] = []
    while let more = read(count: 1), let byte = more.first {
      if byte == 0x0A { return String(decoding: line, as: UTF8.self) }
      line.append(byte)
      if line.count > 4096 { return nil }
    }
    return nil
  }

  private func read(count: Int = 65_536) -> [UInt8]? {
    var buffer = [UInt8](repeating: 0, count: count)
    while true {
      let got = unsafe Glibc.read(reading, &buffer, count)
      if got >= 0 { return Array(buffer.prefix(got)) }
      if errno != EINTR { return nil }
    }
  }
}
