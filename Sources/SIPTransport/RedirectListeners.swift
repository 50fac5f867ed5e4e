import CLinux
import Glibc

/// A bound socket for datagrams.
struct DatagramListener {
  private let socket: Socket
  let token: UInt64
  var descriptor: Int32 { socket.descriptor }

  /// The kernel caps it (`net.core.rmem_max`).
  private static let receiveBuffer: Int32 = 4 << 20

  init(_ endpoint: Endpoint, token: UInt64) throws(SIPTransportError) {
    socket = try Socket(SOCK_DGRAM, family: endpoint.family)
    var size = Self.receiveBuffer
    unsafe setsockopt(socket.descriptor, SOL_SOCKET, SO_RCVBUF, &size, 4)
    try socket.bind(to: endpoint)
    self.token = token
  }
}

/// A bound socket for connections.
struct StreamListener {
  private let socket: Socket
  let tls: TLSContext?
  let token: UInt64
  var descriptor: Int32 { socket.descriptor }

  init(_ endpoint: Endpoint, tls: TLSContext?, token: UInt64) throws(SIPTransportError) {
    socket = try Socket(SOCK_STREAM, family: endpoint.family)
    // Not for datagrams: there it would let two servers share a port, and each get some calls.
    var yes: Int32 = 1
    unsafe setsockopt(socket.descriptor, SOL_SOCKET, SO_REUSEADDR, &yes, 4)
    try socket.bind(to: endpoint)
    guard listen(socket.descriptor, 256) == 0 else { throw Socket.fault("listening") }
    self.tls = tls
    self.token = token
  }

  /// The next connection that waits; nil when none does, or when the kernel has no room for it now.
  func accept() -> (Socket, Endpoint)? {
    while true {
      var storage = sockaddr_storage()
      var size = socklen_t(MemoryLayout<sockaddr_storage>.size)
      let flags = Int32(SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue)
      let accepted = unsafe withUnsafeMutablePointer(to: &storage) {
        unsafe $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
          unsafe accept4(descriptor, $0, &size, flags)
        }
      }
      guard accepted >= 0 else {
        switch errno {
        case EAGAIN, EMFILE, ENFILE, ENOBUFS, ENOMEM, EBADF, EINVAL: return nil
        default: continue  // The client was gone before we came (accept(2)).
        }
      }
      let socket = Socket(accepted)
      guard let source = Endpoint(storage) else { continue }
      return (socket, source)
    }
  }
}
