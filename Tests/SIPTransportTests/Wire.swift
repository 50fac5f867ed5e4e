import CLinux
import Glibc
import SIP
import Threading

@testable import SIPTransport

/// A peer that sends exactly the bytes it is told to, on a thread of its own.
actor Wire {
  struct Failure: Error { let call: String }

  private let executor: BlockingExecutor
  nonisolated var unownedExecutor: UnownedSerialExecutor {
    unsafe executor.asUnownedSerialExecutor()
  }
  private let socket: Socket
  nonisolated let endpoint: Endpoint
  private(set) var lastSender: Endpoint?

  /// A datagram socket on an address of the loopback.
  init(on address: String = "127.0.0.1") throws {
    executor = try BlockingExecutor(label: "wire")
    guard let address = IPAddress(address) else { throw Failure(call: "address") }
    socket = try Socket(SOCK_DGRAM, family: AF_INET)
    try socket.bind(to: Endpoint(address: address, port: 0))
    endpoint = try Endpoint(of: socket.descriptor)
  }

  /// A connection.
  init(connectedTo peer: Endpoint, from address: String = "127.0.0.1") throws {
    executor = try BlockingExecutor(label: "wire")
    guard let address = IPAddress(address) else { throw Failure(call: "address") }
    socket = try Socket(SOCK_STREAM, family: AF_INET)
    try socket.bind(to: Endpoint(address: address, port: 0))
    try socket.connect(to: peer)
    endpoint = try Endpoint(of: socket.descriptor)
  }

  func send(_ text: String, to peer: Endpoint? = nil) throws {
    try wait(for: POLLOUT, milliseconds: 30_000)
    let bytes = Array(text.utf8)
    let count =
      if let peer {
        unsafe peer.withAddress {
          unsafe sendto(socket.descriptor, bytes, bytes.count, 0, $0, $1)
        }
      } else {
        unsafe Glibc.send(socket.descriptor, bytes, bytes.count, Int32(MSG_NOSIGNAL))
      }
    guard count == bytes.count else { throw Failure(call: "send") }
  }

  /// What comes; nil when nothing does in that time, empty at the end of a stream.
  func receive(milliseconds: Int32 = 30_000) throws -> String? {
    do { try wait(for: POLLIN, milliseconds: milliseconds) } catch { return nil }
    var bytes = [UInt8](repeating: 0, count: 65_536)
    var storage = sockaddr_storage()
    var size = socklen_t(MemoryLayout<sockaddr_storage>.size)
    let count = unsafe withUnsafeMutablePointer(to: &storage) {
      unsafe $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        unsafe recvfrom(socket.descriptor, &bytes, bytes.count, 0, $0, &size)
      }
    }
    guard count >= 0 else { return "" }
    lastSender = Endpoint(storage)
    return String(decoding: bytes[..<count], as: UTF8.self)
  }

  /// Answers the next request as it is told; false when none comes.
  func answer(_ status: String, fields: String = "") throws -> Bool {
    guard let request = try receive(), let sender = lastSender else { return false }
    var lines = request.split(separator: "\r\n", omittingEmptySubsequences: false).map(String.init)
    lines[0] = "SIP/2.0 \(status)"
    lines.insert(contentsOf: fields.isEmpty ? [] : [fields], at: 1)
    try send(lines.joined(separator: "\r\n"), to: sender)
    return true
  }

  private func wait(for events: Int32, milliseconds: Int32) throws {
    var entry = pollfd(fd: socket.descriptor, events: Int16(events), revents: 0)
    guard unsafe poll(&entry, 1, milliseconds) == 1 else { throw Failure(call: "poll") }
  }
}
