import CSQLite

/// A compiled statement, which has one owner and goes back to its connection exactly once.
@safe
public struct Statement: ~Copyable {
  private let handle: OpaquePointer
  private let sql: SQL
  private let connection: Connection  // Must outlive the statement.

  init(_ handle: OpaquePointer, _ sql: SQL, of connection: Connection) {
    unsafe self.handle = handle
    self.sql = sql
    self.connection = connection
  }

  deinit {
    unsafe connection.giveBack(handle, sql)
  }

  /// Binds one value to each parameter, in order.
  ///
  /// - Throws: ``DatabaseError/Code/misuse`` when their number differs.
  public mutating func bind(_ values: [any Bindable]) throws(DatabaseError) {
    guard values.count == Int(unsafe sqlite3_bind_parameter_count(handle)) else {
      throw DatabaseError(.misuse, during: "binding values")
    }
    for (index, value) in values.enumerated() {
      let index = Int32(index + 1)
      let result: Int32
      switch value.storedValue {
      case .null:
        result = unsafe sqlite3_bind_null(handle, index)
      case .integer(let number):
        result = unsafe sqlite3_bind_int64(handle, index, number)
      case .text(var text):
        let handle = unsafe handle
        result = text.withUTF8 { bytes in
          // A null pointer would be stored as NULL, not as an empty text.
          guard let start = bytes.baseAddress else {
            return unsafe callvault_sqlite3_bind_text(handle, index, "", 0)
          }
          return unsafe callvault_sqlite3_bind_text(
            handle, index, UnsafeRawPointer(start).assumingMemoryBound(to: CChar.self),
            UInt64(bytes.count))
        }
      case .blob(let bytes) where bytes.isEmpty:
        result = unsafe sqlite3_bind_zeroblob(handle, index, 0)
      case .blob(let bytes):
        let handle = unsafe handle
        result = unsafe bytes.withUnsafeBytes {
          unsafe callvault_sqlite3_bind_blob(handle, index, $0.baseAddress, UInt64($0.count))
        }
      }
      try connection.check(result, "binding values", sql)
    }
  }

  /// Goes to the next row; false when there is none.
  public mutating func step() throws(DatabaseError) -> Bool {
    let result = unsafe sqlite3_step(handle)
    switch result {
    case SQLITE_ROW: return true
    case SQLITE_DONE: return false
    default:
      try connection.check(result, "running a statement", sql)
      return false
    }
  }

  /// Lends the row that ``step()`` has reached.
  public borrowing func withRow<Result>(
    _ read: (borrowing Row) throws(DatabaseError) -> Result
  ) throws(DatabaseError) -> Result {
    try read(unsafe Row(handle))
  }
}

/// The row a statement stands on.
///
/// Columns count from 0. /// A column that holds another type than asked for is ``DatabaseError/Code/damaged``: the schema
/// is strict, so the file was changed by something else.
@safe
public struct Row: ~Copyable {
  private let handle: OpaquePointer

  fileprivate init(_ handle: OpaquePointer) {
    unsafe self.handle = handle
  }

  private func require(_ type: Int32, _ column: Int32) throws(DatabaseError) {
    guard unsafe sqlite3_column_type(handle, column) == type else {
      throw DatabaseError(.damaged, during: "reading a column")
    }
  }

  public func isNull(_ column: Int32) -> Bool {
    unsafe sqlite3_column_type(handle, column) == SQLITE_NULL
  }

  public func integer(_ column: Int32) throws(DatabaseError) -> Int64 {
    try require(SQLITE_INTEGER, column)
    return unsafe sqlite3_column_int64(handle, column)
  }

  public func int(_ column: Int32) throws(DatabaseError) -> Int {
    Int(try integer(column))
  }

  public func text(_ column: Int32) throws(DatabaseError) -> String {
    try require(SQLITE_TEXT, column)
    return try anyText(column)
  }

  /// A column of any type as SQLite would print it; refused only when it is not UTF-8.
  public func anyText(_ column: Int32) throws(DatabaseError) -> String {
    // First the pointer, then the count: asking for the text may convert the column.
    let start = unsafe sqlite3_column_text(handle, column)
    let count = Int(unsafe sqlite3_column_bytes(handle, column))
    let bytes = unsafe UnsafeBufferPointer(start: start, count: count)
    guard let text = unsafe String(validating: bytes, as: UTF8.self) else {
      throw DatabaseError(.damaged, during: "reading a column")
    }
    return text
  }

  public func blob(_ column: Int32) throws(DatabaseError) -> [UInt8] {
    try require(SQLITE_BLOB, column)
    let start = unsafe sqlite3_column_blob(handle, column)
    let count = Int(unsafe sqlite3_column_bytes(handle, column))
    return unsafe [UInt8](UnsafeRawBufferPointer(start: start, count: count))
  }

  public func optionalInteger(_ column: Int32) throws(DatabaseError) -> Int64? {
    isNull(column) ? nil : try integer(column)
  }

  public func optionalInt(_ column: Int32) throws(DatabaseError) -> Int? {
    isNull(column) ? nil : try int(column)
  }

  public func optionalText(_ column: Int32) throws(DatabaseError) -> String? {
    isNull(column) ? nil : try text(column)
  }

  public func optionalBlob(_ column: Int32) throws(DatabaseError) -> [UInt8]? {
    isNull(column) ? nil : try blob(column)
  }
}
