/// Finds messages in bytes that come in any pieces, by the empty line and Content-Length (RFC 3261, 18.3).
///
/// Keeps one head at most; bodies are counted and dropped, because nothing here reads one.
public struct StreamFramer: Sendable {
  /// Bytes of a body at most.
  public static let bodyBytes = 65_536

  /// What a stream led to.
  public enum Progress: Sendable {
    /// All bytes were taken, and no message is whole.
    case needsMore
    /// A message, with its body behind it.
    case message(SIPMessage)
    /// Where the next message begins is not known any more; the message is there to be answered, if any is.
    case lost(SIPMessage?)
  }

  private var head: [UInt8] = []
  /// How many bytes of the empty line and the line end before it were seen.
  private var matched = 0
  private var pending: SIPMessage?
  private var bodyLeft = 0
  private var isLost = false

  public init() {}

  /// Whether the next message has begun.
  public var isWithinMessage: Bool { !head.isEmpty || pending != nil }

  /// Takes bytes up to the end of one message, from `index` on, which it moves.
  public mutating func next(_ bytes: [UInt8], from index: inout Int) -> Progress {
    guard !isLost else { return .lost(nil) }
    while index < bytes.count {
      if let message = pending {
        let taken = min(bodyLeft, bytes.count - index)
        bodyLeft -= taken
        index += taken
        guard bodyLeft == 0 else { return .needsMore }
        pending = nil
        return .message(message)
      }
      let byte = bytes[index]
      index += 1
      // Line ends between messages keep a connection open.
      if head.isEmpty, byte == Syntax.carriageReturn || byte == Syntax.lineFeed { continue }
      head.append(byte)
      let wanted = matched & 1 == 0 ? Syntax.carriageReturn : Syntax.lineFeed
      matched = byte == wanted ? matched + 1 : byte == Syntax.carriageReturn ? 1 : 0
      if matched == 4 {
        if let end = finishHead() { return end }
      } else if head.count > SIPMessage.headBytes {
        isLost = true
        return .lost(nil)
      }
    }
    return .needsMore
  }

  /// The message if it has no body or none that could be skipped.
  private mutating func finishHead() -> Progress? {
    defer {
      head = []
      matched = 0
    }
    guard let message = try? SIPMessage(streamHead: head) else {  // Nobody is told why: see `lost`.
      isLost = true
      return .lost(nil)
    }
    guard case .bytes(let length) = message.contentLength, length <= Self.bodyBytes else {
      isLost = true
      return .lost(message)
    }
    if length == 0 { return .message(message) }
    pending = message
    bodyLeft = length
    return nil
  }
}
