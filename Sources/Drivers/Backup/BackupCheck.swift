public import Audit
import Cryptography
import Database
public import Durable
import Encoding
public import Vault

/// Reads a backup whole and says what is wrong with it; needs no key and writes nothing.
///
/// `Documentation/formats/backup.md`, 5.
public struct BackupCheck: Sendable {
  private let backup: BackupLayout
  private let key: VerifierKey?
  private let fileSystem: any FileSystem

  /// What was found.
  public struct Report: Sendable {
    /// Nil where `BACKUP` cannot be read.
    public var note: BackupNote?
    /// A sentence for each file that is not what it must be, naming it; at most 1000.
    public var findings: [String] = []
    public var count = 0
    /// Files that were read whole and are what was written.
    public var sound: Int64 = 0
    /// What the log's verification says; nil where it did not come to it.
    public var log: LogReport?

    public var isSound: Bool { count == 0 }

    mutating func add(_ finding: String) {
      count += 1
      if findings.count < 1000 { findings.append(finding) }
    }
  }

  /// - Parameters:
  ///   - folder: the backup.
  ///   - key: the log's, known by another way than the folder; nil: nobody vouches for who signed.
  ///   - fileSystem: where it lies.
  public init(
    _ folder: String, key: VerifierKey?, on fileSystem: any FileSystem = LinuxFileSystem()
  ) {
    backup = BackupLayout(root: folder)
    self.key = key
    self.fileSystem = fileSystem
  }

  /// - Throws: ``VaultError/Code/unavailable`` where the folder itself cannot be read.
  public func run() async throws(VaultError) -> Report {
    var report = Report()
    let bytes: [UInt8]?
    do {
      bytes = try readIfPresent(backup.note, limit: 1 << 16, on: fileSystem)
    } catch {
      throw VaultError(error)
    }
    guard let bytes else {
      report.add("BACKUP: missing; this is no backup, or its first run did not come to its end")
      return report
    }
    do throws(VaultError) {
      let note = try BackupNote(parsing: bytes, key: nil)
      report.note = note
      if let key { _ = try BackupNote(parsing: bytes, key: key) }
    } catch {
      report.add(error.detail ?? "BACKUP: \(error)")
    }
    guard let note = report.note else { return report }
    let set = backup.root + "/" + BackupLayout.set(note.set)
    let objects = await catalogObjects(set, &report)
    let setFiles = try await readFiles(note, objects, &report)
    findStrays(note, setFiles, &report)
    await checkLog(note, set, &report)
    return report
  }

  /// The set's catalog, opened and read through.
  private func catalogObjects(_ set: String, _ report: inout Report) async -> IsolatedConnection? {
    do throws(VaultError) {
      let connection = try await SQLiteCatalog.examining(set + "/catalog.sqlite")
      do {
        try await connection.perform { try $0.checkIntegrity() }
      } catch {
        throw VaultError(database: error, during: "checking a backup's catalog")
      }
      return connection
    } catch {
      report.add("\(BackupLayout.set(report.note?.set ?? 0))/catalog.sqlite: no whole catalog")
      return nil
    }
  }

  /// Reads every file that the manifest lists, and holds its objects against the catalog's.
  ///
  /// - Returns: the paths below the set.
  private func readFiles(
    _ note: BackupNote, _ catalog: IsolatedConnection?, _ report: inout Report
  ) async throws(VaultError) -> Set<String> {
    let path = BackupLayout.manifest(of: note.set)
    var setFiles: Set<String> = [path]
    var (files, bytes): (Int64, Int64) = (0, 0)
    var rows = CatalogObjects(catalog)
    do throws(VaultError) {
      var manifest = try ManifestFile(backup.root + "/" + path, on: fileSystem)
      while let line = try manifest.next() {
        files += 1
        if !line.path.hasPrefix("objects/") { setFiles.insert(line.path) }
        do throws(VaultError) {
          let (digest, length) = try HashedCopy.digest(
            of: backup.root + "/" + line.path, on: fileSystem)
          bytes += length
          if digest == line.digest {
            report.sound += 1
          } else {
            report.add("\(line.path): not the bytes that were written")
          }
        } catch {
          report.add(
            "\(line.path): "
              + ((error.cause as? DurableError)?.code == .notFound
                ? "missing" : "cannot be read"))
        }
        try await rows.take(line, &report)
      }
      if manifest.digest() != note.contents.manifest {
        report.add("\(path): not the manifest that BACKUP names")
      } else if files != note.contents.files || bytes != note.contents.bytes, report.count == 0 {
        report.add("BACKUP: it counts other files than the manifest")
      }
      let lost = try await rows.finish(&report)
      if catalog != nil, lost != note.contents.lost {
        report.add(
          "catalog.sqlite: \(lost) recordings have no object here, BACKUP says "
            + "\(note.contents.lost)")
      }
    } catch {
      guard error.code == .tampered else { throw error }
      report.add("\(path): \(error.detail ?? "not what was written")")
    }
    return setFiles
  }

  /// Files that nothing lists.
  private func findStrays(
    _ note: BackupNote, _ setFiles: Set<String>, _ report: inout Report
  ) {
    do throws(DurableError) {
      for name in try Directory.names(in: backup.root, on: fileSystem)
      where !["BACKUP", "objects", "sets", "lost+found"].contains(name) {
        report.add("\(name): not listed")
      }
      try walk(BackupLayout.set(note.set)) { path in
        if !setFiles.contains(path) { report.add("\(path): not listed") }
      }
    } catch {
      report.add("\(BackupLayout.set(note.set)): cannot be listed")
    }
  }

  private func walk(
    _ path: String, _ body: (String) -> Void
  ) throws(DurableError) {
    for name in try Directory.names(in: backup.root + "/" + path, on: fileSystem) {
      let child = path + "/" + name
      if try Directory.status(of: backup.root + "/" + child, on: fileSystem)?.kind == .directory {
        try walk(child, body)
      } else {
        body(child)
      }
    }
  }

  private func checkLog(_ note: BackupNote, _ set: String, _ report: inout Report) async {
    do {
      let folder = LogFolder(set + "/log", on: fileSystem)
      let found = try await LogVerifier(key: key).verify(folder)
      report.log = found
      switch found.verdict {
      case .intact, .unanchored, .stale: break
      default: report.add("log: \(found.sentence)")
      }
      let head = try folder.read("checkpoint", from: 0, count: 1 << 16)
      let checkpoint = try head.map { try Checkpoint(parsing: SignedNote(parsing: $0).text) }
      if checkpoint != note.contents.head {
        report.add("log/checkpoint: another head than BACKUP names")
      }
    } catch {
      report.add("log: it cannot be verified (\(error))")
    }
  }
}

/// The objects that a catalog names, held against a manifest's lines in order.
private struct CatalogObjects {
  private let connection: IsolatedConnection?
  private var page: ArraySlice<CatalogPin.Object> = []
  private var cursor: BlobName?
  private var isAtEnd = false
  private var lost: Int64 = 0

  init(_ connection: IsolatedConnection?) {
    self.connection = connection
  }

  private mutating func next() async throws(VaultError) -> CatalogPin.Object? {
    if page.isEmpty, !isAtEnd, let connection {
      let cursor = cursor
      do {
        page = try await connection.perform { try $0.objects(after: cursor, limit: 1024) }[...]
      } catch {
        // Named already: the catalog is not whole.
        isAtEnd = true
      }
      self.cursor = page.last?.name
      if page.isEmpty { isAtEnd = true }
    }
    return page.first
  }

  mutating func take(
    _ line: ManifestLine, _ report: inout BackupCheck.Report
  ) async throws(VaultError) {
    guard connection != nil, line.path.hasPrefix("objects/") else { return }
    while let object = try await next() {
      let path = "objects/" + ObjectCopy.path(of: object.name)
      if path == line.path {
        if object.digest != line.digest {
          report.add("\(line.path): the catalog has another digest")
        }
        page.removeFirst()
        return
      }
      guard path.utf8.lexicographicallyPrecedes(line.path.utf8) else { break }
      lost += 1
      page.removeFirst()
    }
    report.add("\(line.path): the catalog names no such object")
  }

  /// - Returns: how many objects the manifest lacks.
  mutating func finish(_ report: inout BackupCheck.Report) async throws(VaultError) -> Int64 {
    while try await next() != nil {
      lost += 1
      page.removeFirst()
    }
    return lost
  }
}
