import CLinux
import Glibc
import TLS

/// A connected socket, in clear or under TLS, which has one owner and is closed once.
///
/// Belongs to one connection and so to one event loop's thread.
@safe
final class Transport {
  private(set) var socket: Int32
  private let tls: TLSSession?

  /// Takes the socket over.
  init(socket: Int32, tls: TLSSession?) {
    self.socket = socket
    self.tls = tls
  }

  deinit { close() }

  var isOpen: Bool { socket >= 0 }

  var clientCertificate: [UInt8]? { tls?.peerCertificate }

  /// Whether a read that gives fewer bytes than asked has emptied the socket: not so under TLS,
  /// which gives one record at a time.
  var shortReadMeansEmpty: Bool { tls == nil }

  func handshake() -> Transfer {
    guard isOpen else { return .failed }
    return tls?.handshake() ?? .done(0)
  }

  func read(into buffer: UnsafeMutableRawBufferPointer) -> Transfer {
    guard isOpen else { return .failed }
    if let tls { return unsafe tls.read(into: buffer) }
    return unsafe receive(into: buffer)
  }

  func write(_ buffer: UnsafeRawBufferPointer) -> Transfer {
    guard isOpen else { return .failed }
    if let tls { return unsafe tls.write(buffer) }
    while true {
      let count = unsafe send(
        socket, buffer.baseAddress, buffer.count, Int32(MSG_NOSIGNAL))
      if count >= 0 { return .done(count) }
      switch errno {
      case EINTR: continue
      case EAGAIN: return .wantsWrite
      default: return .failed
      }
    }
  }

  /// Drops what the peer still sends, without deciphering it.
  func discard() -> Transfer {
    guard isOpen else { return .failed }
    return unsafe withUnsafeTemporaryAllocation(byteCount: 16_384, alignment: 8) {
      unsafe receive(into: $0)
    }
  }

  /// Says under TLS that nothing more will be sent, so that the peer can tell the end from a cut.
  func closeNotify() -> Transfer {
    guard isOpen else { return .failed }
    return tls?.closeNotify() ?? .done(0)
  }

  /// Sends nothing more.
  func closeWriting() {
    guard isOpen else { return }
    shutdown(socket, Int32(SHUT_WR))
  }

  /// Makes ``close()`` a reset: the peer must not take what it has for the whole.
  func cut() {
    guard isOpen else { return }
    var option = linger(l_onoff: 1, l_linger: 0)
    unsafe setsockopt(
      socket, SOL_SOCKET, SO_LINGER, &option, socklen_t(MemoryLayout<linger>.size))
    close()
  }

  func close() {
    guard isOpen else { return }
    CLinux.close(socket)
    socket = -1
  }

  private func receive(into buffer: UnsafeMutableRawBufferPointer) -> Transfer {
    while true {
      let count = unsafe recv(socket, buffer.baseAddress, buffer.count, 0)
      if count > 0 { return .done(count) }
      if count == 0 { return .end }
      switch errno {
      case EINTR: continue
      case EAGAIN: return .wantsRead
      default: return .failed
      }
    }
  }
}
