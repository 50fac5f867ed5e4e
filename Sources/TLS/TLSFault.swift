import COpenSSL

/// What could not be done with TLS, and what OpenSSL says of it.
public struct TLSFault: Error, CustomStringConvertible {
  /// What was being done.
  public let operation: StaticString
  /// What OpenSSL had in its error queue.
  public let description: String

  /// Takes the first error of the thread's queue, and empties it.
  public init(during operation: StaticString) {
    self.operation = operation
    var text = [CChar](repeating: 0, count: 256)
    unsafe ERR_error_string_n(ERR_get_error(), &text, text.count)
    ERR_clear_error()
    description = String(
      decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }
}
