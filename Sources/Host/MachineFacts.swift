import CLinux
import Glibc

/// What the machine says of itself, for `doctor`.
public enum MachineFacts {
  /// One swap device or file, and whether what lies on it is encrypted.
  public struct Swap: Sendable, Equatable {
    public let name: String
    /// Nil when it cannot be told.
    public let isEncrypted: Bool?
  }

  /// Swap in use.
  ///
  /// A device-mapper target of dm-crypt says so in its UUID; compressed memory (zram) is no disk.
  ///
  /// - Returns: nil when the kernel does not tell.
  public static func swaps() -> [Swap]? {
    guard let table = text("/proc/swaps", limit: 65_536) else { return nil }
    var swaps: [Swap] = []
    for line in table.split(separator: "\n").dropFirst() {
      guard let name = line.split(whereSeparator: { $0 == " " || $0 == "\t" }).first else {
        continue
      }
      if name.hasPrefix("/dev/zram") { continue }
      swaps.append(Swap(name: String(name), isEncrypted: isEncrypted(device: String(name))))
    }
    return swaps
  }

  private static func isEncrypted(device: String) -> Bool? {
    guard let resolved = unsafe realpath(device, nil) else { return nil }
    defer { unsafe free(resolved) }
    let path = unsafe String(cString: resolved)
    guard path.hasPrefix("/dev/") else { return nil }
    let block = path.dropFirst(5)
    guard block.hasPrefix("dm-") else { return block.contains("/") ? nil : false }
    return text("/sys/block/\(block)/dm/uuid", limit: 4096)?.hasPrefix("CRYPT-")
  }

  /// How much memory this user may lock, in bytes; nil without a limit.
  public static func lockableMemory() -> UInt64? {
    var limit = rlimit()
    guard unsafe callvault_get_memlock(&limit) == 0 else {
      return 0
    }
    return limit.rlim_cur == rlim_t.max ? nil : UInt64(limit.rlim_cur)
  }

  /// Bytes that an ordinary user may still write on the volume of `path`, and the volume's size.
  public static func space(at path: String) -> (available: UInt64, total: UInt64)? {
    var facts = statvfs()
    guard unsafe statvfs(path, &facts) == 0 else { return nil }
    let block = UInt64(facts.f_frsize)
    return (UInt64(facts.f_bavail) * block, UInt64(facts.f_blocks) * block)
  }

  /// The owner, the permission bits and the volume of what `path` names, links followed.
  public static func file(_ path: String) -> (owner: UInt32, mode: UInt32, device: UInt64)? {
    var facts = stat()
    guard unsafe stat(path, &facts) == 0 else { return nil }
    return (facts.st_uid, facts.st_mode & 0o7777, UInt64(facts.st_dev))
  }

  /// Whether this user may list a directory, and remove and add names in it.
  public static func mayChange(_ directory: String) -> Bool {
    unsafe access(directory, R_OK | W_OK | X_OK) == 0
  }

  /// The user this process acts for.
  public static var user: UInt32 { geteuid() }

  private static func text(_ path: String, limit: Int) -> String? {
    let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { return nil }
    defer { close(descriptor) }
    let bytes = unsafe [UInt8](unsafeUninitializedCapacity: limit) { buffer, filled in
      unsafe filled = max(0, read(descriptor, buffer.baseAddress, limit))
    }
    return String(decoding: bytes, as: UTF8.self)
  }
}
