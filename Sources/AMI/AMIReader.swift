/// Cuts what a manager sends into messages, with a bound on what it keeps.
///
/// A message that is malformed or too long is passed over and counted, because an event may hold what
/// a caller chose, and no caller may end the conversation.
public struct AMIReader: Sendable {
  /// Bytes of the line in which a manager says what it is.
  static let greetingLimit = 64

  /// Messages that were passed over.
  public private(set) var dropped = 0
  private var hasGreeted = false
  private var pending: [UInt8] = []
  /// Up to where ``pending`` holds no end of a message.
  private var searched = 0
  private var isSkipping = false

  public init() {}

  /// Takes the next bytes and gives the messages that they complete.
  ///
  /// - Throws: ``AMIError/Code/malformed`` when the first line is not a manager's; the connection is
  ///   then of no use.
  public mutating func take(_ bytes: [UInt8]) throws(AMIError) -> [AMIMessage] {
    pending += bytes
    if !hasGreeted {
      guard try takeGreeting() else { return [] }
    }
    var messages: [AMIMessage] = []
    var start = 0
    while let end = nextEnd(from: start) {
      if isSkipping {
        isSkipping = false
      } else {
        do throws(AMIError) {
          messages.append(try AMIMessage(parsing: Array(pending[start..<end])))
        } catch {
          dropped += 1
        }
      }
      start = end
      searched = end
    }
    pending.removeFirst(start)
    searched -= start
    if pending.count > AMIMessage.byteLimit {
      if !isSkipping { dropped += 1 }
      isSkipping = true
      // The end may have begun.
      pending.removeFirst(pending.count - 3)
      searched = 0
    }
    return messages
  }

  /// The index after the next empty line.
  private mutating func nextEnd(from start: Int) -> Int? {
    let end: [UInt8] = [0x0D, 0x0A, 0x0D, 0x0A]
    var index = max(start, searched)
    while index + end.count <= pending.count {
      if pending[index] == 0x0D, pending[index..<index + end.count].elementsEqual(end) {
        return index + end.count
      }
      index += 1
    }
    searched = max(start, index)
    return nil
  }

  private mutating func takeGreeting() throws(AMIError) -> Bool {
    let prefix = Array("Asterisk Call Manager/".utf8)
    let wrong = AMIError(.malformed, during: "reading a manager's greeting")
    guard let end = pending.firstIndex(of: 0x0A) else {
      guard pending.count <= Self.greetingLimit,
        pending.prefix(prefix.count).elementsEqual(
          prefix.prefix(pending.count))
      else { throw wrong }
      return false
    }
    let line = pending[..<end]
    guard end < Self.greetingLimit, line.last == 0x0D, line.starts(with: prefix),
      line.dropLast().dropFirst(prefix.count).allSatisfy({
        $0 == 0x2E || (0x30...0x39).contains($0)
      })
    else { throw wrong }
    pending.removeFirst(end + 1)
    hasGreeted = true
    return true
  }
}
