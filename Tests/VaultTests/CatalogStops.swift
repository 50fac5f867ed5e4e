import Audit
import Database
import Drivers
import Foundation
import Testing

@testable import Vault

/// What a machine that dies between two commits of the catalog leaves.
extension Practice {
  /// Where each commit ends in the catalog's write-ahead log:
  /// <https://sqlite.org/fileformat2.html#walformat>.
  func catalogCommits() throws -> [Int] {
    let log = [UInt8](try Data(contentsOf: folder.appending(path: "catalog.sqlite-wal")))
    try #require(log.count > 32)
    func word(_ offset: Int) -> Int {
      log[offset..<offset + 4].reduce(0) { $0 << 8 | Int($1) }
    }
    let length = 24 + word(8)
    // What is left of an earlier log has other salts; the last frame of a commit says the file's size.
    let frames = stride(from: 32, through: log.count - length, by: length).filter {
      log[$0 + 8..<$0 + 16] == log[16..<24] && word($0 + 4) != 0
    }
    return frames.map { $0 + length }
  }

  /// A copy of the folder: of the catalog what it had by a commit, of the log all.
  ///
  /// With an `index`, something else had moved the catalog's position to that entry by then.
  func stopped(after commit: Int, overtakenBy index: Int64? = nil) async throws -> URL {
    let copy = FileManager.default.temporaryDirectory
      .appending(path: "callvault-\(UUID().uuidString)")
    try FileManager.default.copyItem(at: folder, to: copy)
    let catalog = copy.appending(path: "catalog.sqlite").path
    try FileManager.default.removeItem(atPath: catalog + "-shm")
    let file = try #require(FileHandle(forWritingAtPath: catalog + "-wal"))
    try file.truncate(atOffset: UInt64(commit))
    try file.close()
    if let index {
      let position = LogPosition(index: index, leafHash: try await log.leafHash(at: index))
      try await SQLiteCatalog(catalog).advance(to: position)
    }
    return copy
  }

  /// Lets no row of the catalog get a value in a column, as if the volume were full, while `body` runs.
  func refusing(_ column: SQL, of table: SQL, _ body: () async throws -> Void) async throws {
    let writer = try Connection(folder.path + "/catalog.sqlite", for: .writing)
    // The least integer has no absolute value.
    try writer.execute(
      "CREATE INDEX no_room ON " + table + " (abs(" + column
        + " * 0 - 9223372036854775807 - 1)) WHERE " + column + " IS NOT NULL")
    try await body()
    try writer.execute("DROP INDEX no_room")
  }
}
