import CLinux
import Glibc
public import SIP

/// A numeric address and a port.
public struct Endpoint: Sendable, Hashable, CustomStringConvertible {
  public let address: IPAddress
  public let port: UInt16

  public init(address: IPAddress, port: UInt16) {
    self.address = address
    self.port = port
  }

  /// As a URI has it: brackets around IPv6.
  public var description: String {
    address.v4 == nil ? "[\(address)]:\(port)" : "\(address):\(port)"
  }

  var family: Int32 { address.v4 == nil ? AF_INET6 : AF_INET }

  /// What the kernel filled in; nil for other families.
  init?(_ storage: sockaddr_storage) {
    switch Int32(storage.ss_family) {
    case AF_INET:
      let four = unsafe withUnsafeBytes(of: storage) { unsafe $0.load(as: sockaddr_in.self) }
      address = IPAddress(v4: UInt32(bigEndian: four.sin_addr.s_addr))
      port = UInt16(bigEndian: four.sin_port)
    case AF_INET6:
      let six = unsafe withUnsafeBytes(of: storage) { unsafe $0.load(as: sockaddr_in6.self) }
      let bytes = unsafe withUnsafeBytes(of: six.sin6_addr) { unsafe Array($0) }
      guard let address = IPAddress(v6: bytes) else { return nil }
      self.address = address
      port = UInt16(bigEndian: six.sin6_port)
    default: return nil
    }
  }

  /// Calls `body` with the kernel's form.
  func withAddress<Result>(_ body: (UnsafePointer<sockaddr>, socklen_t) -> Result) -> Result {
    if let v4 = address.v4 {
      var four = sockaddr_in()
      four.sin_family = sa_family_t(AF_INET)
      four.sin_port = port.bigEndian
      four.sin_addr.s_addr = v4.bigEndian
      return unsafe withUnsafePointer(to: four) {
        unsafe $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
          unsafe body($0, socklen_t(MemoryLayout<sockaddr_in>.size))
        }
      }
    }
    var six = sockaddr_in6()
    six.sin6_family = sa_family_t(AF_INET6)
    six.sin6_port = port.bigEndian
    unsafe withUnsafeMutableBytes(of: &six.sin6_addr) { unsafe $0.copyBytes(from: address.bytes) }
    return unsafe withUnsafePointer(to: six) {
      unsafe $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        unsafe body($0, socklen_t(MemoryLayout<sockaddr_in6>.size))
      }
    }
  }

  /// The socket's own address, as the kernel chose it.
  init(of socket: Int32) throws(SIPTransportError) {
    var storage = sockaddr_storage()
    var size = socklen_t(MemoryLayout<sockaddr_storage>.size)
    let result = unsafe withUnsafeMutablePointer(to: &storage) {
      unsafe $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        unsafe getsockname(socket, $0, &size)
      }
    }
    guard result == 0, let endpoint = Endpoint(storage) else {
      throw SIPTransportError(
        .unavailable, during: "reading the address of a socket", cause: SystemFault(number: errno))
    }
    self = endpoint
  }
}

/// A socket, closed with its last reference.
final class Socket: Sendable {
  let descriptor: Int32

  /// Takes a descriptor over.
  init(_ descriptor: Int32) { self.descriptor = descriptor }

  /// A new one that does not block.
  init(_ kind: __socket_type, family: Int32) throws(SIPTransportError) {
    let type = Int32(kind.rawValue | SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue)
    let made = CLinux.socket(family, type, 0)
    guard made >= 0 else { throw Self.fault("making a socket") }
    descriptor = made
  }

  deinit { close(descriptor) }

  func bind(to endpoint: Endpoint) throws(SIPTransportError) {
    let result = unsafe endpoint.withAddress { unsafe CLinux.bind(descriptor, $0, $1) }
    guard result == 0 else { throw Self.fault("binding an address") }
  }

  /// Connects; a stream goes on connecting in the background.
  func connect(to endpoint: Endpoint) throws(SIPTransportError) {
    let result = unsafe endpoint.withAddress { unsafe CLinux.connect(descriptor, $0, $1) }
    guard result == 0 || errno == EINPROGRESS else { throw Self.fault("connecting") }
  }

  static func fault(_ operation: StaticString) -> SIPTransportError {
    SIPTransportError(.unavailable, during: operation, cause: SystemFault(number: errno))
  }
}
