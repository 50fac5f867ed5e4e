import Cryptography
import Drivers
import Durable
import Encoding
import Host
import TLSClient
import Threading
import Views

/// What `doctor` looks at of a sink: its files, and how far behind the log it is.
enum SinkExamination {
  private typealias Finding = DoctorCommand.Finding

  static func look(
    _ sink: SinkSettings, _ layout: StorageLayout, origin: String, size: Int64?,
    _ findings: inout [DoctorCommand.Finding]
  ) {
    let check = "sink \(sink.name)"
    switch sink.receiver {
    case .syslog(let settings, _, _, _):
      for file in [settings.authorities, settings.certificate, settings.key].compactMap({ $0 })
      where MachineFacts.file(file) == nil {
        findings.append(
          Finding(check, .red, "there is no \(file)", "put it there, or correct `sinks`"))
      }
      expiry(of: settings.certificate, check, &findings)
    case .json(let folder):
      if !MachineFacts.mayChange(folder) {
        findings.append(
          Finding(
            check, .red, "this user may not write to \(folder)",
            "make it, and give it to the service's user"))
      }
    }
    position(sink.positionFile(layout), origin: origin, size: size, check, &findings)
  }

  private static func expiry(
    of certificate: String?, _ check: String, _ findings: inout [DoctorCommand.Finding]
  ) {
    guard let certificate, MachineFacts.file(certificate) != nil else { return }
    do {
      let pem = try AtomicFile.read(certificate, limit: 1 << 20, on: LinuxFileSystem())
      let expires = try Certificates(pem: pem).expiry()
      let days = (expires.milliseconds - SystemClock().read().milliseconds) / 86_400_000
      if days < 14 {
        findings.append(
          Finding(
            check, days < 0 ? .red : .warning, "\(certificate) ends \(expires.rfc3339)", "renew it")
        )
      }
    } catch {
      findings.append(
        Finding(check, .red, "\(certificate) cannot be read as a certificate", "replace it"))
    }
  }

  private static func position(
    _ path: String, origin: String, size: Int64?, _ check: String,
    _ findings: inout [DoctorCommand.Finding]
  ) {
    do {
      let bytes = try AtomicFile.read(
        path, limit: SinkPosition.maximumByteCount, on: LinuxFileSystem())
      let position = try SinkPosition(parsing: bytes)
      let next = position.next
      guard position.origin == origin, next <= size ?? .max else {
        throw SinkError(.foreign, during: "comparing a sink's position with the log")
      }
      let behind = size.map { max(0, $0 - next) }
      // A session under way, and what was published after it, are no reason to worry.
      if let behind, behind > SinkExamination.worry {
        findings.append(
          Finding(
            check, .warning, "\(behind) entries are not delivered",
            "see `upkeep-failing` in the service's log; is the receiver there?"))
      } else {
        findings.append(Finding(check, .good, "has the entries before \(next)"))
      }
    } catch let error as DurableError where error.code == .notFound {
      findings.append(Finding(check, .skipped, "nothing was delivered yet"))
    } catch {
      findings.append(
        Finding(
          check, .red, "\(path) is not a position of this log",
          "find out what changed it; removed, the sink begins at index 0"))
    }
  }

  /// Entries behind the log beyond which something is wrong.
  private static let worry: Int64 = 4096
}
