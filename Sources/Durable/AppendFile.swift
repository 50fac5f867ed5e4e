import CLinux
import Glibc

/// A file that only grows: what a journal is made of.
///
/// After any failed write or sync it is *poisoned*: every later call fails, because the kernel may
/// have dropped the pages it could not write and a second fsync would say nothing of them. The
/// owner opens the file again, reads what is really there and cuts the torn end.
@safe
public struct AppendFile: ~Copyable {
  /// Where the next byte goes.
  public private(set) var length: Int64
  /// Whether an earlier failure has ended this writer.
  public private(set) var isPoisoned = false
  private let fileSystem: any FileSystem
  private let file: FileDescriptor

  /// Opens `path` at its end, or makes it and syncs its directory so that the name lasts.
  ///
  /// - Throws: ``DurableError/Code/malformed`` when the name is not a plain file.
  public init(_ path: String, mode: FileMode = .privateFile, on fileSystem: any FileSystem)
    throws(DurableError)
  {
    do throws(SystemCallError) {
      let file = try fileSystem.repeatingInterrupted { () throws(SystemCallError) in
        try fileSystem.open(path, for: .appendingOrCreating(mode))
      }
      do throws(SystemCallError) {
        let status = try fileSystem.status(of: file)
        guard status.kind == .file else { throw SystemCallError("open", ENXIO) }
        // Also when it was there: the process that made it may have died before its own sync.
        if status.length == 0 { try fileSystem.syncDirectory(parentDirectory(of: path)) }
        length = status.length
      } catch {
        fileSystem.close(file)
        throw error
      }
      self.file = file
    } catch {
      throw DurableError(error, during: "opening a file to append")
    }
    self.fileSystem = fileSystem
  }

  deinit {
    fileSystem.close(file)
  }

  /// Sets blocks aside for the first `length` bytes, so that no append up to there meets a full
  /// volume.
  ///
  /// - Throws: ``DurableError/Code/noSpace`` when there are none; the writer is as it was, because
  ///   nothing was written.
  public func reserve(_ length: Int64) throws(DurableError) {
    guard !isPoisoned else { throw DurableError(.poisoned, during: "reserving space") }
    do throws(SystemCallError) {
      try fileSystem.reserveIfPossible(length, in: file)
    } catch {
      throw DurableError(error, during: "reserving space")
    }
  }

  /// Writes all of `bytes` at the end; they last only after ``sync()``.
  public mutating func append(_ bytes: RawSpan) throws(DurableError) {
    guard !isPoisoned else { throw DurableError(.poisoned, during: "appending") }
    do throws(SystemCallError) {
      try fileSystem.writeAll(bytes, to: file)
      length += Int64(bytes.byteCount)
    } catch {
      isPoisoned = true
      throw DurableError(error, during: "appending")
    }
  }

  /// Writes all of `bytes` at the end; they last only after ``sync()``.
  public mutating func append(_ bytes: [UInt8]) throws(DurableError) {
    try append(unsafe bytes.span.bytes)
  }

  /// Returns when everything appended is on stable storage.
  public mutating func sync() throws(DurableError) {
    guard !isPoisoned else { throw DurableError(.poisoned, during: "syncing") }
    do throws(SystemCallError) {
      try fileSystem.fdatasync(file)
    } catch {
      isPoisoned = true
      throw DurableError(error, during: "syncing")
    }
  }

  /// Cuts the torn end that a crash left, durably.
  ///
  /// - Parameter length: at most the present length.
  /// - Throws: ``DurableError``; then the writer is poisoned.
  public mutating func truncate(to length: Int64) throws(DurableError) {
    precondition(length >= 0 && length <= self.length, "a cut cannot lengthen")
    guard !isPoisoned else { throw DurableError(.poisoned, during: "truncating") }
    do throws(SystemCallError) {
      try fileSystem.repeatingInterrupted { () throws(SystemCallError) in
        try fileSystem.truncate(file, to: length)
      }
      try fileSystem.fsync(file)
      self.length = length
    } catch {
      isPoisoned = true
      throw DurableError(error, during: "truncating")
    }
  }
}
