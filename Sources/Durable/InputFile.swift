import CLinux
import Glibc

/// A plain file open for reading at any position, by several readers at once.
public final class InputFile: Sendable {
  /// The length when it was opened.
  public let length: Int64
  private let fileSystem: any FileSystem
  private let file: FileDescriptor

  /// Opens `path`; a symbolic link in its last component is refused.
  ///
  /// - Throws: ``DurableError/Code/notFound``; ``DurableError/Code/malformed`` when the name is a
  ///   link, a directory, a pipe or a device.
  public init(_ path: String, on fileSystem: any FileSystem) throws(DurableError) {
    do throws(SystemCallError) {
      let file = try fileSystem.repeatingInterrupted { () throws(SystemCallError) in
        try fileSystem.open(path, for: .reading)
      }
      do throws(SystemCallError) {
        let status = try fileSystem.status(of: file)
        guard status.kind == .file else { throw SystemCallError("open", ENXIO) }
        length = status.length
      } catch {
        fileSystem.close(file)
        throw error
      }
      self.file = file
    } catch {
      throw DurableError(error, during: "opening a file")
    }
    self.fileSystem = fileSystem
  }

  deinit {
    fileSystem.close(file)
  }

  /// Fills `buffer` from `offset`; returns fewer bytes than it holds only at the end of the file.
  ///
  /// - Parameters:
  ///   - buffer: what is filled from its start.
  ///   - offset: counted from 0; beyond the end nothing is read.
  /// - Returns: how many bytes were read.
  /// - Throws: ``DurableError/Code/malformed`` for a negative position; what the system reports.
  public func read(into buffer: inout MutableRawSpan, at offset: Int64) throws(DurableError)
    -> Int
  {
    guard offset >= 0, offset <= Int64.max - Int64(buffer.byteCount) else {
      throw DurableError(.malformed, during: "reading at a position that cannot be")
    }
    var count = 0
    while count < buffer.byteCount {
      do throws(SystemCallError) {
        var rest = buffer._mutatingExtracting(count..<buffer.byteCount)
        let read = try fileSystem.pread(file, into: &rest, at: offset + Int64(count))
        if read <= 0 { break }
        count += read
      } catch {
        if error.number == EINTR { continue }
        throw DurableError(error, during: "reading")
      }
    }
    return count
  }

  /// Returns the bytes from `offset` on, at most `count`; fewer only at the end of the file.
  public func read(at offset: Int64, count: Int) throws(DurableError) -> [UInt8] {
    guard count >= 0, offset >= 0 else {
      throw DurableError(.malformed, during: "reading at a position that cannot be")
    }
    // Never more than there is: `count` may come from outside.
    let available = max(0, length - min(offset, length))
    let capacity = Int(min(Int64(count), available))
    return try [UInt8](capacity: capacity) {
      (output: inout OutputSpan<UInt8>) throws(DurableError) in
      try unsafe output.withUnsafeMutableBufferPointer {
        (memory, count: inout Int) throws(DurableError) in
        var buffer = unsafe MutableRawSpan(_unsafeBytes: UnsafeMutableRawBufferPointer(memory))
        count = try read(into: &buffer, at: offset)
      }
    }
  }
}
