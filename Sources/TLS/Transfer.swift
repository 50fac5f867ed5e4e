/// What a non-blocking operation on a connection came to.
public enum Transfer: Sendable {
  /// That many bytes went; for a handshake, that it is done.
  case done(Int)
  /// The peer will send nothing more.
  case end
  /// Nothing more until the socket is readable.
  case wantsRead
  /// Nothing more until the socket is writable.
  case wantsWrite
  /// The connection is broken.
  case failed
}
