import CLinux
import Glibc
import TLS

/// A connected socket, in clear or under TLS, with what waits to be sent.
@safe
final class Stream {
  /// Bytes that may wait for a peer that does not read.
  static let outputBytes = 65_536
  private static let readBytes = 16_384

  private let socket: Socket
  private let tls: TLSSession?
  private var output: [UInt8] = []
  private var isShaking: Bool

  var descriptor: Int32 { socket.descriptor }

  /// Takes the socket over.
  init(_ socket: Socket, tls: TLSContext?) throws(SIPTransportError) {
    var yes: Int32 = 1
    unsafe setsockopt(socket.descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, &yes, 4)
    self.tls = try tls?.session(on: socket.descriptor)
    self.socket = socket
    isShaking = tls != nil
  }

  /// Whether the peer has proved what it has to.
  var isOpen: Bool { !isShaking }

  /// What the socket must become before there is something to do.
  private(set) var awaited = Poller.readable

  /// What an attempt to connect has come to; the kernel tells once that it has failed.
  var connecting: Connecting {
    var number: Int32 = 0
    var size = socklen_t(MemoryLayout<Int32>.size)
    guard unsafe getsockopt(socket.descriptor, SOL_SOCKET, SO_ERROR, &number, &size) == 0,
      number == 0
    else { return .failed }
    var entry = pollfd(fd: socket.descriptor, events: Int16(POLLOUT), revents: 0)
    return unsafe poll(&entry, 1, 0) == 1 ? .done : .lasts
  }

  enum Connecting {
    case lasts
    case done
    case failed
  }

  /// Goes on with a handshake; false when it has failed.
  func shakeHands() -> Bool {
    guard isShaking, let tls else { return true }
    switch tls.handshake() {
    case .done:
      isShaking = false
      awaited = Poller.readable
    case .wantsRead: awaited = Poller.readable
    case .wantsWrite: awaited = Poller.writable
    case .end, .failed: return false
    }
    return true
  }

  /// What has come, empty when nothing has; nil at the end of the stream.
  func read() -> [UInt8]? {
    var isOver = false
    let bytes = unsafe [UInt8](unsafeUninitializedCapacity: Self.readBytes) { buffer, filled in
      switch unsafe receive(into: UnsafeMutableRawBufferPointer(buffer)) {
      case .done(let count): filled = count
      case .wantsRead, .wantsWrite: filled = 0
      case .end, .failed: isOver = true
      }
    }
    return isOver ? nil : bytes
  }

  private func receive(into buffer: UnsafeMutableRawBufferPointer) -> Transfer {
    if let tls { return unsafe tls.read(into: buffer) }
    while true {
      let count = unsafe recv(socket.descriptor, buffer.baseAddress, buffer.count, 0)
      if count > 0 { return .done(count) }
      if count == 0 { return .end }
      if errno == EINTR { continue }
      return errno == EAGAIN ? .wantsRead : .failed
    }
  }

  /// Adds to what is sent; false when the peer has left too much unread.
  func append(_ bytes: [UInt8]) -> Bool {
    guard output.count + bytes.count <= Self.outputBytes else { return false }
    output += bytes
    return true
  }

  /// Sends what waits, as far as the kernel takes it; false when the connection is broken.
  func flush() -> Bool {
    awaited = Poller.readable
    while !output.isEmpty {
      switch unsafe output.withUnsafeBytes({ unsafe send($0) }) {
      case .done(let count): output.removeFirst(count)
      case .wantsWrite:
        awaited = Poller.writable
        return true
      case .wantsRead: return true
      case .end, .failed: return false
      }
    }
    return true
  }

  private func send(_ buffer: UnsafeRawBufferPointer) -> Transfer {
    if let tls { return unsafe tls.write(buffer) }
    while true {
      let count = unsafe CLinux.send(
        socket.descriptor, buffer.baseAddress, buffer.count, Int32(MSG_NOSIGNAL))
      if count >= 0 { return .done(count) }
      if errno == EINTR { continue }
      return errno == EAGAIN ? .wantsWrite : .failed
    }
  }
}
