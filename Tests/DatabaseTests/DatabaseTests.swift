import Database
import FaultInjection
import Foundation
import Testing

private let schema: SQL = """
  CREATE TABLE owner (id INTEGER PRIMARY KEY) STRICT;
  CREATE TABLE thing (
    id INTEGER PRIMARY KEY, name TEXT UNIQUE, bytes BLOB,
    owner INTEGER REFERENCES owner (id)) STRICT;
  """

private func opened(_ directory: TemporaryDirectory) throws -> Connection {
  let connection = try Connection(directory.path + "/db", for: .writing)
  try connection.execute(schema)
  return connection
}

private func count(_ connection: Connection) throws -> Int? {
  try connection.first("SELECT count(*) FROM thing") { (row) throws(DatabaseError) in
    try row.int(0)
  }
}

@Suite struct DatabaseTests {
  @Test func valuesComeBackAsTheyWere() throws {
    let directory = try TemporaryDirectory()
    let connection = try opened(directory)
    let names: [String?] = [nil, "", "Zoë", "nul\0inside", "'); DROP TABLE thing; --"]
    let blobs: [[UInt8]?] = [nil, [], [0], Array(0...255), [UInt8](repeating: 7, count: 1 << 20)]
    for (number, (name, blob)) in zip(names, blobs).enumerated() {
      #expect(
        try connection.run(
          "INSERT INTO thing (id, name, bytes) VALUES (?, ?, ?)", number, name, blob)
          == 1)
    }
    try connection.run("INSERT INTO thing (id) VALUES (?)", Int64.max)
    let found = try connection.rows("SELECT name, bytes FROM thing WHERE id < ? ORDER BY id", 5) {
      (row) throws(DatabaseError) in
      (try row.optionalText(0), try row.optionalBlob(1))
    }
    #expect(found.map(\.0) == names)
    #expect(found.map(\.1) == blobs)
  }

  @Test func aTransactionIsWholeOrNothing() throws {
    let directory = try TemporaryDirectory()
    let connection = try opened(directory)
    struct Stop: Error {}
    #expect(throws: Stop.self) {
      try connection.transaction {
        try connection.run("INSERT INTO thing (id) VALUES (1)")
        throw Stop()
      }
    }
    #expect(try count(connection) == 0)
    _ = try connection.transaction { try connection.run("INSERT INTO thing (id) VALUES (1)") }
    let reader = try Connection(directory.path + "/db", for: .reading)
    #expect(try count(reader) == 1)
    let refused = #expect(throws: DatabaseError.self) {
      try reader.run("INSERT INTO thing (id) VALUES (2)")
    }
    #expect(refused?.code == .readOnly)
  }

  @Test func errorsHaveCodesAndNameNoValue() throws {
    let directory = try TemporaryDirectory()
    let connection = try opened(directory)
    let secret = "+1 202 555 0100"
    let insert: SQL = "INSERT INTO thing (name, owner) VALUES (?, ?)"
    try connection.run(insert, secret, nil as Int?)
    let attempts: [(DatabaseError.Code, () throws -> Void)] = [
      (.constraint, { try connection.run(insert, secret, nil as Int?) }),
      (.constraint, { try connection.run(insert, nil as String?, 99) }),
      (.constraint, { try connection.run("INSERT INTO thing (owner) VALUES (?)", secret) }),
      (.misuse, { try connection.run(insert, secret) }),
      (.misuse, { try connection.run("INSERT INTO nothing VALUES (?)", secret) }),
      (.misuse, { try connection.run("SELECT 1; SELECT 2") }),
      // A double-quoted word is a column, never a text: a typing error must not become data.
      (.misuse, { try connection.run("SELECT \"word\"") }),
      (.misuse, { try connection.run("ATTACH ? AS other", directory.path + "/other") }),
    ]
    for (code, attempt) in attempts {
      let error = #expect(throws: DatabaseError.self) { try attempt() }
      #expect(error?.code == code)
      let told = error.map { "\($0) \($0.cause.map { "\($0)" } ?? "")" } ?? ""
      #expect(!told.contains("555") && !told.contains(directory.path), "\(told)")
    }
    let wrongType = #expect(throws: DatabaseError.self) {
      _ = try connection.first("SELECT name FROM thing") { (row) throws(DatabaseError) in
        try row.integer(0)
      }
    }
    #expect(wrongType?.code == .damaged)
  }

  @Test func aFileThatIsNoDatabaseIsDamaged() throws {
    let directory = try TemporaryDirectory()
    let path = directory.path + "/db"
    try Data(repeating: 0x41, count: 8192).write(to: URL(fileURLWithPath: path))
    let error = #expect(throws: DatabaseError.self) { try Connection(path, for: .writing) }
    #expect(error?.code == .damaged)
  }

  /// Each page of a database overwritten in turn: found or harmless, never a trap.
  @Test func damagedPagesAreFound() throws {
    let directory = try TemporaryDirectory()
    let path = directory.path + "/db"
    do {
      let connection = try opened(directory)
      for number in 0..<500 {
        try connection.run(
          "INSERT INTO thing (id, name, bytes) VALUES (?, ?, ?)", number, "name \(number)",
          [UInt8](repeating: UInt8(number % 256), count: 50))
      }
      try connection.checkIntegrity()
      try connection.checkpoint()
    }
    let whole = try Data(contentsOf: URL(fileURLWithPath: path))
    var found = 0
    for page in 0..<(whole.count / 4096) {
      var damaged = whole
      for offset in 0..<100 { damaged[page * 4096 + offset] = UInt8.random(in: 0...255) }
      try damaged.write(to: URL(fileURLWithPath: path))
      do {
        let connection = try Connection(path, for: .writing)
        _ = try count(connection)
        try connection.checkIntegrity()
      } catch {
        #expect(error is DatabaseError)
        found += 1
      }
      for ending in ["-wal", "-shm"] {
        try? FileManager.default.removeItem(atPath: path + ending)
      }
    }
    #expect(found == whole.count / 4096)
  }

  @Test func deletedBytesAreWiped() throws {
    let directory = try TemporaryDirectory()
    let connection = try opened(directory)
    let canary = [UInt8]("a canary that must not sing".utf8)
    try connection.run("INSERT INTO thing (id, bytes) VALUES (1, ?)", canary)
    try connection.checkpoint()
    func sings() throws -> Bool {
      try directory.names().contains { name in
        try FileHandle(forReadingFrom: URL(fileURLWithPath: directory.path + "/" + name))
          .readToEnd()?.range(of: Data(canary)) != nil
      }
    }
    #expect(try sings())
    try connection.run("DELETE FROM thing")
    try connection.checkpoint()
    #expect(try !sings())
  }

  @Test func anIsolatedConnectionTakesTurns() async throws {
    let directory = try TemporaryDirectory()
    try opened(directory).checkpoint()
    let connection = try IsolatedConnection(directory.path + "/db", for: .writing)
    try await withThrowingTaskGroup(of: Void.self) { group in
      for number in 0..<50 {
        group.addTask {
          try await connection.perform { connection in
            try connection.transaction {
              _ = try connection.run("INSERT INTO thing (id) VALUES (?)", number)
            }
          }
        }
      }
      try await group.waitForAll()
    }
    #expect(try await connection.perform { try count($0) } == 50)
  }
}
