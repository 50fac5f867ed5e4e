import CLinux

/// The pools from which the C library gives out memory; it calls them arenas.
public enum AllocationPools {
  /// Lets all threads share a few.
  ///
  /// glibc makes up to eight a processor, and each keeps what was in use there at its own peak. Many
  /// streams at once have their peaks at different moments, so more is held than is ever needed.
  ///
  /// - Parameter count: at least 1; pools that are there already stay.
  public static func share(_ count: Int32) {
    // Refused where another allocator serves, as under a sanitizer, which has no such pools; nothing
    // but memory depends on it.
    _ = mallopt(M_ARENA_MAX, count)
  }
}
