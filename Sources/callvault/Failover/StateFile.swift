import Durable
import Encoding
import Failover
import Service
import Threading

/// Keeps what a start goes on from, on a thread of its own: a disk that hangs holds nobody up.
actor StateFile {
  private let folder: SupervisorFolder
  private let operatorLog: OperatorLog
  private let executor: BlockingExecutor
  private var hasFailed = false
  private var newest = 0

  nonisolated var unownedExecutor: UnownedSerialExecutor {
    unsafe executor.asUnownedSerialExecutor()
  }

  init(_ folder: SupervisorFolder, operatorLog: OperatorLog) throws(ThreadingError) {
    executor = try BlockingExecutor(label: "failover-state")
    self.folder = folder
    self.operatorLog = operatorLog
  }

  /// Keeps it, and for as long as the disk is full goes on trying until something newer is to be kept.
  ///
  /// Whoever asks counts: what is run beside the supervisor begins in any order, and an older state must not
  /// take the place of a newer one.
  func keep(_ remembered: RememberedRouting, number: Int) async {
    guard number > newest else { return }
    newest = number
    while number == newest {
      do throws(DurableError) {
        try AtomicFile.write(remembered.encoded, to: folder.state, on: LinuxFileSystem())
        hasFailed = false
        return
      } catch {
        if !hasFailed {
          operatorLog.write(
            .error, "state-not-kept", ["cause": .string(OperatorLog.describe(error))])
        }
        hasFailed = true
        guard error.code == .noSpace else { return }
      }
      do { try await Task.sleep(for: .seconds(1)) } catch { return }
    }
  }
}
