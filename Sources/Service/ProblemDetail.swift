/// An RFC 9457 problem document: what a client is told of a failure.
///
/// `detail` says what to do and holds no caller detail, key or path.
public struct ProblemDetail: Sendable, Equatable {
  public let status: Int
  /// The last path element of the stable `type` URI.
  public let kind: String
  public let title: String
  public let detail: String
  /// Ours, never the client's.
  public let requestID: String
}
