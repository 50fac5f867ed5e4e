/// A large file written as its bytes arrive, which gets its name only when all of it is durable.
///
/// Dropped without ``commit(to:)`` it removes what it wrote. A crash leaves the temporary file; its
/// name ends in ``temporaryEnding``, and a sweep takes it away.
@safe
public struct StagedFile: ~Copyable {
  /// How the name of every temporary file ends.
  public static let temporaryEnding = ".tmp"

  /// Bytes taken so far.
  public private(set) var length: Int64 = 0
  private let fileSystem: any FileSystem
  private let temporary: String
  private let file: FileDescriptor
  private var failed = false

  /// Opens a temporary file `directory/.name.<random>.tmp`.
  ///
  /// - Parameters:
  ///   - directory: on the same file system as the later name.
  ///   - name: what the file is for; a part of the temporary name.
  ///   - mode: of the file, narrowed by the process's umask.
  ///   - fileSystem: where the calls go.
  /// - Throws: ``DurableError``; then nothing was made.
  public init(
    stagedIn directory: String, named name: String, mode: FileMode = .privateFile,
    on fileSystem: any FileSystem
  ) throws(DurableError) {
    let temporary = "\(directory)/.\(name).\(temporarySuffix())\(Self.temporaryEnding)"
    do throws(SystemCallError) {
      file = try fileSystem.repeatingInterrupted { () throws(SystemCallError) in
        try fileSystem.open(temporary, for: .creating(mode))
      }
    } catch {
      throw DurableError(error, during: "staging a file")
    }
    self.temporary = temporary
    self.fileSystem = fileSystem
  }

  deinit {
    fileSystem.close(file)
    fileSystem.discard(temporary)
  }

  /// Writes all of `bytes` at the end.
  ///
  /// - Throws: ``DurableError``; after a failure only dropping the file is possible, the rest is
  ///   refused as ``DurableError/Code/poisoned``.
  public mutating func append(_ bytes: RawSpan) throws(DurableError) {
    guard !failed else { throw DurableError(.poisoned, during: "appending to a staged file") }
    do throws(SystemCallError) {
      try fileSystem.writeAll(bytes, to: file)
      length += Int64(bytes.byteCount)
    } catch {
      failed = true
      throw DurableError(error, during: "appending to a staged file")
    }
  }

  /// Writes all of `bytes` at the end.
  public mutating func append(_ bytes: [UInt8]) throws(DurableError) {
    try append(unsafe bytes.span.bytes)
  }

  /// Makes the bytes durable under `path`, in place of what is there.
  ///
  /// Order: fsync of the file, rename, fsync of its directory. A crash leaves the old bytes or the new.
  ///
  /// - Throws: ``DurableError``; when only the last fsync failed the new bytes are there, but a power cut
  ///   may bring the old ones back.
  public consuming func replace(_ path: String) throws(DurableError) {
    guard !failed else { throw DurableError(.poisoned, during: "committing a staged file") }
    do throws(SystemCallError) {
      try fileSystem.fsync(file)
      try fileSystem.rename(temporary, to: path)
      try fileSystem.syncDirectory(parentDirectory(of: path))
    } catch {
      throw DurableError(error, during: "replacing a file")
    }
  }

  /// Makes the bytes durable under `path`, which must be free.
  ///
  /// Order: fsync of the file, second name by `link` (which, unlike rename, replaces nothing),
  /// fsync of its directory; the temporary name goes last. A crash before the link leaves a
  /// temporary file; after it, both names, of which the sweep takes the temporary one.
  ///
  /// - Throws: ``DurableError/Code/exists`` when the name is taken. Whatever is thrown, `path` is
  ///   free again or as it was, unless taking it back failed too.
  public consuming func commit(to path: String) throws(DurableError) {
    guard !failed else { throw DurableError(.poisoned, during: "committing a staged file") }
    do throws(SystemCallError) {
      try fileSystem.fsync(file)
      try fileSystem.link(temporary, to: path)
    } catch {
      throw DurableError(error, during: "committing a staged file")
    }
    do throws(SystemCallError) {
      try fileSystem.syncDirectory(parentDirectory(of: path))
    } catch {
      // Not acknowledged, so it must not stay: a later commit may want the name.
      fileSystem.discard(path)
      throw DurableError(error, during: "committing a staged file")
    }
  }
}
