import Cryptography
import Glibc
import Threading

/// A file that a person named: read as it is, through links, or standard input as `-`.
@safe
final class UserFile {
  private let descriptor: Int32
  private let closes: Bool
  /// The length when it was opened; nil for what is no plain file.
  let length: Int64?

  /// - Throws: ``CommandFailure`` with ``ExitCode/usage`` when it cannot be opened.
  init(_ path: String) throws(CommandFailure) {
    if path == "-" {
      descriptor = STDIN_FILENO
      closes = false
      length = nil
      return
    }
    let opened = unsafe open(path, O_RDONLY | O_CLOEXEC)
    guard opened >= 0 else {
      throw CommandFailure(.usage, "\(path): \(Self.reason(errno))")
    }
    var status = stat()
    guard unsafe fstat(opened, &status) == 0 else {
      let number = errno
      close(opened)
      throw CommandFailure(.usage, "\(path): \(Self.reason(number))")
    }
    guard status.st_mode & S_IFMT != S_IFDIR else {
      close(opened)
      throw CommandFailure(.usage, "\(path) is a directory")
    }
    descriptor = opened
    closes = true
    length = status.st_mode & S_IFMT == S_IFREG ? Int64(status.st_size) : nil
  }

  deinit {
    if closes { close(descriptor) }
  }

  /// The next bytes, none at the end.
  func read(upTo count: Int) throws(CommandFailure) -> [UInt8] {
    while true {
      var got = 0
      let bytes = unsafe [UInt8](unsafeUninitializedCapacity: count) { buffer, filled in
        unsafe got = Glibc.read(descriptor, buffer.baseAddress, count)
        filled = max(0, got)
      }
      if got >= 0 { return bytes }
      if errno != EINTR {
        throw CommandFailure(.internal, "the file cannot be read: \(Self.reason(errno))")
      }
    }
  }

  /// The digest of all bytes, and how many they are.
  func digest() throws(CommandFailure) -> (digest: SHA256Digest, length: Int64) {
    do {
      var hasher = try SHA256Hasher()
      var length: Int64 = 0
      while true {
        let bytes = try read(upTo: 1 << 20)
        if bytes.isEmpty { break }
        hasher.update(bytes)
        length += Int64(bytes.count)
      }
      return (hasher.finalize(), length)
    } catch let failure as CommandFailure {
      throw failure
    } catch {
      throw CommandFailure(.internal, "the digest cannot be computed: \(error)")
    }
  }

  /// All bytes of a small file.
  static func whole(_ path: String, limit: Int) throws(CommandFailure) -> [UInt8] {
    let file = try UserFile(path)
    var whole: [UInt8] = []
    while true {
      let bytes = try file.read(upTo: 1 << 16)
      if bytes.isEmpty { return whole }
      whole += bytes
      guard whole.count <= limit else {
        throw CommandFailure(.usage, "\(path) is longer than \(limit) bytes")
      }
    }
  }

  /// The system's words for an error number.
  static func reason(_ number: Int32) -> String {
    unsafe String(cString: strerror(number))
  }
}

/// A file that gets its name only when all its bytes are there: until then a temporary name.
@safe
final class OutputFile: Sendable {
  private let path: String
  private let temporary: String
  private let descriptor: Int32
  private let isCommitted = Lock(false)

  /// - Throws: ``CommandFailure`` with ``ExitCode/usage`` when it cannot be made.
  init(_ path: String) throws(CommandFailure) {
    self.path = path
    temporary = path + ".\(getpid()).part"
    descriptor = unsafe open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
    guard descriptor >= 0 else {
      throw CommandFailure(.usage, "\(path) cannot be written: \(UserFile.reason(errno))")
    }
  }

  deinit {
    close(descriptor)
    if !isCommitted.withLock({ $0 }) { unsafe unlink(temporary) }
  }

  func write(_ bytes: [UInt8]) throws(CommandFailure) {
    var rest = bytes[...]
    while !rest.isEmpty {
      let count = unsafe rest.withUnsafeBytes { buffer in
        unsafe Glibc.write(descriptor, buffer.baseAddress, buffer.count)
      }
      if count < 0 {
        if errno == EINTR { continue }
        throw CommandFailure(.internal, "\(path) cannot be written: \(UserFile.reason(errno))")
      }
      rest = rest.dropFirst(count)
    }
  }

  /// Gives the file its name, replacing what had it.
  func commit() throws(CommandFailure) {
    guard fsync(descriptor) == 0, unsafe rename(temporary, path) == 0 else {
      throw CommandFailure(.internal, "\(path) cannot be written: \(UserFile.reason(errno))")
    }
    isCommitted.withLock { $0 = true }
  }
}

/// Makes a folder, which may be there already.
func makeFolder(_ path: String) throws(CommandFailure) {
  guard unsafe mkdir(path, 0o700) == 0 || errno == EEXIST else {
    throw CommandFailure(.usage, "\(path) cannot be made: \(UserFile.reason(errno))")
  }
}
