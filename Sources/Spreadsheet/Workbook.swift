import CXLSXWriter

/// An Excel workbook, written row by row in constant memory.
///
/// The same calls give the same bytes. A cell's text is never a formula, whatever it begins with. The
/// file is unfinished until ``close()`` has returned.
@safe
public struct Workbook: ~Copyable {
  public enum Cell: Sendable {
    case text(String)
    /// Exact below 2^53.
    case number(Int64)
    case empty
  }

  /// Rows that a sheet holds.
  public static let maximumRows = 1_048_576
  /// Characters that a cell holds.
  public static let maximumText = 32_767

  private let handle: UnsafeMutablePointer<lxw_workbook>
  private let heading: UnsafeMutablePointer<lxw_format>
  private var sheet: UnsafeMutablePointer<lxw_worksheet>?
  private var row: UInt32 = 0
  private var isClosed = false

  /// Begins the file at `path`.
  ///
  /// - Parameters:
  ///   - path: replaced if it is there.
  ///   - scratch: a folder for rows that are on their way.
  ///   - title: what a reader shows as the workbook's name.
  ///   - created: seconds since 1970; the only date in the file.
  /// - Throws: ``SpreadsheetError`` when there is no memory.
  public init(
    _ path: String, scratch: String, title: String, created: Int64
  ) throws(SpreadsheetError) {
    let made = unsafe scratch.withCString { folder in
      var options = unsafe lxw_workbook_options()
      unsafe options.constant_memory = 1
      unsafe options.tmpdir = UnsafeMutablePointer(mutating: folder)
      return unsafe workbook_new_opt(path, &options)
    }
    guard let handle = unsafe made, let heading = unsafe workbook_add_format(handle) else {
      throw SpreadsheetError(operation: "beginning a workbook", reason: "no memory")
    }
    unsafe format_set_bold(heading)
    unsafe self.handle = handle
    unsafe self.heading = heading
    unsafe title.withCString { title in
      var properties = unsafe lxw_doc_properties()
      unsafe properties.title = UnsafeMutablePointer(mutating: title)
      unsafe properties.created = time_t(created)
      _ = unsafe workbook_set_properties(handle, &properties)
    }
  }

  deinit { if !isClosed { unsafe lxw_workbook_free(handle) } }

  /// Begins the next sheet: columns of these widths, in characters.
  public mutating func addSheet(_ name: String, widths: [Double]) throws(SpreadsheetError) {
    guard let sheet = unsafe workbook_add_worksheet(handle, name) else {
      throw SpreadsheetError(operation: "adding a sheet", reason: "the name is refused")
    }
    unsafe self.sheet = sheet
    row = 0
    for (column, width) in widths.enumerated() {
      try check(
        unsafe worksheet_set_column(sheet, UInt16(column), UInt16(column), width, nil),
        "sizing a column")
    }
  }

  /// Appends a row of bold text.
  public mutating func appendHeading(_ names: [String]) throws(SpreadsheetError) {
    try unsafe append(names.map { .text($0) }, heading)
  }

  /// Appends a row; the next one can then not be changed any more.
  ///
  /// - Precondition: a sheet was begun, and has fewer than ``maximumRows`` rows.
  public mutating func append(_ cells: [Cell]) throws(SpreadsheetError) {
    try unsafe append(cells, nil)
  }

  private mutating func append(
    _ cells: [Cell], _ format: UnsafeMutablePointer<lxw_format>?
  ) throws(SpreadsheetError) {
    guard let sheet = unsafe sheet, row < Self.maximumRows else {
      preconditionFailure("a sheet is begun first, and holds a bounded number of rows")
    }
    for (place, cell) in cells.enumerated() {
      let column = UInt16(place)
      let status =
        switch cell {
        case .text(let text):
          unsafe worksheet_write_string(
            sheet, row, column, String(text.prefix(Self.maximumText)), format)
        case .number(let number):
          unsafe worksheet_write_number(sheet, row, column, Double(number), format)
        case .empty: LXW_NO_ERROR
        }
      try check(status, "writing a cell")
    }
    row += 1
  }

  /// Finishes the file.
  ///
  /// - Throws: ``SpreadsheetError`` when it could not be written.
  public consuming func close() throws(SpreadsheetError) {
    isClosed = true
    try check(unsafe workbook_close(handle), "finishing a workbook")
  }

  private func check(_ status: lxw_error, _ operation: StaticString) throws(SpreadsheetError) {
    guard status == LXW_NO_ERROR else {
      throw SpreadsheetError(
        operation: operation, reason: unsafe String(cString: lxw_strerror(status)))
    }
  }
}
