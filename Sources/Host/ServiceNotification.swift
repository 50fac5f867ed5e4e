import CLinux
import Glibc

/// Tells the service manager how things go, by the protocol of `sd_notify(3)`.
public enum ServiceNotification {
  /// Sends one state, such as `READY=1`, to the socket that NOTIFY_SOCKET names.
  ///
  /// - Returns: false when no manager listens.
  /// - Throws: ``HostError`` when the manager named a socket that takes nothing.
  @discardableResult
  public static func send(_ state: String) throws(HostError) -> Bool {
    guard let name = unsafe getenv("NOTIFY_SOCKET") else { return false }
    let path = unsafe Array(String(cString: name).utf8)
    guard let first = path.first, first == 0x2F || first == 0x40 else { return false }
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    guard path.count < MemoryLayout.size(ofValue: address.sun_path) else {
      throw HostError(.unavailable, during: "notifying the service manager", number: ENAMETOOLONG)
    }
    unsafe withUnsafeMutableBytes(of: &address.sun_path) { buffer in
      unsafe buffer.copyBytes(from: path)
      // An abstract name begins with a zero byte, which is written as @.
      if first == 0x40 { unsafe buffer[0] = 0 }
    }
    let descriptor = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
    guard descriptor >= 0 else {
      throw HostError(.failed, during: "notifying the service manager", number: errno)
    }
    defer { close(descriptor) }
    let length = socklen_t(MemoryLayout<sa_family_t>.size + path.count)
    let message = Array(state.utf8)
    let sent = unsafe withUnsafePointer(to: &address) { pointer in
      unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { generic in
        unsafe message.withUnsafeBytes { bytes in
          unsafe sendto(
            descriptor, bytes.baseAddress, bytes.count, Int32(MSG_NOSIGNAL), generic,
            length)
        }
      }
    }
    guard sent == message.count else {
      throw HostError(.unavailable, during: "notifying the service manager", number: errno)
    }
    return true
  }
}
