import CSQLite
import Glibc

/// Why the embedded database refused a statement.
///
/// Programs branch on ``code``, operators read ``cause``. The description may go to a client: it
/// holds no key, no plaintext and no path, and never a bound value.
public struct DatabaseError: Error, CustomStringConvertible {
  /// What went wrong, in terms a program can act on.
  public enum Code: Sendable {
    /// Another connection holds the lock.
    case busy
    /// A uniqueness or check rule forbids the change.
    case constraint
    /// The volume is full.
    case full
    /// The file is not a database, its pages are inconsistent, or a column holds another type.
    case damaged
    /// The database cannot be written.
    case readOnly
    /// The statement does not match its parameters or columns.
    case misuse
    /// An earlier commit failed in the file system; this connection makes no promise any more.
    case poisoned
    /// The system reported another failure.
    case inputOutput
  }
  public let code: Code
  /// The operation that failed, in words for a log line.
  public let operation: StaticString
  /// What lies beneath, for the operator only.
  public let cause: (any Error)?

  public init(_ code: Code, during operation: StaticString, cause: (any Error)? = nil) {
    self.code = code
    self.operation = operation
    self.cause = cause
  }

  public var description: String { "\(code) while \(operation)" }
}

/// What SQLite said: its number and the number's fixed text, and the statement without values.
public struct SQLiteFailure: Error, CustomStringConvertible {
  /// An extended result code, <https://sqlite.org/rescode.html>.
  public let resultCode: Int32
  /// The operating system's number, 0 if it was not involved.
  public let systemNumber: Int32
  /// The statement, if there was one: literals of this program only.
  public let sql: SQL?

  public var description: String {
    let text = unsafe sqlite3_errstr(resultCode).map { unsafe String(cString: $0) } ?? ""
    return "SQLite \(resultCode) (\(text)), system \(systemNumber), in: \(sql?.text ?? "-")"
  }
}

extension DatabaseError {
  init(_ failure: SQLiteFailure, during operation: StaticString) {
    let code: Code
    switch failure.resultCode & 0xff {
    case SQLITE_BUSY, SQLITE_LOCKED: code = .busy
    case SQLITE_CONSTRAINT: code = .constraint
    case SQLITE_FULL: code = .full
    // Where SQLite names the call that met the full volume, and not the volume.
    case SQLITE_IOERR where [ENOSPC, EDQUOT].contains(failure.systemNumber): code = .full
    case SQLITE_CORRUPT, SQLITE_NOTADB, SQLITE_FORMAT: code = .damaged
    case SQLITE_READONLY, SQLITE_PERM: code = .readOnly
    case SQLITE_MISUSE, SQLITE_RANGE, SQLITE_MISMATCH, SQLITE_ERROR, SQLITE_TOOBIG: code = .misuse
    default: code = .inputOutput
    }
    self.init(code, during: operation, cause: failure)
  }
}
