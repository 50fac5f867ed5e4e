import CLinux
import Glibc

/// A bound socket in the listening state, closed with its last reference.
@safe
final class ListeningSocket: Sendable {
  let socket: Int32
  let address: ListenAddress
  let tls: TLSContext?
  /// Keeps the kernel's queue long enough for a burst; the kernel caps it (`somaxconn`).
  private static let backlog: Int32 = 1_024

  /// Binds and listens, so that clients queue from here on.
  ///
  /// - Throws: ``HTTPError/Code/unavailable`` with the errno as its cause.
  init(_ listener: ServerConfiguration.Listener) throws(HTTPError) {
    switch listener {
    case .tcp(let address, let port, let tls):
      self.tls = tls
      socket = try Self.bind(address: address, port: port)
      self.address = try Self.boundAddress(of: socket)
    case .unix(let path, let mode):
      tls = nil
      socket = try Self.bind(path: path, mode: mode)
      address = .unix(path: path)
    }
  }

  deinit { close(socket) }

  /// Stops listening for good: clients are refused from here on, and do not queue in vain.
  func refuseClients() {
    shutdown(socket, Int32(SHUT_RDWR))
  }

  private static func fault(_ operation: StaticString) -> HTTPError {
    HTTPError(.unavailable, during: operation, cause: SystemError(number: errno))
  }

  private static func make(_ family: Int32) throws(HTTPError) -> Int32 {
    let kind = Int32(SOCK_STREAM.rawValue | SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue)
    let socket = CLinux.socket(family, kind, 0)
    guard socket >= 0 else { throw fault("making a socket") }
    return socket
  }

  private static func bind(address: String, port: UInt16) throws(HTTPError) -> Int32 {
    guard let family = unsafe SocketAddress.with(address, port: port, { family, _, _ in family })
    else { throw HTTPError(.unavailable, during: "reading a numeric address to listen on") }
    let socket = try make(family)
    var yes: Int32 = 1
    unsafe setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &yes, 4)
    let bound = unsafe SocketAddress.with(address, port: port) {
      unsafe CLinux.bind(socket, $1, $2)
    }
    guard bound == 0, listen(socket, backlog) == 0 else {
      defer { close(socket) }
      throw fault("listening on an address")
    }
    return socket
  }

  private static func boundAddress(of socket: Int32) throws(HTTPError) -> ListenAddress {
    var storage = sockaddr_storage()
    var size = socklen_t(MemoryLayout<sockaddr_storage>.size)
    let result = unsafe withUnsafeMutablePointer(to: &storage) {
      unsafe $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        unsafe getsockname(socket, $0, &size)
      }
    }
    guard result == 0, let text = SocketAddress.text(of: storage) else {
      defer { close(socket) }
      throw fault("reading the address listened on")
    }
    return .tcp(address: text.address, port: text.port)
  }

  /// Binds in the folder's own name space (`/proc/self/fd`), because a path in a `sockaddr_un` has
  /// at most 107 bytes.
  private static func bind(path: String, mode: UInt32) throws(HTTPError) -> Int32 {
    let slash = path.lastIndex(of: "/")
    let folder = slash.map { $0 == path.startIndex ? "/" : String(path[..<$0]) } ?? "."
    let name = slash.map { String(path[path.index(after: $0)...]) } ?? path
    let directory = unsafe open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    guard directory >= 0 else { throw fault("opening the folder of a socket") }
    defer { close(directory) }
    var status = stat()
    if unsafe fstatat(directory, name, &status, AT_SYMLINK_NOFOLLOW) == 0 {
      guard status.st_mode & S_IFMT == S_IFSOCK, unsafe unlinkat(directory, name, 0) == 0 else {
        throw fault("replacing what stands where the socket goes")
      }
    }
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    let bytes = Array("/proc/self/fd/\(directory)/\(name)".utf8)
    let fits = unsafe withUnsafeMutableBytes(of: &address.sun_path) { field in
      guard !name.isEmpty, bytes.count < field.count else { return false }
      unsafe field.copyBytes(from: bytes)
      return true
    }
    guard fits else { throw HTTPError(.unavailable, during: "naming a socket") }
    let socket = try make(AF_UNIX)
    let bound = unsafe withUnsafePointer(to: address) {
      unsafe $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        unsafe CLinux.bind(socket, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
      }
    }
    // Nobody can connect before `listen`, so the mode is right from the first connection on.
    guard bound == 0, unsafe fchmodat(directory, name, mode_t(mode), 0) == 0,
      listen(socket, backlog) == 0
    else {
      defer { close(socket) }
      throw fault("listening on a socket")
    }
    return socket
  }

  /// What the kernel says of a connection: a new socket and who is at its other end.
  struct Accepted {
    let socket: Int32
    let peer: Peer
  }

  /// Descriptors that clients never get: Dispatch ends a process in which it finds none at the
  /// moment it looks at its threads, and what serves those who are connected needs some.
  private static let spareDescriptors: UInt64 = 16

  /// Whether a descriptor, which is the lowest that was free, is one of the last.
  private static func isSpare(_ descriptor: Int32) -> Bool {
    var limit = rlimit()
    return unsafe getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0
      && UInt64(descriptor) + spareDescriptors >= limit.rlim_cur
  }

  /// The next connection; nil when none waits.
  ///
  /// - Throws: ``HTTPError/Code/unavailable`` when the kernel has no descriptor or memory left.
  func accept() throws(HTTPError) -> Accepted? {
    while true {
      var storage = sockaddr_storage()
      var size = socklen_t(MemoryLayout<sockaddr_storage>.size)
      let flags = Int32(SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue)
      let accepted = unsafe withUnsafeMutablePointer(to: &storage) {
        unsafe $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
          unsafe accept4(socket, $0, &size, flags)
        }
      }
      guard accepted >= 0 else {
        switch errno {
        case EAGAIN, EBADF, EINVAL: return nil
        case EMFILE, ENFILE, ENOBUFS, ENOMEM: throw Self.fault("accepting a connection")
        default: continue  // The client was gone before we came (accept(2)).
        }
      }
      if Self.isSpare(accepted) {
        close(accepted)
        throw HTTPError(
          .unavailable, during: "accepting a connection", cause: SystemError(number: EMFILE))
      }
      guard let peer = peer(of: accepted, storage) else {
        close(accepted)
        continue
      }
      return Accepted(socket: accepted, peer: peer)
    }
  }

  private func peer(of accepted: Int32, _ storage: sockaddr_storage) -> Peer? {
    if case .unix = address {
      var credentials = callvault_peer_credentials()
      var size = socklen_t(MemoryLayout<callvault_peer_credentials>.size)
      guard
        unsafe getsockopt(accepted, SOL_SOCKET, SO_PEERCRED, &credentials, &size) == 0
      else { return nil }
      return .local(uid: credentials.uid, gid: credentials.gid, pid: credentials.pid)
    }
    var yes: Int32 = 1
    unsafe setsockopt(accepted, Int32(IPPROTO_TCP), TCP_NODELAY, &yes, 4)
    return SocketAddress.text(of: storage).map { .internet(address: $0.address) }
  }
}
