import Glibc

/// How much memory holds secrets, and how much the system lets this process lock.
public struct LockedMemory: Sendable {
  /// Bytes locked for secrets now.
  public let used: Int
  /// The process's limit in bytes (`ulimit -l`), nil where there is none.
  public let limit: Int?

  /// What holds at this moment.
  public static var current: LockedMemory {
    var bounds = rlimit()
    let status = unsafe getrlimit(__rlimit_resource_t(__RLIMIT_MEMLOCK.rawValue), &bounds)
    let limit: Int? =
      status == 0 ? Int(exactly: bounds.rlim_cur) : SecretArena.shared.lockedByteCount
    return LockedMemory(used: SecretArena.shared.lockedByteCount, limit: limit)
  }
}
