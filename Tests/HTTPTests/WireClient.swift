import Glibc
import Threading

/// A client that sends exactly the bytes it is told to, on a thread of its own.
actor WireClient {
  struct Failure: Error { let call: String }

  private let executor: BlockingExecutor
  nonisolated var unownedExecutor: UnownedSerialExecutor {
    unsafe executor.asUnownedSerialExecutor()
  }
  private var socket: Int32 = -1
  private(set) var received: [UInt8] = []

  init() throws {
    executor = try BlockingExecutor(label: "wire-client")
  }

  deinit {
    if socket >= 0 { Glibc.close(socket) }
  }

  /// Connects to 127.0.0.1; a wait that lasts half a minute fails the test instead of hanging it.
  func connect(port: UInt16) throws {
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = port.bigEndian
    unsafe inet_pton(AF_INET, "127.0.0.1", &address.sin_addr)
    try open(AF_INET)
    let result = unsafe withUnsafePointer(to: address) {
      unsafe $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        unsafe Glibc.connect(socket, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
      }
    }
    guard result == 0 else { throw Failure(call: "connect") }
  }

  func connect(path: String) throws {
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    unsafe withUnsafeMutableBytes(of: &address.sun_path) { unsafe $0.copyBytes(from: path.utf8) }
    try open(AF_UNIX)
    let result = unsafe withUnsafePointer(to: address) {
      unsafe $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        unsafe Glibc.connect(socket, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
      }
    }
    guard result == 0 else { throw Failure(call: "connect") }
  }

  private func open(_ family: Int32) throws {
    socket = Glibc.socket(family, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
    guard socket >= 0 else { throw Failure(call: "socket") }
    var limit = timeval(tv_sec: 30, tv_usec: 0)
    let size = socklen_t(MemoryLayout<timeval>.size)
    unsafe setsockopt(socket, SOL_SOCKET, SO_RCVTIMEO, &limit, size)
    unsafe setsockopt(socket, SOL_SOCKET, SO_SNDTIMEO, &limit, size)
  }

  /// Makes the kernel buffer little, so that back-pressure shows soon.
  func shrinkReceiveBuffer() {
    var size: Int32 = 4_096
    unsafe setsockopt(socket, SOL_SOCKET, SO_RCVBUF, &size, 4)
  }

  func send(_ text: String) throws { try send(Array(text.utf8)) }

  func send(_ bytes: [UInt8]) throws {
    var offset = 0
    while offset < bytes.count {
      let count = unsafe bytes.withUnsafeBytes {
        unsafe Glibc.send(
          socket, $0.baseAddress?.advanced(by: offset), bytes.count - offset,
          Int32(MSG_NOSIGNAL))
      }
      guard count > 0 else { throw Failure(call: "send") }
      offset += count
    }
  }

  /// Reads until what came contains `text`, and returns what came so far.
  @discardableResult
  func receive(until text: String) throws -> String {
    let wanted = Array(text.utf8)
    while !contains(wanted) {
      guard try receiveSome() else { throw Failure(call: "recv: ended before \(text)") }
    }
    return String(decoding: received, as: UTF8.self)
  }

  func receive(count: Int) throws {
    while received.count < count {
      guard try receiveSome() else { throw Failure(call: "recv: ended early") }
    }
  }

  /// Reads until the server closes, whether properly or by a reset.
  func receiveToEnd() throws -> String {
    do {
      while try receiveSome() {}
    } catch let failure as Failure where failure.call == "reset" {
    }
    return String(decoding: received, as: UTF8.self)
  }

  /// Reads until the server closes, and says whether it cut the connection by a reset.
  func endsByReset() throws -> Bool {
    do {
      while try receiveSome() {}
      return false
    } catch let failure as Failure where failure.call == "reset" {
      return true
    }
  }

  private func receiveSome() throws -> Bool {
    var buffer = [UInt8](repeating: 0, count: 65_536)
    let count = unsafe recv(socket, &buffer, buffer.count, 0)
    if count < 0 { throw Failure(call: errno == ECONNRESET ? "reset" : "recv: errno \(errno)") }
    received += buffer.prefix(count)
    return count > 0
  }

  private func contains(_ wanted: [UInt8]) -> Bool {
    guard received.count >= wanted.count else { return false }
    return (0...(received.count - wanted.count)).contains {
      received[$0..<($0 + wanted.count)].elementsEqual(wanted)
    }
  }

  func forget() { received = [] }

  func finishSending() { shutdown(socket, Int32(SHUT_WR)) }

  func close() {
    if socket >= 0 { Glibc.close(socket) }
    socket = -1
  }

  /// Goes without a word, as a client whose machine lost power and came back.
  func vanish() {
    var option = linger(l_onoff: 1, l_linger: 0)
    unsafe setsockopt(
      socket, SOL_SOCKET, SO_LINGER, &option, socklen_t(MemoryLayout<linger>.size))
    close()
  }
}
