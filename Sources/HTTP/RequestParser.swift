/// Finds the end of a request's head in bytes that come in any pieces, and parses it.
///
/// Does no input or output and keeps no more than its bounds. A byte that cannot be part of a head
/// is refused when it is seen, not when the head is whole: a client that sends a bare LF or a TLS
/// handshake in clear is told at once.
///
/// The peer is not trusted: whatever comes, ``parse(_:)`` returns or throws, and never traps.
public struct RequestParser: Sendable {
  /// What a piece led to.
  public enum Progress: Sendable, Equatable {
    /// All bytes were taken, and the head is not whole.
    case needsMore
    /// The head ended with the byte before `consumed`; the rest is the body's or the next request's.
    case head(RequestHead, consumed: Int)
  }

  private enum State {
    case text
    /// A carriage return was seen, so a line feed must follow.
    case lineFeed
  }

  private let headBytes: Int
  private let requestLineBytes: Int
  private let headFields: Int
  private var state = State.text
  private var head: [UInt8] = []
  private var lineStart = 0
  private var lines: [Range<Int>] = []

  public init(limits: ServerLimits = ServerLimits()) {
    headBytes = limits.headBytes
    requestLineBytes = limits.requestLineBytes
    headFields = limits.headFields
  }

  /// Whether any byte of the next head has come.
  public var isEmpty: Bool { head.isEmpty }

  /// Takes bytes up to the end of one head; ready for the next one after ``Progress/head``.
  ///
  /// - Throws: ``HTTPError/Code/malformed``, ``HTTPError/Code/targetTooLong``,
  ///   ``HTTPError/Code/headTooLarge`` and those of ``RequestHead``. The connection cannot be used
  ///   after that, because where the next request begins is not known.
  public mutating func parse(_ bytes: Span<UInt8>) throws(HTTPError) -> Progress {
    for index in bytes.indices {
      guard try take(bytes[index]) else { continue }
      defer { self = RequestParser(like: self) }
      return .head(try RequestHead(lines: lines.map { head[$0] }), consumed: index + 1)
    }
    return .needsMore
  }

  private init(like other: RequestParser) {
    headBytes = other.headBytes
    requestLineBytes = other.requestLineBytes
    headFields = other.headFields
  }

  /// Takes one byte and says whether it was the last of the head.
  private mutating func take(_ byte: UInt8) throws(HTTPError) -> Bool {
    guard head.count < headBytes else {
      throw HTTPError(
        lines.isEmpty ? .targetTooLong : .headTooLarge, during: "reading a request's head")
    }
    switch state {
    case .text:
      if byte == 0x0D {
        state = .lineFeed
      } else if Syntax.isControl(byte) {
        throw HTTPError(.malformed, during: "reading a control character of a head")
      } else {
        try checkPlace(of: byte)
      }
    case .lineFeed:
      guard byte == 0x0A else {
        throw HTTPError(.malformed, during: "reading the end of a line")
      }
      state = .text
      let line = lineStart..<(head.count - 1)
      lineStart = head.count + 1
      if line.isEmpty {
        guard !lines.isEmpty else {
          throw HTTPError(.malformed, during: "reading the request line")
        }
        return true
      }
      guard lines.count <= headFields else {
        throw HTTPError(.headTooLarge, during: "counting the fields of a head")
      }
      lines.append(line)
    }
    head.append(byte)
    return false
  }

  private func checkPlace(of byte: UInt8) throws(HTTPError) {
    if lines.isEmpty {
      guard head.count < requestLineBytes else {
        throw HTTPError(.targetTooLong, during: "reading the request line")
      }
      guard head.count > 0 || Syntax.isToken(byte) else {
        throw HTTPError(.malformed, during: "reading the request line")
      }
    } else if head.count == lineStart {
      // A space here would fold the line into the one before (RFC 9112, 5.2).
      guard Syntax.isToken(byte) else {
        throw HTTPError(.malformed, during: "reading the name of a field")
      }
    }
  }
}
