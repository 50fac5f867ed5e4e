import Drivers
import Encoding
import Host
import Threading
import Vault

/// What `doctor` says of backups and of the objects' health.
extension DoctorCommand {
  static func backup(
    _ layout: StorageLayout, _ settings: Settings, _ findings: inout [Finding]
  ) async {
    if let folder = settings.backup.folder {
      if let place = MachineFacts.file(folder) {
        if place.device == MachineFacts.file(layout.root)?.device {
          findings.append(
            Finding(
              "backup", .warning, "\(folder) is on the volume of the data",
              "put it on another: a volume is lost as a whole"))
        }
      } else {
        findings.append(
          Finding(
            "backup", .red, "there is no \(folder)",
            "mount it, or correct `backup` in callvault.yaml"))
      }
    }
    do throws(VaultError) {
      guard let age = try await SQLiteCatalog.lastBackup(in: layout.catalog) else {
        return findings.append(
          Finding("backup", .warning, "none is known yet", "callvault backup DIR"))
      }
      let now = Timestamp(milliseconds: SystemClock().read().milliseconds)
      let isOld = .seconds(age.seconds(at: now)) > settings.backup.limit
      let hours = age.seconds(at: now) / 3600
      switch age {
      case .made(let time):
        findings.append(
          Finding(
            "backup", isOld ? .red : .good, "the last one is of \(time.rfc3339)",
            isOld ? "callvault backup; it was \(hours) hours ago" : nil))
      case .due:
        findings.append(
          Finding("backup", isOld ? .red : .warning, "there is none", "callvault backup DIR"))
      }
    } catch {
      findings.append(
        Finding(
          "backup", .warning, "nobody can tell when the last one was made: \(error)",
          "see the catalog's finding"))
    }
  }
}
