import CLinux
import Glibc

/// Asks the system's resolver for a host's addresses.
public enum NameLookup {
  /// Whether the name has an address now.
  ///
  /// Blocks for as long as the system's resolver takes, which no deadline shortens.
  public static func hasAddress(_ host: String) -> Bool {
    var hints = unsafe addrinfo()
    unsafe hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
    var list: UnsafeMutablePointer<addrinfo>?
    guard unsafe getaddrinfo(host, nil, &hints, &list) == 0, let first = unsafe list else {
      return false
    }
    unsafe freeaddrinfo(first)
    return true
  }
}
