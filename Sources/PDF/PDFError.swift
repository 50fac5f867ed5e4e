/// Why a document could not be made: libharu refused, or there is no memory.
public struct PDFError: Error, CustomStringConvertible {
  /// The operation that failed, in words for a log line.
  public let operation: StaticString
  /// libharu's error number.
  public let number: UInt

  public var description: String { "libharu failed (\(number)) while \(operation)" }
}
