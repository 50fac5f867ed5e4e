import CLinux
import Glibc

/// Is told that something happened in directories (inotify(7)): a hint to look, never what happened.
///
/// The kernel drops events when they come too fast, knows nothing of other machines' writes to a network mount,
/// and follows a directory that is moved away: whoever watches must look by itself from time to time.
/// Not for two threads at once.
public final class DirectoryWatch {
  private let descriptor: Int32

  /// - Throws: ``HostError/Code/failed`` when this user may watch no more.
  public init() throws(HostError) {
    descriptor = inotify_init1(Int32(IN_NONBLOCK) | Int32(IN_CLOEXEC))
    guard descriptor >= 0 else {
      throw HostError(.failed, during: "starting to watch directories", number: errno)
    }
  }

  deinit {
    close(descriptor)
  }

  /// Watches the directory that `file` is open on; a second time changes nothing.
  ///
  /// - Returns: false when the kernel gives no more watches: that directory is looked at without hints.
  public func add(directory file: Int32) -> Bool {
    let mask =
      UInt32(IN_CLOSE_WRITE) | UInt32(IN_MOVED_TO) | UInt32(IN_CREATE) | UInt32(IN_DELETE_SELF)
      | UInt32(IN_MOVE_SELF) | UInt32(IN_ONLYDIR)
    return unsafe inotify_add_watch(descriptor, "/proc/self/fd/\(file)", mask) >= 0
  }

  /// Waits until something happened, at most `milliseconds`; what is told is read and forgotten.
  ///
  /// - Returns: whether something happened.
  public func wait(milliseconds: Int32) -> Bool {
    var waiting = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
    guard unsafe poll(&waiting, 1, milliseconds) > 0 else { return false }
    var buffer = [UInt8](repeating: 0, count: 16_384)
    // Bounded, because a busy folder would never let go.
    for _ in 0..<64 {
      let count = unsafe buffer.withUnsafeMutableBytes {
        unsafe read(descriptor, $0.baseAddress, $0.count)
      }
      if count <= 0 { break }
    }
    return true
  }
}
