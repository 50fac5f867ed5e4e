import Glibc

/// A connection without TLS, for servers on this machine and for finding out whether one can be reached.
public final class PlainStream: ClientStream {
  private let socket: ClientSocket
  private let writeTimeout: Duration

  /// Connects to the first address of the host that answers.
  ///
  /// - Throws: ``TLSClientError/Code/unreachable``, ``TLSClientError/Code/timeout``.
  public init(
    to host: String, port: UInt16, within limit: Duration, writeTimeout: Duration = .seconds(10)
  ) throws(TLSClientError) {
    signal(SIGPIPE, SIG_IGN)
    socket = try ClientSocket(to: host, port: port, within: limit)
    self.writeTimeout = writeTimeout
  }

  public func write(_ bytes: [UInt8]) throws(TLSClientError) {
    var sent = 0
    var deadline = ContinuousClock.now + writeTimeout
    while sent < bytes.count {
      let count = unsafe bytes.withUnsafeBytes { buffer in
        let rest = unsafe UnsafeRawBufferPointer(rebasing: buffer[sent...])
        return unsafe Glibc.send(
          socket.descriptor, rest.baseAddress, rest.count, Int32(MSG_NOSIGNAL))
      }
      if count >= 0 {
        sent += count
        deadline = ContinuousClock.now + writeTimeout
      } else if errno == EAGAIN {
        try ClientSocket.wait(for: Int16(POLLOUT), on: socket.descriptor, until: deadline)
      } else if errno != EINTR {
        throw Self.fault(errno, "sending")
      }
    }
  }

  public func receive(by deadline: ContinuousClock.Instant) throws(TLSClientError) -> [UInt8]? {
    var buffer = [UInt8](repeating: 0, count: 16_384)
    while true {
      let count = unsafe recv(socket.descriptor, &buffer, buffer.count, 0)
      if count > 0 { return Array(buffer[..<count]) }
      if count == 0 { return nil }
      if errno == EAGAIN {
        try ClientSocket.wait(for: Int16(POLLIN), on: socket.descriptor, until: deadline)
      } else if errno != EINTR {
        throw Self.fault(errno, "receiving")
      }
    }
  }

  private static func fault(_ number: Int32, _ operation: StaticString) -> TLSClientError {
    TLSClientError(
      .interrupted, during: operation,
      cause: TLSClientFault(description: unsafe String(cString: strerror(number))))
  }
}
