import Drivers
import Durable
import Encoding
import Vault

/// The folders of this machine in which backups lie and drills take place.
struct LocalPlaces: MaintenancePlaces {
  // From / on: what lies beside the data directory, and what is told of it, must not depend on where the
  // service was started.
  let layout: StorageLayout
  let settings: Settings
  let catalog: SQLiteCatalog

  /// - Throws: ``CommandFailure`` where the working directory has no name.
  init(
    layout: StorageLayout, settings: Settings, catalog: SQLiteCatalog
  ) throws(CommandFailure) {
    self.layout = StorageLayout(root: try absolute(layout.root))
    self.settings = settings
    self.catalog = catalog
  }

  func target(
    _ folder: String?
  ) throws(VaultError) -> (target: any BackupTarget, name: String) {
    let folder = try self.folder(folder)
    return (
      try BackupFolder(
        folder, of: layout, catalog: catalog, tenant: settings.tenant,
        includesRing: settings.backupHoldsRing), folder
    )
  }

  func source(
    _ folder: String?, aside: String?
  ) throws(VaultError) -> (source: any DrillSource, name: String) {
    let folder = try self.folder(folder)
    let aside =
      try aside.map { path throws(VaultError) in try fromRoot(path) } ?? layout.root + ".drill"
    return (try RestoredAside(folder, aside: aside), folder)
  }

  func keep(certificate: [UInt8], of time: Timestamp) throws(VaultError) -> String {
    let files = LinuxFileSystem()
    let path = "\(layout.drills)/\(time.rfc3339.prefix(19)).note"
    do throws(DurableError) {
      try Directory.make(layout.drills, below: layout.root, on: files)
      try AtomicFile.write(certificate, to: path, on: files)
    } catch {
      throw VaultError(.unavailable, during: "keeping a drill's certificate", cause: error)
    }
    return path
  }

  private func folder(_ given: String?) throws(VaultError) -> String {
    guard let folder = given ?? settings.backup.folder else {
      throw VaultError(
        .invalid, during: "looking for the backup's folder",
        detail: "name the folder, or set `backup: { folder: … }` in callvault.yaml")
    }
    return try fromRoot(folder)
  }

  private func fromRoot(_ folder: String) throws(VaultError) -> String {
    guard folder.hasPrefix("/") else {
      throw VaultError(
        .invalid, during: "looking for a folder", detail: "name the folder from / on")
    }
    return folder.count > 1 && folder.hasSuffix("/") ? String(folder.dropLast()) : folder
  }
}
