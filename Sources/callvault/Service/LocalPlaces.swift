import Drivers
import Durable
import Encoding
import Vault

/// The folders of this machine in which backups lie and drills take place.
struct LocalPlaces: MaintenancePlaces {
  let layout: StorageLayout
  let settings: Settings
  let catalog: SQLiteCatalog

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
    return (try RestoredAside(folder, aside: aside ?? layout.root + ".drill"), folder)
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
    guard folder.hasPrefix("/") else {
      throw VaultError(
        .invalid, during: "looking for the backup's folder", detail: "name the folder from / on")
    }
    return folder.count > 1 && folder.hasSuffix("/") ? String(folder.dropLast()) : folder
  }
}
