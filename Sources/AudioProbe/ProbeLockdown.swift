import CLinux
import CSeccomp
import Glibc

/// Takes from the calling process all it does not need to decode audio, for good.
///
/// A decoder is a C parser of bytes that a stranger may have made. After ``apply()`` such a stranger
/// who takes the process over can compute, use a bounded amount of memory and time, and talk over
/// one socket; anything else the kernel answers by killing the process.
package enum ProbeLockdown {
  /// The socket to the parent: the only descriptor that may be read or written.
  package static let socket: Int32 = 3
  /// Memory beyond what is mapped at the call.
  package static let memoryBytes: UInt = 256 << 20
  package static let cpuSeconds: UInt = 120

  /// Applies limits, then the system call filter.
  ///
  /// - Returns: false if any step failed: the caller must end the process without touching a byte
  ///   of the recording.
  package static func apply() -> Bool {
    guard let mapped = mappedBytes() else { return false }
    return limit(RLIMIT_CORE, 0)
      && limit(RLIMIT_NOFILE, 0)  // What is open stays open; nothing more can be.
      && limit(RLIMIT_FSIZE, 0)
      && limit(RLIMIT_CPU, cpuSeconds)
      // Relative, because a debugging runtime may have reserved terabytes at start.
      && limit(RLIMIT_AS, mapped + memoryBytes)
      && callvault_set_undumpable() == 0
      && callvault_set_no_new_privileges() == 0
      && filterSystemCalls()
  }

  private static func limit(_ resource: __rlimit_resource, _ value: UInt) -> Bool {
    var limits = rlimit(rlim_cur: value, rlim_max: value)
    return unsafe setrlimit(__rlimit_resource_t(resource.rawValue), &limits) == 0
  }

  /// The address space in use, from the first field of `statm` in pages.
  private static func mappedBytes() -> UInt? {
    let file = unsafe open("/proc/self/statm", O_RDONLY | O_CLOEXEC)
    guard file >= 0 else { return nil }
    defer { close(file) }
    var text = [UInt8](repeating: 0, count: 128)
    let count = unsafe text.withUnsafeMutableBytes { unsafe read(file, $0.baseAddress, $0.count) }
    guard count > 0 else { return nil }
    let digits = text.prefix(count).prefix { $0 != 0x20 }
    guard let pages = UInt(String(decoding: digits, as: UTF8.self)) else { return nil }
    return pages * UInt(clamping: sysconf(Int32(_SC_PAGESIZE)))
  }

  private static func filterSystemCalls() -> Bool {
    guard let filter = unsafe seccomp_init(callvault_SCMP_ACT_KILL_PROCESS) else { return false }
    defer { unsafe seccomp_release(filter) }
    let onSocket = scmp_arg_cmp(
      arg: 0, op: SCMP_CMP_EQ, datum_a: scmp_datum_t(socket), datum_b: 0)
    let notExecutable = scmp_arg_cmp(
      arg: 2, op: SCMP_CMP_MASKED_EQ, datum_a: scmp_datum_t(PROT_EXEC), datum_b: 0)
    // Anonymous: a file cannot be mapped even if one were open.
    let anonymous = scmp_arg_cmp(
      arg: 3, op: SCMP_CMP_MASKED_EQ, datum_a: scmp_datum_t(MAP_ANONYMOUS),
      datum_b: scmp_datum_t(MAP_ANONYMOUS))
    let rules: [(String, [scmp_arg_cmp])] = [
      ("read", [onSocket]), ("write", [onSocket]),
      ("mmap", [notExecutable, anonymous]), ("mprotect", [notExecutable]),
      ("brk", []), ("munmap", []), ("mremap", []), ("madvise", []),
      // glibc's qsort asks how much memory there is.
      ("sysinfo", []),
      ("futex", []), ("clock_gettime", []), ("gettimeofday", []), ("getrandom", []),
      ("restart_syscall", []), ("rt_sigreturn", []), ("exit", []), ("exit_group", []),
    ]
    for (name, conditions) in rules {
      let number = unsafe seccomp_syscall_resolve_name(name)
      guard number != __NR_SCMP_ERROR else { return false }
      let added = unsafe conditions.withUnsafeBufferPointer {
        unsafe seccomp_rule_add_array(
          filter, callvault_SCMP_ACT_ALLOW, number, UInt32($0.count), $0.baseAddress)
      }
      guard added == 0 else { return false }
    }
    // Two habits of the libraries are refused, not punished. Before it tries MPEG, libsndfile looks
    // for a Macintosh resource fork beside a file that is not there; libmpg123 complains on the
    // error output, which is closed.
    let readOnly = scmp_arg_cmp(
      arg: 2, op: SCMP_CMP_EQ, datum_a: scmp_datum_t(O_RDONLY), datum_b: 0)
    let onErrorOutput = scmp_arg_cmp(arg: 0, op: SCMP_CMP_EQ, datum_a: 2, datum_b: 0)
    let refusals = [
      ("openat", callvault_SCMP_ACT_NO_SUCH_FILE, readOnly),
      ("write", callvault_SCMP_ACT_BAD_DESCRIPTOR, onErrorOutput),
    ]
    for (name, action, condition) in refusals {
      let number = unsafe seccomp_syscall_resolve_name(name)
      guard number != __NR_SCMP_ERROR,
        unsafe seccomp_rule_add_array(filter, action, number, 1, [condition]) == 0
      else { return false }
    }
    return unsafe seccomp_load(filter) == 0
  }
}
