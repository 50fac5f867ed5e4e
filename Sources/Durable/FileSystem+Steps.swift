import CLinux
import Glibc

// The steps that every durable operation is made of. Each names the crash or fault it is for.
extension FileSystem {
  /// Repeats a call that a signal interrupted before it did anything.
  ///
  /// Not for `fsync`: whatever it reports ends the operation. After a failed one the kernel may
  /// call the lost pages clean, and a second call would then succeed and mean nothing.
  func repeatingInterrupted<Result: ~Copyable>(
    _ call: () throws(SystemCallError) -> Result
  ) throws(SystemCallError) -> Result {
    while true {
      do {
        return try call()
      } catch {
        guard error.number == EINTR else { throw error }
      }
    }
  }

  /// Writes all of `bytes`, however short the single writes are.
  func writeAll(_ bytes: RawSpan, to file: FileDescriptor) throws(SystemCallError) {
    var written = 0
    while written < bytes.byteCount {
      let rest = bytes.extracting(written..<bytes.byteCount)
      let count = try repeatingInterrupted { () throws(SystemCallError) in
        try write(file, rest)
      }
      // A file system that takes nothing and reports nothing would be a loop without end.
      guard count > 0, count <= rest.byteCount else { throw SystemCallError("write", EIO) }
      written += count
    }
  }

  /// Sets blocks aside, so that writes up to `length` do not meet a full volume.
  ///
  /// Where the file system cannot promise that, nothing is set aside and nothing reported: a full
  /// volume is then met by the write itself.
  func reserveIfPossible(_ length: Int64, in file: FileDescriptor) throws(SystemCallError) {
    do throws(SystemCallError) {
      try repeatingInterrupted { () throws(SystemCallError) in try reserve(file, length) }
    } catch {
      guard error.number == EOPNOTSUPP || error.number == ENOSYS else { throw error }
    }
  }

  /// Begins to write, where the file system can do that; elsewhere the sync that follows does it all.
  func beginWritingIfPossible(_ file: FileDescriptor) throws(SystemCallError) {
    do throws(SystemCallError) {
      try repeatingInterrupted { () throws(SystemCallError) in try beginWriting(file) }
    } catch {
      guard error.number == EOPNOTSUPP || error.number == ENOSYS else { throw error }
    }
  }

  /// Makes the names in a directory durable: without it a crash may forget a rename or a new file.
  func syncDirectory(_ path: String) throws(SystemCallError) {
    let directory = try repeatingInterrupted { () throws(SystemCallError) in
      try open(path, for: .directory)
    }
    defer { close(directory) }
    try fsync(directory)
  }

  /// Removes a temporary file after another failure, and says whether it went.
  ///
  /// Its own failure is not thrown: the first failure is the one to report, and what is left is
  /// named so that a sweep finds it.
  @discardableResult
  func discard(_ path: String) -> Bool {
    do {
      try unlink(path)
      return true
    } catch {
      return false
    }
  }
}

/// The directory that holds `path`.
func parentDirectory(of path: String) -> String {
  guard let slash = path.lastIndex(of: "/") else { return "." }
  return slash == path.startIndex ? "/" : String(path[..<slash])
}

/// The last component of `path`.
func lastComponent(of path: String) -> String {
  guard let slash = path.lastIndex(of: "/") else { return path }
  return String(path[path.index(after: slash)...])
}

/// Sixteen digits that no other writer has.
///
/// Not a secret: exclusive creation is what protects.
func temporarySuffix() -> String {
  let digits = String(UInt64.random(in: .min ... .max), radix: 16)
  return String(repeating: "0", count: 16 - digits.count) + digits
}
