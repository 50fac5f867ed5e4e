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

  nonisolated var unownedExecutor: UnownedSerialExecutor {
    unsafe executor.asUnownedSerialExecutor()
  }

  init(_ folder: SupervisorFolder, operatorLog: OperatorLog) throws(ThreadingError) {
    executor = try BlockingExecutor(label: "failover-state")
    self.folder = folder
    self.operatorLog = operatorLog
  }

  func keep(_ remembered: RememberedRouting) {
    do {
      try AtomicFile.write(remembered.encoded, to: folder.state, on: LinuxFileSystem())
      hasFailed = false
    } catch {
      if !hasFailed {
        operatorLog.write(
          .error, "state-not-kept", ["cause": .string(OperatorLog.describe(error))])
      }
      hasFailed = true
    }
  }
}
