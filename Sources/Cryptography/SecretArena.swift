import CSodium
import Glibc

/// Where every secret of the process lies: pages that are locked, left out of core dumps, empty in
/// a forked child, and fenced by pages that cannot be touched.
///
/// `sodium_malloc` would do most of this but ignores a failed `mlock`: under the usual limit of
/// 8 MiB, thousands of keys would silently be swappable. Here a failure means no secret.
///
/// Blocks are of a few sizes, so a page serves many keys; a freed block is wiped before it can be
/// given again.
@safe
final class SecretArena: @unchecked Sendable {
  static let shared = SecretArena()

  /// The most that one secret may hold.
  static let largestSecret = 64 * 1024

  private static let pageSize = 4096
  // Small, because some machines let a process lock no more than 64 KiB.
  private static let slabSize = 16 * 1024
  private static let blockSizes = [64, 256, 1024, 4096]

  // Guarded by `mutex`: the wiped blocks of each size, and the bytes locked so far.
  private var free: [[UnsafeMutableRawPointer]] = unsafe Array(
    repeating: [], count: SecretArena.blockSizes.count)
  private var locked = 0
  private let mutex: UnsafeMutablePointer<pthread_mutex_t>

  private init() {
    unsafe mutex = .allocate(capacity: 1)
    let status = unsafe pthread_mutex_init(mutex, nil)
    precondition(status == 0, "a mutex without attributes can always be made")
  }

  /// Bytes locked now, used or ready for use.
  var lockedByteCount: Int {
    withMutex { locked }
  }

  /// A zeroed block of at least `count` bytes.
  func allocate(_ count: Int) throws(CryptographyError) -> UnsafeMutableRawPointer {
    guard count > 0, count <= SecretArena.largestSecret else {
      throw CryptographyError(.invalidInput, during: "making room for a secret")
    }
    guard let index = SecretArena.blockSizes.firstIndex(where: { count <= $0 }) else {
      let size = SecretArena.roundedToPages(count)
      guard let pages = unsafe map(size) else { throw SecretArena.noLockedMemory }
      withMutex { locked += size }
      return unsafe pages
    }
    let block: UnsafeMutableRawPointer? = unsafe withMutex {
      if unsafe free[index].isEmpty {
        guard let slab = unsafe map(SecretArena.slabSize) else { return nil }
        locked += SecretArena.slabSize
        let size = SecretArena.blockSizes[index]
        for offset in stride(from: 0, to: SecretArena.slabSize, by: size) {
          unsafe free[index].append(slab + offset)
        }
      }
      return unsafe free[index].popLast()
    }
    guard let block = unsafe block else { throw SecretArena.noLockedMemory }
    return unsafe block
  }

  /// Wipes and takes back a block that ``allocate(_:)`` gave for the same `count`.
  func deallocate(_ block: UnsafeMutableRawPointer, _ count: Int) {
    guard let index = SecretArena.blockSizes.firstIndex(where: { count <= $0 }) else {
      let size = SecretArena.roundedToPages(count)
      unsafe sodium_memzero(block, size)
      let whole = unsafe block - SecretArena.pageSize
      let status = unsafe munmap(whole, size + 2 * SecretArena.pageSize)
      precondition(status == 0, "an own mapping can always be given back")
      withMutex { locked -= size }
      return
    }
    unsafe sodium_memzero(block, SecretArena.blockSizes[index])
    withMutex { unsafe free[index].append(block) }
  }

  private static var noLockedMemory: CryptographyError {
    CryptographyError(.lockedMemoryUnavailable, during: "locking memory for a key")
  }

  private static func roundedToPages(_ count: Int) -> Int {
    (count + pageSize - 1) / pageSize * pageSize
  }

  /// Maps `size` bytes between two fences and locks them; nil, and nothing mapped, if any step
  /// fails.
  private func map(_ size: Int) -> UnsafeMutableRawPointer? {
    let whole = size + 2 * SecretArena.pageSize
    guard
      let start = unsafe mmap(nil, whole, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0),
      unsafe start != MAP_FAILED
    else { return nil }
    let middle = unsafe start + SecretArena.pageSize
    guard
      unsafe mprotect(middle, size, PROT_READ | PROT_WRITE) == 0,
      unsafe mlock(middle, size) == 0,
      unsafe madvise(middle, size, Int32(MADV_DONTDUMP)) == 0,
      unsafe madvise(middle, size, Int32(MADV_WIPEONFORK)) == 0
    else {
      unsafe munmap(start, whole)
      return nil
    }
    return unsafe middle
  }

  private func withMutex<Result>(_ body: () -> Result) -> Result {
    let status = unsafe pthread_mutex_lock(mutex)
    precondition(status == 0, "a mutex without attributes can always be locked")
    defer { unsafe pthread_mutex_unlock(mutex) }
    return body()
  }
}
