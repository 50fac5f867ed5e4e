import CLinux
import Glibc

/// What a process that holds keys asks of the kernel before it holds any.
public enum ProcessHardening {
  /// What came of the wishes that the system may refuse.
  public struct Outcome: Sendable {
    /// Whether no page of the process can reach a swap device.
    public let isMemoryLocked: Bool
    /// Files and sockets that may be open at once.
    public let openFiles: UInt64
  }

  /// Forbids core dumps and tracing, keeps memory from swap where that is allowed, and raises the
  /// number of open files as far as the system lets this user.
  ///
  /// - Throws: ``HostError`` when core dumps cannot be forbidden: keys would lie in them.
  public static func apply() throws(HostError) -> Outcome {
    var none = rlimit(rlim_cur: 0, rlim_max: 0)
    guard unsafe setrlimit(__rlimit_resource_t(RLIMIT_CORE.rawValue), &none) == 0 else {
      throw HostError(.failed, during: "forbidding core dumps", number: errno)
    }
    guard callvault_set_undumpable() == 0 else {
      throw HostError(.failed, during: "forbidding core dumps", number: errno)
    }
    umask(0o077)
    return Outcome(isMemoryLocked: lockMemory(), openFiles: raiseOpenFiles())
  }

  /// Whether a process like this one can leave no core dump: tried, and so for the rest of its life.
  public static var forbidsDumps: Bool {
    do throws(HostError) {
      _ = try apply()
      return true
    } catch {
      // Which of its steps failed does not change what follows from it.
      return false
    }
  }

  /// Locks memory as it is touched.
  ///
  /// With a limit on locked memory this is not tried: once the limit is reached every allocation
  /// would fail. The arena of secrets locks itself in any case.
  private static func lockMemory() -> Bool {
    // Root may raise its own limit; others have what the service manager gave them.
    var limit = rlimit(rlim_cur: .max, rlim_max: .max)
    guard unsafe callvault_set_memlock(&limit) == 0 else { return false }
    // On fault: a thread's stack of 8 MiB is locked where it is used, not whole.
    return mlockall(Int32(MCL_CURRENT) | Int32(MCL_FUTURE) | Int32(MCL_ONFAULT)) == 0
  }

  private static func raiseOpenFiles() -> UInt64 {
    var limit = rlimit()
    guard unsafe getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else {
      return 0
    }
    let wanted = rlimit(rlim_cur: limit.rlim_max, rlim_max: limit.rlim_max)
    var raised = wanted
    if unsafe setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &raised) == 0 {
      return UInt64(raised.rlim_cur)
    }
    return UInt64(limit.rlim_cur)
  }
}
