import Threading

/// A connection with a thread of its own, so that a slow disk blocks nobody but its callers.
public actor IsolatedConnection {
  private let executor: BlockingExecutor
  private let connection: Connection

  public nonisolated var unownedExecutor: UnownedSerialExecutor {
    unsafe executor.asUnownedSerialExecutor()
  }

  /// Opens the database at `path`; blocks the caller while it does.
  ///
  /// - Throws: ``DatabaseError``.
  public init(_ path: String, for access: Connection.Access) throws(DatabaseError) {
    do {
      executor = try BlockingExecutor(label: "sqlite")
    } catch {
      throw DatabaseError(.inputOutput, during: "starting the database's thread", cause: error)
    }
    connection = try Connection(path, for: access)
  }

  /// Runs `body` with the connection; calls come one after another.
  public func perform<Result: Sendable>(
    _ body: @Sendable (Connection) throws -> Result
  ) throws -> Result {
    try body(connection)
  }
}
