import CLinux
import Glibc
import SIP

/// A connected UDP socket: the kernel drops what comes from elsewhere, and reports ICMP errors at once.
final class DatagramChannel: ProbeChannel {
  private final class Open {
    let socket: Socket
    let request: OptionsRequest

    init(to peer: Endpoint, _ poller: Poller) throws(SIPTransportError) {
      let socket = try Socket(SOCK_DGRAM, family: peer.family)
      try socket.connect(to: peer)
      try poller.add(socket.descriptor, token: 0, for: Poller.readable)
      request = OptionsRequest(
        to: peer.description, from: try Endpoint(of: socket.descriptor).description, over: .udp)
      self.socket = socket
    }
  }

  private let peer: Endpoint
  private var open: Open?

  init(to peer: Endpoint) {
    self.peer = peer
  }

  func send(_ secrets: ProbeSecrets, _ poller: Poller, now: UInt64) -> ChannelOutcome? {
    if open == nil {
      do throws(SIPTransportError) {
        open = try Open(to: peer, poller)
      } catch {
        return .failed(.unreachable)  // No route: a miss, and tried again at the next request.
      }
    }
    guard let open else { return .failed(.unreachable) }
    let bytes = open.request.encoded(secrets)
    var outcome: ChannelOutcome?
    // The first attempt may only deliver the error of an earlier request.
    for _ in 0..<2 {
      let count = unsafe CLinux.send(
        open.socket.descriptor, bytes, bytes.count,
        Int32(MSG_DONTWAIT | MSG_NOSIGNAL))
      if count >= 0 { return outcome }
      outcome = .failed(Self.miss(errno))
    }
    return outcome
  }

  func read(_ poller: Poller, now: UInt64) -> [ChannelOutcome] {
    guard let open else { return [] }
    var outcomes: [ChannelOutcome] = []
    // As many as a flood may take of this thread before it looks at its clock again.
    for _ in 0..<64 {
      var count = 0
      let bytes = unsafe [UInt8](unsafeUninitializedCapacity: SIPMessage.headBytes) {
        buffer, filled in
        count = unsafe recv(
          open.socket.descriptor, buffer.baseAddress, buffer.count, Int32(MSG_DONTWAIT))
        filled = max(0, count)
      }
      if count < 0 {
        if errno == EAGAIN { return outcomes }
        if errno != EINTR { outcomes.append(.failed(Self.miss(errno))) }
      } else if let message = try? SIPMessage(datagram: bytes) {  // Otherwise nobody's answer.
        outcomes.append(.message(message))
      }
    }
    return outcomes
  }

  func renew() {}

  func close() { open = nil }

  private static func miss(_ number: Int32) -> ProbeMiss {
    number == ECONNREFUSED ? .refused : .unreachable
  }
}

/// A connection over TCP or TLS that is kept, and made anew when it breaks.
final class StreamChannel: ProbeChannel {
  private let peer: Endpoint
  private let tls: TLSContext?
  private let connectTime: UInt64
  private var stream: Stream?
  private var request: OptionsRequest?
  private var framer = StreamFramer()
  private var waiting: [ProbeSecrets] = []
  private var isConnected = false
  private var begun: UInt64 = 0

  init(to peer: Endpoint, tls: TLSContext?, connectTime: UInt64) {
    self.peer = peer
    self.tls = tls
    self.connectTime = connectTime
  }

  func send(_ secrets: ProbeSecrets, _ poller: Poller, now: UInt64) -> ChannelOutcome? {
    if let stream, !isConnected || !stream.isOpen, now >= begun + connectTime {
      close()
      return .lost(.timeout)
    }
    if stream == nil {
      do throws(SIPTransportError) {
        try connect(poller, now: now)
      } catch {
        close()
        return .lost(.unreachable)  // A miss; the next request tries again.
      }
    }
    guard let stream, let request, isConnected, stream.isOpen else {
      waiting.append(secrets)
      return nil
    }
    guard stream.append(request.encoded(secrets)), stream.flush() else {
      close()
      return .lost(.unreachable)
    }
    watch(stream, poller)
    return nil
  }

  private func connect(_ poller: Poller, now: UInt64) throws(SIPTransportError) {
    begun = now
    isConnected = false
    framer = StreamFramer()
    waiting = []
    let socket = try Socket(SOCK_STREAM, family: peer.family)
    try socket.connect(to: peer)
    let local = try Endpoint(of: socket.descriptor).description
    request = OptionsRequest(
      to: peer.description, from: local, over: tls == nil ? .tcp : .tls)
    let stream = try Stream(socket, tls: tls)
    try poller.add(stream.descriptor, token: 0, for: Poller.writable)
    self.stream = stream
  }

  private func watch(_ stream: Stream, _ poller: Poller) {
    poller.change(stream.descriptor, token: 0, for: stream.awaited)
  }

  func read(_ poller: Poller, now: UInt64) -> [ChannelOutcome] {
    guard let stream else { return [] }
    if !isConnected || !stream.isOpen { return open(stream, poller) }
    var outcomes: [ChannelOutcome] = []
    guard stream.flush() else { return end(.unreachable) }
    // As many as a flood may take of this thread before it looks at its clock again.
    for _ in 0..<16 {
      guard let bytes = stream.read() else { return outcomes + end(.unreachable) }
      if bytes.isEmpty { break }
      var index = 0
      while index < bytes.count {
        switch framer.next(bytes, from: &index) {
        case .needsMore: break
        case .message(let message): outcomes.append(.message(message))
        case .lost: return outcomes + end(.unreachable)
        }
      }
    }
    watch(stream, poller)
    return outcomes
  }

  /// Goes on with connecting and shaking hands, then sends what waited for that.
  private func open(_ stream: Stream, _ poller: Poller) -> [ChannelOutcome] {
    if !isConnected {
      switch stream.connecting {
      case .failed: return end(.refused)
      case .lasts: return []
      case .done: isConnected = true
      }
    }
    guard stream.shakeHands() else { return end(.tls) }
    if stream.isOpen, let request {
      for secrets in waiting {
        guard stream.append(request.encoded(secrets)) else { return end(.unreachable) }
      }
      waiting = []
      guard stream.flush() else { return end(.unreachable) }
    }
    watch(stream, poller)
    return []
  }

  private func end(_ miss: ProbeMiss) -> [ChannelOutcome] {
    close()
    return [.lost(miss)]
  }

  func renew() { close() }

  func close() {
    stream = nil
    waiting = []
  }
}
