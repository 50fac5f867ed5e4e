import CLinux
import Glibc

/// A child process and the socket to it, with one owner: it is killed and reaped exactly once.
@safe
struct ProbeProcess: ~Copyable {
  let processID: pid_t
  /// Non-blocking.
  let socket: Int32

  private init(processID: pid_t, socket: Int32) {
    self.processID = processID
    self.socket = socket
  }

  /// Starts `executable` with an empty environment and the far end of a socket as descriptor 3.
  ///
  /// - Throws: ``AudioProbeError/Code/unavailable``.
  static func start(
    executable: String, arguments: [String]
  ) throws(AudioProbeError) -> ProbeProcess {
    var ends: [Int32] = [-1, -1]
    let type = Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
    guard unsafe socketpair(AF_UNIX, type, 0, &ends) == 0 else {
      throw AudioProbeError(.unavailable, during: "making a socket for the probe")
    }
    let near = ends[0]
    let far = ends[1]
    defer { close(far) }
    // Only our end: the flag belongs to the open file, of which each end is one.
    let flags = fcntl(near, F_GETFL)
    guard flags >= 0, fcntl(near, F_SETFL, flags | O_NONBLOCK) == 0,
      let processID = spawn(executable, arguments, socket: far)
    else {
      close(near)
      throw AudioProbeError(.unavailable, during: "starting the probe")
    }
    return ProbeProcess(processID: processID, socket: near)
  }

  /// Ends the child whether or not it has answered, and waits until the kernel has forgotten it.
  consuming func end() {
    close(socket)
    kill(processID, SIGKILL)
    var status: Int32 = 0
    while unsafe waitpid(processID, &status, 0) < 0 && errno == EINTR {}
  }

  private static func spawn(
    _ executable: String, _ arguments: [String], socket: Int32
  ) -> pid_t? {
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
    let prepared = unsafe [
      posix_spawn_file_actions_adddup2(&actions, socket, ProbeLockdown.socket),
      posix_spawn_file_actions_addclosefrom_np(&actions, ProbeLockdown.socket + 1),
      posix_spawn_file_actions_addclose(&actions, 0),
      posix_spawn_file_actions_addclose(&actions, 1),
      posix_spawn_file_actions_addclose(&actions, 2),
      posix_spawnattr_setsigdefault(&attributes, &all),
      posix_spawnattr_setsigmask(&attributes, &none),
      posix_spawnattr_setflags(
        &attributes, Int16(POSIX_SPAWN_SETSIGDEF) | Int16(POSIX_SPAWN_SETSIGMASK)),
    ]
    guard prepared.allSatisfy({ $0 == 0 }) else { return nil }
    let words = unsafe ([executable] + arguments).map { unsafe strdup($0) }
    defer { unsafe words.forEach { unsafe free($0) } }
    guard unsafe words.allSatisfy({ unsafe $0 != nil }) else { return nil }
    var processID: pid_t = 0
    var environment: UnsafeMutablePointer<CChar>? = nil
    let status = unsafe posix_spawn(
      &processID, executable, &actions, &attributes, words + [nil], &environment)
    return status == 0 ? processID : nil
  }
}
