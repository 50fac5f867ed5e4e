/// Why a workbook could not be made: libxlsxwriter refused, or the disk did.
public struct SpreadsheetError: Error, CustomStringConvertible {
  /// The operation that failed, in words for a log line.
  public let operation: StaticString
  /// libxlsxwriter's words.
  public let reason: String

  public var description: String { "\(reason) while \(operation)" }
}
