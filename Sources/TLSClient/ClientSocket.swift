import CLinux
import Glibc

/// A connected socket, which has one owner and so is closed exactly once.
struct ClientSocket: ~Copyable {
  let descriptor: Int32

  /// Connects to the first address of the host that answers.
  init(to host: String, port: UInt16, within limit: Duration) throws(TLSClientError) {
    var hints = unsafe addrinfo()
    unsafe hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
    unsafe hints.ai_flags = AI_NUMERICSERV
    var list: UnsafeMutablePointer<addrinfo>?
    let result = unsafe getaddrinfo(host, String(port), &hints, &list)
    guard result == 0, let first = unsafe list else {
      let reason = unsafe String(cString: gai_strerror(result))
      throw TLSClientError(
        .unreachable, during: "looking up the server's name",
        cause: TLSClientFault(description: reason))
    }
    defer { unsafe freeaddrinfo(first) }
    let deadline = ContinuousClock.now + limit
    var failure = TLSClientError(.unreachable, during: "connecting")
    var next: UnsafeMutablePointer<addrinfo>? = unsafe first
    while let address = unsafe next {
      do throws(TLSClientError) {
        descriptor = try unsafe Self.connected(to: address.pointee, by: deadline)
        return
      } catch {
        failure = error
      }
      unsafe next = unsafe address.pointee.ai_next
    }
    throw failure
  }

  deinit { close(descriptor) }

  private static func connected(
    to address: addrinfo, by deadline: ContinuousClock.Instant
  ) throws(TLSClientError) -> Int32 {
    let type = Int32(SOCK_STREAM.rawValue | SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue)
    let descriptor = unsafe socket(address.ai_family, type, 0)
    guard descriptor >= 0 else { throw fault(errno) }
    let result = unsafe connect(descriptor, address.ai_addr, address.ai_addrlen)
    do throws(TLSClientError) {
      if result != 0 {
        guard errno == EINPROGRESS else { throw fault(errno) }
        try wait(for: Int16(POLLOUT), on: descriptor, until: deadline)
      }
      var number: Int32 = 0
      var size = socklen_t(MemoryLayout<Int32>.size)
      guard unsafe getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &number, &size) == 0, number == 0
      else { throw fault(number) }
    } catch {
      close(descriptor)
      throw error
    }
    return descriptor
  }

  private static func fault(_ number: Int32) -> TLSClientError {
    TLSClientError(
      .unreachable, during: "connecting",
      cause: TLSClientFault(description: unsafe String(cString: strerror(number))))
  }

  /// Waits until the socket is ready, in pieces short enough to notice that the task was cancelled.
  static func wait(
    for events: Int16, on descriptor: Int32, until deadline: ContinuousClock.Instant,
    heedsCancellation: Bool = true
  ) throws(TLSClientError) {
    while true {
      var entry = pollfd(fd: descriptor, events: events, revents: 0)
      let left = deadline - ContinuousClock.now
      guard left > .zero else { throw TLSClientError(.timeout, during: "waiting for the server") }
      guard !heedsCancellation || !Task.isCancelled else {
        throw TLSClientError(.cancelled, during: "waiting for the server")
      }
      let count = unsafe poll(&entry, 1, 100)
      if count > 0 { return }
      guard count == 0 || errno == EINTR else {
        throw TLSClientError(.interrupted, during: "waiting for the server")
      }
    }
  }
}
