/// A secret with several holders, wiped when the last one lets go.
///
/// For keys that live as long as the process is unsealed; a key of one call or part has one owner
/// and is a ``SecretBytes``.
public final class SharedSecret: Sendable {
  private let secret: SecretBytes

  public init(_ secret: consuming SecretBytes) {
    self.secret = secret
  }

  public var count: Int { secret.count }

  /// Lends the bytes for the time of the call.
  public func withBytes<Result: ~Copyable, Failure: Error>(
    _ body: (RawSpan) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    try secret.withBytes(body)
  }

  /// Lends the secret itself, for what takes one.
  public func withSecret<Result: ~Copyable, Failure: Error>(
    _ body: (borrowing SecretBytes) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    try body(secret)
  }

  /// A copy with an owner of its own.
  public func duplicate() throws(CryptographyError) -> SecretBytes {
    try secret.duplicate()
  }
}
