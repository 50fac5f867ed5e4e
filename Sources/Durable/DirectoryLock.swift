import CLinux
import Glibc

/// The right of one process to a data directory, held by a lock on the directory itself.
///
/// Not on a file in it: whoever deleted that would let a second process in. The kernel gives the lock
/// back when the process ends, however it ends; nothing stale can remain. It binds programs that ask,
/// on one machine; network file systems are not supported.
@safe
public struct DirectoryLock: ~Copyable, Sendable {
  private let fileSystem: any FileSystem
  private let file: FileDescriptor

  /// Takes the lock or fails at once.
  ///
  /// - Parameters:
  ///   - path: the directory, which exists.
  ///   - fileSystem: where the calls go.
  /// - Throws: ``DurableError/Code/locked`` when another holder has it.
  public init(_ path: String, on fileSystem: any FileSystem) throws(DurableError) {
    do throws(SystemCallError) {
      let file = try fileSystem.repeatingInterrupted { () throws(SystemCallError) in
        try fileSystem.open(path, for: .directory)
      }
      do throws(SystemCallError) {
        try fileSystem.repeatingInterrupted { () throws(SystemCallError) in
          try fileSystem.lock(file)
        }
      } catch {
        fileSystem.close(file)
        throw error
      }
      self.file = file
    } catch {
      if error.number == EWOULDBLOCK {
        throw DurableError(.locked, during: "locking the data directory", cause: error)
      }
      throw DurableError(error, during: "locking the data directory")
    }
    self.fileSystem = fileSystem
  }

  deinit {
    fileSystem.unlock(file)
    fileSystem.close(file)
  }
}
