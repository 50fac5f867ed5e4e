import SIP

/// One carrier's connection: messages come in, answers go out in the same order.
final class RedirectConnection {
  let stream: Stream
  let source: Endpoint
  private(set) var deadline: UInt64
  private var framer = StreamFramer()
  /// Set once no further message can be told from the bytes: what waits is sent, then it ends.
  private var isLost = false

  init(_ stream: Stream, source: Endpoint, deadline: UInt64) {
    self.stream = stream
    self.source = source
    self.deadline = deadline
  }

  /// Does what can be done now; false when the connection is to be closed.
  func serve(
    now: UInt64, messageTime: UInt64, idleTime: UInt64, answer: (SIPMessage) -> [UInt8]
  ) -> Bool {
    if !stream.isOpen {
      guard stream.shakeHands() else { return false }
      guard stream.isOpen else { return true }
    }
    guard stream.flush() else { return false }
    // Whoever does not read what he asked for is not read either.
    guard stream.awaited == Poller.readable else { return true }
    guard !isLost else { return false }
    guard let bytes = stream.read() else { return false }
    let wasWithin = framer.isWithinMessage
    var index = 0
    var isFirst = !wasWithin
    reading: while index < bytes.count {
      switch framer.next(bytes, from: &index) {
      case .needsMore: break reading
      case .message(let message):
        isFirst = true
        guard stream.append(answer(message)) else { return false }
      case .lost(let message):
        isLost = true
        if let message { guard stream.append(answer(message)) else { return false } }
        break reading
      }
    }
    if !framer.isWithinMessage {
      deadline = now + idleTime
    } else if isFirst {
      // From a message's first byte on: drops of it do not make the time longer.
      deadline = now + messageTime
    }
    guard stream.flush() else { return false }
    return !isLost || stream.awaited != Poller.readable
  }
}
