/// A connection to a server, through which bytes go and come in order.
///
/// Calls block for as long as their deadlines say at most, so a stream belongs to an actor with a thread of
/// its own.
public protocol ClientStream: AnyObject {
  /// Sends all of `bytes`.
  ///
  /// - Throws: ``TLSClientError``; the connection is then of no use any more.
  func write(_ bytes: [UInt8]) throws(TLSClientError)

  /// Waits for the next bytes, 1 to 16,384 of them; nil when the other side has ended the connection in order.
  ///
  /// - Throws: ``TLSClientError``: ``TLSClientError/Code/timeout`` past the deadline, after which the connection
  ///   may be used on.
  func receive(by deadline: ContinuousClock.Instant) throws(TLSClientError) -> [UInt8]?
}
