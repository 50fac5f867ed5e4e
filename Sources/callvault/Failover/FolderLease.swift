import Drivers
import Durable
import Encoding
import Failover

/// The lease of supervisors on one machine: a lock on their folder, and a number in it that only grows.
///
/// The kernel gives the lock back when its holder ends, however it ends; what the holder had under way towards
/// others ends with it.
final class FolderLease: LeaseStore {
  private let folder: SupervisorFolder
  private let node: String
  private let lock: DirectoryLock

  /// Takes the lock.
  ///
  /// - Throws: ``FailoverError/Code/fenced`` while another process has it.
  init(_ folder: SupervisorFolder, node: String) throws(FailoverError) {
    self.folder = folder
    self.node = node
    do {
      lock = try DirectoryLock(folder.root, on: LinuxFileSystem())
    } catch {
      throw FailoverError(
        error.code == .locked ? .fenced : .unavailable, during: "locking the supervisor's folder",
        cause: error)
    }
  }

  func acquire() async throws(FailoverError) -> Lease {
    let last = try lastFencing()
    let object: JSONObject = [
      "fencing": .integer(last + 1), "holder": .string(node), "v": 1,
    ]
    do throws(DurableError) {
      try AtomicFile.write(
        JSONValue.object(object).encoded() + [0x0A], to: folder.lease, on: LinuxFileSystem())
    } catch {
      throw FailoverError(.unavailable, during: "keeping the lease", cause: error)
    }
    return Lease(fencing: last + 1)
  }

  /// The number of the last lease; 0 where there never was one.
  private func lastFencing() throws(FailoverError) -> Int64 {
    let bytes: [UInt8]
    do throws(DurableError) {
      bytes = try AtomicFile.read(folder.lease, limit: 4096, on: LinuxFileSystem())
    } catch {
      if error.code == .notFound { return 0 }
      throw FailoverError(.unavailable, during: "reading the lease", cause: error)
    }
    // A number that cannot be read might be lower than one that is in use: nothing is commanded then.
    guard let object = try? JSONValue(parsing: bytes).object, object["v"]?.integer == 1,
      let fencing = object["fencing"]?.integer, fencing > 0, fencing < 1 << 53
    else { throw FailoverError(.unavailable, during: "reading the lease") }
    return fencing
  }

  func holds(_ lease: Lease) async -> Bool { true }
}
