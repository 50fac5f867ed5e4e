import Cryptography
import Durable
import Vault

/// A manifest that is read from its start, line by line, and hashed meanwhile.
struct ManifestFile: ~Copyable {
  private let file: InputFile
  private var parser = ManifestParser()
  private var hasher: SHA256Hasher
  private var offset: Int64 = 0
  private var lines: ArraySlice<ManifestLine> = []
  private(set) var length: Int64

  /// - Throws: ``VaultError/Code/tampered`` where there is none.
  init(_ path: String, on fileSystem: any FileSystem) throws(VaultError) {
    let hasher = try manifestHasher()
    let file = try Self.open(path, on: fileSystem)
    self.hasher = hasher
    self.file = file
    length = file.length
  }

  private static func open(
    _ path: String, on fileSystem: any FileSystem
  ) throws(VaultError) -> InputFile {
    do throws(DurableError) {
      return try InputFile(path, on: fileSystem)
    } catch {
      guard error.code == .notFound || error.code == .malformed else { throw VaultError(error) }
      throw VaultError(
        .tampered, during: "opening a manifest", detail: "the manifest is missing", cause: error)
    }
  }

  /// The next line; nil at the end.
  mutating func next() throws(VaultError) -> ManifestLine? {
    while lines.isEmpty {
      let bytes: [UInt8]
      do {
        bytes = try file.read(at: offset, count: 1 << 16)
      } catch {
        throw VaultError(error)
      }
      guard !bytes.isEmpty else {
        try parser.finish()
        return nil
      }
      offset += Int64(bytes.count)
      hasher.update(bytes)
      lines = try parser.take(bytes)[...]
    }
    return lines.removeFirst()
  }

  /// The digest of what was read; of the whole file when ``next()`` has come to its end.
  mutating func digest() -> SHA256Digest { hasher.finish() }

  /// The digest of a manifest that is read to its end.
  static func digest(
    _ path: String, on fileSystem: any FileSystem
  ) throws(VaultError) -> SHA256Digest {
    var manifest = try ManifestFile(path, on: fileSystem)
    while try manifest.next() != nil {}
    return manifest.digest()
  }
}

/// A manifest on its way in; not durable before its volume is synced.
struct ManifestWriter: ~Copyable {
  private var file: PlainFile
  private var hasher: SHA256Hasher
  private(set) var length: Int64 = 0

  init(_ path: String, on fileSystem: any FileSystem) throws(VaultError) {
    let hasher = try manifestHasher()
    let file = try PlainFile.making(path, on: fileSystem)
    self.hasher = hasher
    self.file = file
  }

  mutating func add(_ lines: [UInt8]) throws(VaultError) {
    do throws(DurableError) {
      try file.append(lines)
    } catch {
      throw VaultError(error)
    }
    hasher.update(lines)
    length += Int64(lines.count)
  }

  mutating func digest() -> SHA256Digest { hasher.finish() }
}

/// A file that is copied and hashed in one reading.
enum HashedCopy {
  private static let piece = 1 << 20

  /// The digest and the length of a file.
  static func digest(
    of path: String, on fileSystem: any FileSystem
  ) throws(VaultError) -> (SHA256Digest, Int64) {
    try read(path, on: fileSystem) { _ throws(DurableError) in }
  }

  /// Makes a file of another's bytes, which are not durable when this returns.
  ///
  /// - Returns: the digest and the length of what was written.
  static func make(
    _ target: String, from source: String, mode: FileMode, on fileSystem: any FileSystem
  ) throws(VaultError) -> (SHA256Digest, Int64) {
    var file = try PlainFile.making(target, mode: mode, on: fileSystem)
    do throws(VaultError) {
      return try read(source, on: fileSystem) { bytes throws(DurableError) in
        try file.append(bytes)
      }
    } catch {
      file.remove()
      throw error
    }
  }

  private static func read(
    _ path: String, on fileSystem: any FileSystem,
    _ take: ([UInt8]) throws(DurableError) -> Void
  ) throws(VaultError) -> (SHA256Digest, Int64) {
    try failingAsVault("reading a file") {
      let file = try InputFile(path, on: fileSystem)
      var hasher = try SHA256Hasher()
      var offset: Int64 = 0
      while true {
        let bytes = try file.read(at: offset, count: piece)
        if bytes.isEmpty { break }
        hasher.update(bytes)
        try take(bytes)
        offset += Int64(bytes.count)
      }
      return (hasher.finish(), offset)
    }
  }
}

extension PlainFile {
  fileprivate static func making(
    _ path: String, mode: FileMode = .privateFile, on fileSystem: any FileSystem
  ) throws(VaultError) -> PlainFile {
    do {
      return try PlainFile(creating: path, mode: mode, on: fileSystem)
    } catch {
      throw VaultError(error)
    }
  }
}

private func manifestHasher() throws(VaultError) -> SHA256Hasher {
  do {
    return try SHA256Hasher()
  } catch {
    throw VaultError(.unavailable, during: "hashing a manifest", cause: error)
  }
}
