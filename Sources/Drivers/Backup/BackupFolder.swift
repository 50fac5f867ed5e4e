public import Audit
import Cryptography
public import Durable
public import Encoding
import Threading
public import Vault

/// A folder that takes backups of the vault in a data directory.
///
/// `Documentation/formats/backup.md`. Files block, so it has a thread of its own, and two more for objects.
public actor BackupFolder: BackupTarget {
  private let executor: BlockingExecutor
  public nonisolated var unownedExecutor: UnownedSerialExecutor {
    unsafe executor.asUnownedSerialExecutor()
  }

  private let backup: BackupLayout
  private let data: StorageLayout
  private let catalog: SQLiteCatalog
  private let tenant: Identifier
  private let includesRing: Bool
  private let fileSystem: any FileSystem
  private let lanes: [BlockingExecutor]

  private var lock: DirectoryLock?
  private var former: BackupNote?
  private var set: Int64 = 0
  private var pinned: CatalogPin?
  /// Up to where each sink had the log when the run began: never beyond its head.
  private var sinks: [(path: String, bytes: [UInt8])] = []

  /// - Parameters:
  ///   - folder: where the backup is.
  ///   - data: what it is of.
  ///   - catalog: open there.
  ///   - tenant: whose it is.
  ///   - includesRing: whether the sealed key ring belongs in it, because it has no second place.
  ///   - fileSystem: where the calls go.
  /// - Throws: ``VaultError/Code/unavailable`` when there are no threads.
  public init(
    _ folder: String, of data: StorageLayout, catalog: SQLiteCatalog, tenant: Identifier,
    includesRing: Bool, on fileSystem: any FileSystem = LinuxFileSystem()
  ) throws(VaultError) {
    do {
      executor = try BlockingExecutor(label: "backup")
      lanes = [
        try BlockingExecutor(label: "backup-1"), try BlockingExecutor(label: "backup-2"),
      ]
    } catch {
      throw VaultError(.unavailable, during: "starting threads for a backup", cause: error)
    }
    backup = BackupLayout(root: folder)
    self.data = data
    self.catalog = catalog
    self.tenant = tenant
    self.includesRing = includesRing
    self.fileSystem = fileSystem
  }

  // MARK: Taking the place

  public func begin(for key: VerifierKey) throws(VaultError) -> Int64 {
    try failingAsVault("taking a place for a backup") {
      guard try Directory.status(of: backup.root, on: fileSystem) != nil else {
        throw Self.refusal(
          .invalid, "there is no \(backup.root); make the folder, or mount its volume, first")
      }
      guard
        try !Directory.isBelow(backup.root, data.root, on: fileSystem),
        try !Directory.isBelow(data.root, backup.root, on: fileSystem)
      else {
        throw Self.refusal(
          .invalid, "a backup must lie outside of the data directory, on another volume")
      }
      do throws(DurableError) {
        lock = try DirectoryLock(backup.root, on: fileSystem)
      } catch {
        guard error.code == .locked else { throw error }
        throw Self.refusal(.conflict, "another backup into \(backup.root) is running")
      }
      former = try note(for: key)
      let names = try Directory.names(in: backup.root, on: fileSystem)
      if former == nil {
        let others = names.filter { name in
          !["objects", "sets", "lost+found"].contains(name)
            && !name.hasSuffix(StagedFile.temporaryEnding)
        }
        guard others.isEmpty else {
          throw Self.refusal(
            .invalid, "\(backup.root) is not empty and holds no backup; name an empty folder")
        }
      }
      try Directory.sweepTemporaryFiles(
        in: backup.root, writtenBefore: .max, on: fileSystem)
      for folder in [backup.objects, backup.sets] {
        try Directory.make(folder, below: backup.root, on: fileSystem)
      }
      sinks = []
      for path in try files(below: "sinks") {
        let bytes = try readIfPresent(data.root + "/" + path, limit: 1 << 16, on: fileSystem)
        if let bytes { sinks.append((path, bytes)) }
      }
      set = (try sets().max() ?? 0) + 1
      // What a run left that did not come to its end.
      for number in try sets() where number != former?.set {
        try Directory.removeTree(backup.sets + "/\(number)", on: fileSystem)
      }
      return set
    }
  }

  private static func refusal(_ code: VaultError.Code, _ sentence: String) -> VaultError {
    VaultError(code, during: "taking a place for a backup", detail: sentence)
  }

  private func note(for key: VerifierKey) throws -> BackupNote? {
    guard let bytes = try readIfPresent(backup.note, limit: 1 << 16, on: fileSystem) else {
      return nil
    }
    let note = try BackupNote(parsing: bytes, key: nil)
    guard note.tenant == tenant else {
      throw Self.refusal(
        .conflict, "\(backup.root) holds a backup of another vault (\(note.origin))")
    }
    // It has entries that the log of today has lost: evidence, which is not written over.
    guard note.origin == key.name else {
      throw Self.refusal(
        .conflict,
        "\(backup.root) holds a backup of \(note.origin), from before the log was begun anew; keep it "
          + "as it is, and name an empty folder")
    }
    return try BackupNote(parsing: bytes, key: key)
  }

  private func sets() throws(DurableError) -> [Int64] {
    try Directory.names(in: backup.sets, on: fileSystem).compactMap { BackupLayout.number($0) }
  }

  public func pin() async throws(VaultError) {
    // Opening takes longer than holding: a second try has to be quick.
    if let pinned {
      try await pinned.renew()
    } else {
      pinned = try await CatalogPin(data.catalog)
    }
  }

  // MARK: Copying

  public func copy(at head: [UInt8]) async throws(VaultError) -> BackupContents {
    guard let pinned else {
      throw VaultError(.unavailable, during: "copying a catalog that is not held")
    }
    let cut: LogCut
    do {
      cut = try LogCut(note: head)
    } catch {
      throw VaultError(.unavailable, during: "reading the log's head", cause: error)
    }
    do throws(DurableError) {
      // A second time round the set is made anew.
      if try Directory.status(of: folder, on: fileSystem) != nil {
        try Directory.removeTree(folder, on: fileSystem)
      }
      try Directory.make(folder, below: backup.root, on: fileSystem)
    } catch {
      throw VaultError(error)
    }
    var files: [SetFile] = []
    try await pinned.copy(to: folder + "/catalog.sqlite")
    let (digest, length) = try HashedCopy.digest(of: folder + "/catalog.sqlite", on: fileSystem)
    files.append(SetFile(path: "catalog.sqlite", digest: digest, length: length))
    try LogState(cut: cut, layout: data, fileSystem: fileSystem).files {
      path, bytes throws(VaultError) in
      files.append(try self.write(bytes, to: path))
    }
    for (path, bytes) in sinks { files.append(try write(bytes, to: path)) }
    try copyAttempts { path, bytes throws(VaultError) in
      files.append(try self.write(bytes, to: path))
    }
    let earlier = try failingAsVault("listing earlier logs") { try self.files(below: "earlier") }
    for path in Self.settings(includesRing: includesRing) + earlier {
      let bytes = try failingAsVault("copying settings") {
        try readIfPresent(data.root + "/" + path, limit: 64 << 20, on: fileSystem)
      }
      if let bytes { files.append(try write(bytes, to: path)) }
    }
    return try await finishManifest(of: files, pinned: pinned, head: cut.checkpoint)
  }

  private var folder: String { backup.root + "/" + BackupLayout.set(set) }

  /// A file of the set.
  private struct SetFile {
    /// Below the set.
    let path: String
    let digest: SHA256Digest
    let length: Int64
  }

  private static func settings(includesRing: Bool) -> [String] {
    [
      "callvault.yaml", "log-name", "policies/access.yaml", "policies/consent.yaml",
      "policies/retention.yaml", "keys/log-root", "keys/certified",
    ] + (includesRing ? ["keys/ring"] : [])
  }

  /// The log of attempts to unseal as its own head has it; without the machine's key, which no copy is made of.
  private func copyAttempts(
    _ take: (String, [UInt8]) throws(VaultError) -> Void
  ) throws(VaultError) {
    let attempts = data.unsealing
    let (head, certificate) = try failingAsVault("reading the log of attempts") {
      (
        try readIfPresent(attempts.log + "/checkpoint", limit: 1 << 16, on: fileSystem),
        try readIfPresent(attempts.root + "/certificate", limit: 1 << 16, on: fileSystem)
      )
    }
    if let certificate { try take("unsealing/certificate", certificate) }
    guard let head else { return }
    let cut: LogCut
    do {
      cut = try LogCut(note: head)
    } catch {
      throw VaultError(.tampered, during: "reading the head of the log of attempts", cause: error)
    }
    try LogState(cut: cut, layout: attempts, fileSystem: fileSystem).files {
      path, bytes throws(VaultError) in
      guard path.hasPrefix("log/") || path.hasPrefix("openings/") else { return }
      try take("unsealing/" + path, bytes)
    }
  }

  /// Files below a folder of the data directory, such as the logs before a recovery.
  private func files(below path: String) throws(DurableError) -> [String] {
    let folder = data.root + "/" + path
    guard try Directory.status(of: folder, on: fileSystem)?.kind == .directory else { return [] }
    var found: [String] = []
    for name in try Directory.names(in: folder, on: fileSystem) where !name.hasPrefix(".") {
      let child = path + "/" + name
      switch try Directory.status(of: data.root + "/" + child, on: fileSystem)?.kind {
      case .directory: found += try files(below: child)
      case .file: found.append(child)
      default: break
      }
    }
    return found
  }

  private func write(_ bytes: [UInt8], to path: String) throws(VaultError) -> SetFile {
    do throws(DurableError) {
      if let slash = path.lastIndex(of: "/") {
        try Directory.makeUnsynced("\(folder)/\(path[..<slash])", below: folder, on: fileSystem)
      }
      var file = try PlainFile(creating: "\(folder)/\(path)", on: fileSystem)
      try file.append(bytes)
    } catch {
      throw VaultError(error)
    }
    return SetFile(path: path, digest: SHA256.hash(bytes), length: Int64(bytes.count))
  }

  /// Copies the objects that lack, and writes the manifest; everything is durable then.
  private func finishManifest(
    of files: [SetFile], pinned: CatalogPin, head: Checkpoint
  ) async throws(VaultError) -> BackupContents {
    var contents = BackupContents(
      manifest: SHA256.hash([] as [UInt8]), manifestLength: 0, files: Int64(files.count),
      bytes: files.reduce(0) { $0 + $1.length }, head: head, recordings: 0, lost: 0, copied: 0,
      copiedBytes: 0)
    var known = try FormerObjects(former, in: backup, on: fileSystem)
    var manifest = try ManifestWriter(folder + "/" + BackupLayout.manifest, on: fileSystem)
    let copy = ObjectCopy(source: data.objects, target: backup.objects, fileSystem: fileSystem)
    var cursor: BlobName?
    while true {
      let page = try await pinned.objects(after: cursor, limit: 1024)
      guard let last = page.last else { break }
      cursor = last.name
      var wanted: [ObjectCopy.Wanted] = []
      for object in page {
        wanted.append(
          ObjectCopy.Wanted(object: object, isListed: try known.lists(object.name, object.digest)))
      }
      let outcomes = try await copy.run(wanted, on: lanes)
      try await noticePurges(
        zip(page, outcomes).compactMap { $1 == .absent ? $0.name : nil })
      try manifest.add(contents.count(page, outcomes))
    }
    let prefix = BackupLayout.set(set) + "/"
    for file in files.sorted(by: { $0.path.utf8.lexicographicallyPrecedes($1.path.utf8) }) {
      guard let line = ManifestLine(prefix + file.path, file.digest) else {
        throw VaultError(
          .tampered, during: "naming a file of a backup",
          detail: "a file of the data directory has a name that a backup cannot hold")
      }
      try manifest.add(line.encoded)
    }
    contents.manifest = manifest.digest()
    contents.manifestLength = manifest.length
    do {
      try Directory.syncVolume(holding: backup.root, on: fileSystem)
    } catch {
      throw VaultError(error)
    }
    return contents
  }

  /// An object that is gone although the held catalog names it was purged, or is lost.
  private func noticePurges(_ absent: [BlobName]) async throws(VaultError) {
    guard !absent.isEmpty else { return }
    guard try await catalog.referenced(among: absent).count == absent.count else {
      throw VaultError(.conflict, during: "copying objects that were purged meanwhile")
    }
  }

  // MARK: Ending

  public func commit(_ note: [UInt8]) throws(VaultError) {
    do {
      try AtomicFile.write(note, to: backup.note, on: fileSystem)
    } catch {
      throw VaultError(error)
    }
    pinned = nil
  }

  public func finish() throws(VaultError) {
    try failingAsVault("removing what no longer counts") {
      for number in try sets() where number != set {
        try Directory.removeTree(backup.sets + "/\(number)", on: fileSystem)
      }
      try sweepObjects()
    }
    abandon()
  }

  public func abandon() {
    pinned = nil
    lock = nil
  }

  /// Removes objects that the manifest does not list: of purged calls, and what interrupted runs left.
  private func sweepObjects() throws {
    var manifest = try ManifestFile(folder + "/" + BackupLayout.manifest, on: fileSystem)
    var line = try manifest.next()
    for upper in try Directory.names(in: backup.objects, on: fileSystem) {
      for lower in try Directory.names(in: "\(backup.objects)/\(upper)", on: fileSystem) {
        let folder = "\(upper)/\(lower)"
        for name in try Directory.names(in: "\(backup.objects)/\(folder)", on: fileSystem) {
          let path = "objects/\(folder)/\(name)"
          while let listed = line, listed.path.utf8.lexicographicallyPrecedes(path.utf8) {
            line = try manifest.next()
          }
          if line?.path != path {
            try Directory.remove("\(backup.root)/\(path)", on: fileSystem)
          }
        }
      }
    }
  }
}

extension BackupContents {
  /// Counts a page of objects.
  ///
  /// - Returns: the manifest's lines of those that are there.
  fileprivate mutating func count(
    _ page: [CatalogPin.Object], _ outcomes: [ObjectCopy.Outcome]
  ) -> [UInt8] {
    var lines: [UInt8] = []
    for (object, outcome) in zip(page, outcomes) {
      recordings += 1
      switch outcome {
      case .absent, .damaged:
        lost += 1
        continue
      case .kept: break
      case .copied:
        copied += 1
        copiedBytes += object.length
      }
      files += 1
      bytes += object.length
      lines += "\(object.digest.hex)  objects/\(ObjectCopy.path(of: object.name))\n".utf8
    }
    return lines
  }
}

/// The objects that the former manifest lists, asked for in order of name.
private struct FormerObjects: ~Copyable {
  private var manifest: ManifestFile?
  private var line: ManifestLine?

  init(
    _ former: BackupNote?, in backup: BackupLayout, on fileSystem: any FileSystem
  ) throws(VaultError) {
    guard let former else {
      manifest = nil
      return
    }
    let path = backup.root + "/" + BackupLayout.manifest(of: former.set)
    // A manifest that is not the one that was signed says nothing: then every object is read.
    do throws(VaultError) {
      guard try ManifestFile.digest(path, on: fileSystem) == former.contents.manifest else {
        manifest = nil
        return
      }
    } catch {
      guard error.code == .tampered else { throw error }
      manifest = nil
      return
    }
    manifest = try ManifestFile(path, on: fileSystem)
    line = try manifest?.next()
  }

  mutating func lists(_ name: BlobName, _ digest: SHA256Digest) throws(VaultError) -> Bool {
    let path = "objects/" + ObjectCopy.path(of: name)
    while let listed = line, listed.path.utf8.lexicographicallyPrecedes(path.utf8) {
      line = try manifest?.next()
    }
    return line?.path == path && line?.digest == digest
  }
}
