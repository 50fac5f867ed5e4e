public import Cryptography
import Encoding

/// A line of a backup's manifest: a file and its digest, as `sha256sum` writes them.
///
/// `Documentation/formats/backup.md`, 3.
public struct ManifestLine: Hashable, Sendable {
  public let digest: SHA256Digest
  /// Relative to the backup's folder.
  public let path: String

  /// Is nil for a path that a backup does not have.
  public init?(_ path: String, _ digest: SHA256Digest) {
    guard Self.isPath(path) else { return nil }
    self.path = path
    self.digest = digest
  }

  /// The line with its end.
  public var encoded: [UInt8] { Array("\(digest.hex)  \(path)\n".utf8) }

  /// No line is longer.
  static let maximumByteCount = 64 + 2 + 200

  private static func isPath(_ path: String) -> Bool {
    let parts = path.split(separator: "/", omittingEmptySubsequences: false)
    return path.utf8.count <= 200 && parts.count >= 2
      && (parts[0] == "objects" || parts[0] == "sets")
      && parts.allSatisfy { part in
        !part.isEmpty && part != "." && part != ".."
          && part.utf8.allSatisfy { byte in
            (0x30...0x39).contains(byte) || (0x41...0x5A).contains(byte)
              || (0x61...0x7A).contains(byte) || byte == 0x2E || byte == 0x5F || byte == 0x2D
          }
      }
  }

  /// Reads a line without its end.
  init?(parsing line: ArraySlice<UInt8>) {
    let separator = line.startIndex + 64
    guard line.count > 66, line.count <= Self.maximumByteCount, line[separator] == 0x20,
      line[separator + 1] == 0x20,
      let hex = String(validating: line[..<separator], as: UTF8.self),
      let digest = SHA256Digest(hex: hex), digest.hex == hex,
      let path = String(validating: line[(separator + 2)...], as: UTF8.self)
    else { return nil }
    self.init(path, digest)
  }
}

/// Reads a manifest as its bytes come; keeps no more than a line of them.
///
/// Storage is not trusted: whatever the bytes are, this returns or throws.
public struct ManifestParser: Sendable {
  private var rest: [UInt8] = []
  private var last = ""

  public init() {}

  /// The lines that end in these bytes.
  ///
  /// - Throws: ``VaultError/Code/tampered`` for a line of another form or out of order.
  public mutating func take(_ bytes: [UInt8]) throws(VaultError) -> [ManifestLine] {
    rest += bytes
    var lines: [ManifestLine] = []
    var start = rest.startIndex
    while let end = rest[start...].firstIndex(of: 0x0A) {
      guard let line = ManifestLine(parsing: rest[start..<end]),
        last.utf8.lexicographicallyPrecedes(line.path.utf8)
      else { throw Self.malformed }
      last = line.path
      lines.append(line)
      start = end + 1
    }
    rest.removeFirst(start)
    guard rest.count <= ManifestLine.maximumByteCount else { throw Self.malformed }
    return lines
  }

  /// - Throws: ``VaultError/Code/tampered`` if the last line has no end.
  public func finish() throws(VaultError) {
    guard rest.isEmpty else { throw Self.malformed }
  }

  private static var malformed: VaultError {
    VaultError(
      .tampered, during: "reading a manifest", detail: "the manifest is not what was written")
  }
}
