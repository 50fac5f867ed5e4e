import Cryptography
import Durable
import Encoding
import Tar

/// Writes a folder as a package: `Documentation/formats/package.md`, 1 and 2.
struct PackageTar {
  private static let manifest = "MANIFEST.sha256"

  private let file: OutputFile
  /// Seconds since 1970, of every member.
  private let modified: Int64
  private var lines: [UInt8] = []

  /// Writes every file below `folder` to `path`, in order of name, and the manifest after them.
  ///
  /// - Throws: ``CommandFailure`` when a file cannot be read, written or named.
  static func write(_ folder: String, to path: String, modified: Int64) throws {
    var tar = PackageTar(file: try OutputFile(path), modified: modified)
    for name in try names(below: folder).sorted(by: { $0.utf8.lexicographicallyPrecedes($1.utf8) })
    {
      try tar.append(name, from: folder + "/" + name)
    }
    let manifest = tar.lines
    try tar.header(Self.manifest, length: Int64(manifest.count))
    try tar.file.write(manifest + TarHeader.padding(after: Int64(manifest.count)))
    try tar.file.write(TarHeader.end)
    try tar.file.commit()
  }

  private init(file: OutputFile, modified: Int64) {
    self.file = file
    self.modified = modified
  }

  private func header(_ name: String, length: Int64) throws(CommandFailure) {
    guard let header = TarHeader(name: name, length: length, modified: modified) else {
      throw CommandFailure(.internal, "\(name) cannot be a member of a package")
    }
    try file.write(header.encoded)
  }

  private mutating func append(_ name: String, from path: String) throws {
    let input = try InputFile(path, on: LinuxFileSystem())
    try header(name, length: input.length)
    var hasher = try SHA256Hasher()
    var offset: Int64 = 0
    while offset < input.length {
      let bytes = try input.read(at: offset, count: 1 << 20)
      guard !bytes.isEmpty else { throw CommandFailure(.internal, "\(name) became shorter") }
      hasher.update(bytes)
      try file.write(bytes)
      offset += Int64(bytes.count)
    }
    try file.write(TarHeader.padding(after: input.length))
    lines += Array("\(hasher.finalize().hex)  \(name)\n".utf8)
  }

  /// The files below a folder, by path from there.
  static func names(below folder: String) throws -> [String] {
    let files = LinuxFileSystem()
    var found: [String] = []
    for name in try Directory.names(in: folder, on: files) {
      if try Directory.status(of: "\(folder)/\(name)", on: files)?.kind == .directory {
        found += try names(below: "\(folder)/\(name)").map { "\(name)/\($0)" }
      } else {
        found.append(name)
      }
    }
    return found
  }

  /// Removes a folder that this program made, with all that is in it.
  static func remove(_ folder: String) throws {
    let files = LinuxFileSystem()
    for name in try Directory.names(in: folder, on: files) {
      let path = "\(folder)/\(name)"
      if try Directory.status(of: path, on: files)?.kind == .directory {
        try remove(path)
      } else {
        try files.unlink(path)
      }
    }
    try files.removeDirectory(folder)
  }
}
