import CLinux
import Glibc

/// Where a server can be reached, as the kernel chose it.
public enum ListenAddress: Sendable, Equatable, CustomStringConvertible {
  case tcp(address: String, port: UInt16)
  case unix(path: String)

  public var description: String {
    switch self {
    case .tcp(let address, let port):
      address.utf8.contains(0x3A) ? "[\(address)]:\(port)" : "\(address):\(port)"
    case .unix(let path): path
    }
  }
}

/// Numeric internet addresses and their `sockaddr`.
enum SocketAddress {
  /// Calls `body` with the address, or returns nil for text that is not numeric.
  static func with<Result>(
    _ text: String, port: UInt16, _ body: (Int32, UnsafePointer<sockaddr>, socklen_t) -> Result
  ) -> Result? {
    let text = text == "localhost" ? "127.0.0.1" : text
    var four = sockaddr_in()
    if unsafe inet_pton(AF_INET, text, &four.sin_addr) == 1 {
      four.sin_family = sa_family_t(AF_INET)
      four.sin_port = port.bigEndian
      let size = socklen_t(MemoryLayout<sockaddr_in>.size)
      return unsafe withUnsafePointer(to: four) {
        unsafe $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
          unsafe body(AF_INET, $0, size)
        }
      }
    }
    var six = sockaddr_in6()
    if unsafe inet_pton(AF_INET6, text, &six.sin6_addr) == 1 {
      six.sin6_family = sa_family_t(AF_INET6)
      six.sin6_port = port.bigEndian
      let size = socklen_t(MemoryLayout<sockaddr_in6>.size)
      return unsafe withUnsafePointer(to: six) {
        unsafe $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
          unsafe body(AF_INET6, $0, size)
        }
      }
    }
    return nil
  }

  /// The numeric address and port in a filled `sockaddr_storage`, or nil for other families.
  static func text(of storage: sockaddr_storage) -> (address: String, port: UInt16)? {
    switch Int32(storage.ss_family) {
    case AF_INET:
      let four = unsafe withUnsafeBytes(of: storage) { unsafe $0.load(as: sockaddr_in.self) }
      let text = unsafe withUnsafeBytes(of: four.sin_addr) { unsafe numeric(AF_INET, $0) }
      return text.map { ($0, UInt16(bigEndian: four.sin_port)) }
    case AF_INET6:
      let six = unsafe withUnsafeBytes(of: storage) { unsafe $0.load(as: sockaddr_in6.self) }
      let text = unsafe withUnsafeBytes(of: six.sin6_addr) { unsafe numeric(AF_INET6, $0) }
      return text.map { (unmapped($0), UInt16(bigEndian: six.sin6_port)) }
    default: return nil
    }
  }

  /// The first 64 bits of an IPv6 address, as a key.
  static func network64(of text: String) -> String? {
    var address = in6_addr()
    guard unsafe inet_pton(AF_INET6, text, &address) == 1 else { return nil }
    return unsafe withUnsafeBytes(of: address) { bytes in
      unsafe bytes.prefix(8).map { String($0, radix: 16) }.joined(separator: ":") + "/64"
    }
  }

  private static func numeric(_ family: Int32, _ address: UnsafeRawBufferPointer) -> String? {
    var text = [CChar](repeating: 0, count: Int(INET6_ADDRSTRLEN))
    guard unsafe inet_ntop(family, address.baseAddress, &text, socklen_t(text.count)) != nil
    else { return nil }
    return String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }

  private static func unmapped(_ text: String) -> String {
    text.hasPrefix("::ffff:") && text.utf8.contains(0x2E) ? String(text.dropFirst(7)) : text
  }
}
