import Database
import FaultInjection
import Foundation
import Testing

/// What a commit does when the file cannot grow.
@Suite struct FullDiskTests {
  /// The limit belongs to a process, so a child of the test runs with it: `#expect(processExits…)`.
  @Test func aFullDiskLosesNothingCommitted() async {
    await #expect(processExitsWith: .success) {
      let directory = try TemporaryDirectory()
      let path = directory.path + "/db"
      let connection = try Connection(path, for: .writing)
      try connection.execute("CREATE TABLE thing (id INTEGER PRIMARY KEY, bytes BLOB) STRICT")
      signal(SIGXFSZ, SIG_IGN)
      var limit = rlimit(rlim_cur: 300_000, rlim_max: rlim_t.max)
      unsafe setrlimit(__rlimit_resource_t(RLIMIT_FSIZE.rawValue), &limit)
      var committed = 0
      var refusal: DatabaseError?
      while refusal == nil && committed < 1000 {
        do {
          try connection.transaction {
            _ = try connection.run(
              "INSERT INTO thing (bytes) VALUES (?)", [UInt8](repeating: 1, count: 9000))
          }
          committed += 1
        } catch let error as DatabaseError {
          refusal = error
        }
      }
      precondition(refusal?.code == .full || refusal?.code == .inputOutput)
      limit.rlim_cur = rlim_t.max
      unsafe setrlimit(__rlimit_resource_t(RLIMIT_FSIZE.rawValue), &limit)
      if refusal?.code == .inputOutput {
        // There is room again, but what the kernel holds of the failed write nobody knows.
        do {
          try connection.transaction { try connection.execute("DELETE FROM thing") }
          preconditionFailure("a poisoned connection wrote")
        } catch let error as DatabaseError {
          precondition(error.code == .poisoned)
        }
      }
      let again = try Connection(path, for: .writing)
      try again.checkIntegrity()
      let count = try again.first("SELECT count(*) FROM thing") { (row) throws(DatabaseError) in
        try row.int(0)
      }
      precondition(committed > 10 && count == committed, "\(committed) \(count ?? -1)")
    }
  }
}
