import CLinux
import Glibc

/// Why a resolver did not answer.
public enum DNSFailure: Error, Sendable {
  /// Nothing came in time.
  case timeout
  /// The kernel or the network refused: no way there, or nobody listens.
  case unreachable
}

/// One resolver by its numeric address, asked directly: what the operating system would ask is not.
public struct DNSResolver: Sendable, CustomStringConvertible {
  public let description: String
  private let host: String
  private let port: String

  /// Takes `192.0.2.53`, `192.0.2.53:5353`, `2001:db8::53` or `[2001:db8::53]:5353`; nil for anything else.
  public init?(_ description: String) {
    var host = Substring(description)
    var port = Substring("53")
    if host.hasPrefix("["), let end = host.firstIndex(of: "]") {
      let after = host[host.index(after: end)...]
      guard after.isEmpty || after.hasPrefix(":") else { return nil }
      if !after.isEmpty { port = after.dropFirst() }
      host = host[host.index(after: host.startIndex)..<end]
    } else if host.utf8.count(where: { $0 == 0x3A }) == 1, let colon = host.firstIndex(of: ":") {
      port = host[host.index(after: colon)...]
      host = host[..<colon]
    }
    guard let number = UInt16(port), number > 0 else { return nil }
    self.description = description
    self.host = String(host)
    self.port = String(number)
    guard unsafe withAddress({ _ in }) != nil else { return nil }
  }

  /// Asks whether the name has an address of either kind.
  ///
  /// Blocks until it is known or the time is over.
  ///
  /// - Throws: ``DNSFailure``.
  public func ask(
    _ name: DNSName, by deadline: ContinuousClock.Instant
  ) throws(DNSFailure) -> DNSAnswer {
    let answer = try ask(name, .ipv4, by: deadline)
    return answer == DNSAnswer.none ? try ask(name, .ipv6, by: deadline) : answer
  }

  private func ask(
    _ name: DNSName, _ kind: DNSQuestion.Kind, by deadline: ContinuousClock.Instant
  ) throws(DNSFailure) -> DNSAnswer {
    let question = DNSQuestion(name, kind, id: .random(in: .min ... .max))
    // Connected: the kernel drops what comes from elsewhere, and tells at once where nobody listens.
    let connected = unsafe withAddress { address in
      let type = Int32(SOCK_DGRAM.rawValue | SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue)
      let descriptor = unsafe CLinux.socket(address.pointee.ai_family, type, 0)
      guard descriptor >= 0 else { return Int32(-1) }
      let result = unsafe connect(descriptor, address.pointee.ai_addr, address.pointee.ai_addrlen)
      guard result == 0 else {
        close(descriptor)
        return -1
      }
      return descriptor
    }
    guard let descriptor = connected, descriptor >= 0 else { throw .unreachable }
    defer { close(descriptor) }
    let bytes = question.encoded
    guard unsafe send(descriptor, bytes, bytes.count, Int32(MSG_NOSIGNAL)) == bytes.count else {
      throw .unreachable
    }
    return try receive(question, on: descriptor, by: deadline)
  }

  private func receive(
    _ question: DNSQuestion, on descriptor: Int32, by deadline: ContinuousClock.Instant
  ) throws(DNSFailure) -> DNSAnswer {
    // One byte more, so that what is too long is seen to be.
    var buffer = [UInt8](repeating: 0, count: DNSQuestion.answerLimit + 1)
    while true {
      let left = deadline - ContinuousClock.now
      guard left > .zero, !Task.isCancelled else { throw .timeout }
      var entry = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
      guard unsafe poll(&entry, 1, 50) > 0 else { continue }
      let count = unsafe recv(descriptor, &buffer, buffer.count, 0)
      if count < 0 {
        guard errno == EAGAIN || errno == EINTR else { throw .unreachable }
      } else if let answer = question.answer(in: Array(buffer[..<count])) {
        return answer
      }
    }
  }

  /// Calls `body` with the kernel's form of the address; nil where it is no numeric one.
  private func withAddress<Result>(
    _ body: (UnsafeMutablePointer<addrinfo>) -> Result
  ) -> Result? {
    var hints = unsafe addrinfo()
    unsafe hints.ai_socktype = Int32(SOCK_DGRAM.rawValue)
    unsafe hints.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV
    var list: UnsafeMutablePointer<addrinfo>?
    guard unsafe getaddrinfo(host, port, &hints, &list) == 0, let first = unsafe list else {
      return nil
    }
    defer { unsafe freeaddrinfo(first) }
    return unsafe body(first)
  }
}
