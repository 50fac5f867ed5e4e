/// A file that is written under its own name and is durable only after ``Directory/syncVolume(holding:on:)``.
///
/// For many files of which none counts before something written later says so: one sync for all, where
/// a ``StagedFile`` each would wait for the disk thousands of times.
@safe
public struct PlainFile: ~Copyable {
  private let fileSystem: any FileSystem
  private let path: String
  private let file: FileDescriptor

  /// Makes the file, which must not be there.
  ///
  /// - Throws: ``DurableError/Code/exists`` when the name is taken.
  public init(
    creating path: String, mode: FileMode = .privateFile, on fileSystem: any FileSystem
  ) throws(DurableError) {
    do throws(SystemCallError) {
      file = try fileSystem.repeatingInterrupted { () throws(SystemCallError) in
        try fileSystem.open(path, for: .creating(mode))
      }
    } catch {
      throw DurableError(error, during: "making a file")
    }
    self.path = path
    self.fileSystem = fileSystem
  }

  deinit {
    fileSystem.close(file)
  }

  /// Writes all of `bytes` at the end.
  public mutating func append(_ bytes: [UInt8]) throws(DurableError) {
    do throws(SystemCallError) {
      try fileSystem.writeAll(unsafe bytes.span.bytes, to: file)
    } catch {
      throw DurableError(error, during: "writing a file")
    }
  }

  /// Takes the file away again after a failure; what cannot be removed counts for nothing anyway.
  public func remove() {
    fileSystem.discard(path)
  }
}
