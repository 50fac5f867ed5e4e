/// A message whose shape holds: a start line, fields with names, an empty line, a body.
///
/// The sender is not trusted: whatever the bytes, the initialisers return or throw. What the fields say is
/// read by ``SIPRequest`` and ``SIPResponse``. Specified in `Documentation/formats/sip.md`, 1.
public struct SIPMessage: Sendable {
  /// Bytes of a start line and fields at most, with the empty line.
  public static let headBytes = 16_384
  /// Fields at most.
  public static let fieldCount = 128

  struct Field: Sendable {
    let name: FieldName
    let value: Range<Int>
  }

  /// What came, with spaces in the place of folds (RFC 3261, 7.3.1), so that a value is one stretch.
  let bytes: [UInt8]
  let startLine: Range<Int>
  let fields: [Field]
  /// What Content-Length says; nil without one.
  let contentLength: ContentLength?

  enum ContentLength: Sendable, Equatable {
    case bytes(Int)
    /// No number, over every bound, said twice, more than came, or missing where it may not.
    case unusable
  }

  /// Reads one datagram, whose bytes after the body are ignored (RFC 3261, 18.3).
  ///
  /// - Throws: ``SIPError/Code/empty``, ``SIPError/Code/malformed``, ``SIPError/Code/tooLarge``.
  public init(datagram: [UInt8]) throws(SIPError) {
    try self.init(reading: datagram) { length, rest in
      if case .bytes(let count) = length, count > rest { .unusable } else { length }
    }
  }

  /// Reads a head that came over a stream, where only Content-Length tells how much follows.
  ///
  /// - Throws: as ``init(datagram:)``.
  public init(streamHead: [UInt8]) throws(SIPError) {
    try self.init(reading: streamHead) { length, _ in length ?? .unusable }
  }

  private init(
    reading received: [UInt8], judge: (ContentLength?, Int) -> ContentLength?
  ) throws(SIPError) {
    var bytes = received
    var reader = HeadReader()
    try reader.read(&bytes)
    self.bytes = bytes
    startLine = reader.startLine
    fields = reader.fields
    contentLength = judge(Self.length(in: bytes, of: reader.fields), bytes.count - reader.end)
  }

  private static func length(in bytes: [UInt8], of fields: [Field]) -> ContentLength? {
    var length: ContentLength?
    for field in fields where field.name == .contentLength {
      guard length == nil, let count = bytes.number(at: field.value, upTo: 1 << 24) else {
        return .unusable
      }
      length = .bytes(count)
    }
    return length
  }

  /// Whether the start line is that of a response; a method has no slash.
  public var isResponse: Bool {
    startLine.count >= 4
      && bytes.holds("sip/", at: startLine.lowerBound..<startLine.lowerBound + 4)
  }

  /// The value of the only field of that name; nil without one.
  func value(of name: FieldName) -> Range<Int>? {
    for field in fields where field.name == name { return field.value }
    return nil
  }

  func count(of name: FieldName) -> Int {
    var count = 0
    for field in fields where field.name == name { count += 1 }
    return count
  }
}

/// Splits a head into lines and fields, and unfolds it where it lies.
private struct HeadReader {
  var startLine = 0..<0
  var fields: [SIPMessage.Field] = []
  var end = 0

  mutating func read(_ bytes: inout [UInt8]) throws(SIPError) {
    var index = 0
    // Line ends before a message are a peer's way to keep a connection open (RFC 3261, 7.5).
    while index + 1 < bytes.count, bytes[index] == Syntax.carriageReturn,
      bytes[index + 1] == Syntax.lineFeed
    { index += 2 }
    guard index < bytes.count else { throw SIPError(.empty, during: "reading a message") }
    fields.reserveCapacity(24)
    let limit = min(bytes.count, index + SIPMessage.headBytes)
    var lineStart = index
    var isFirst = true
    while index < limit {
      let byte = bytes[index]
      if byte == Syntax.carriageReturn {
        guard index + 1 < bytes.count, bytes[index + 1] == Syntax.lineFeed else {
          throw SIPError(.malformed, during: "reading the end of a line")
        }
        if index == lineStart {
          guard !isFirst else { throw SIPError(.malformed, during: "reading the start line") }
          end = index + 2
          return
        }
        if !isFirst, index + 2 < bytes.count, Syntax.isSpace(bytes[index + 2]) {
          bytes[index] = Syntax.space
          bytes[index + 1] = Syntax.space
          index += 2
          continue
        }
        if isFirst {
          startLine = lineStart..<index
          isFirst = false
        } else {
          try add(lineStart..<index, of: bytes)
        }
        index += 2
        lineStart = index
        continue
      }
      if byte < Syntax.space || byte == 0x7F, byte != Syntax.tab {
        // A quoted pair may hold any control but the line's end (RFC 4475, 3.1.1.2).
        guard byte != Syntax.lineFeed, index > lineStart, bytes[index - 1] == Syntax.backslash
        else { throw SIPError(.malformed, during: "reading a control character of a head") }
      }
      index += 1
    }
    throw SIPError(
      limit < bytes.count ? .tooLarge : .malformed, during: "looking for the end of a head")
  }

  private mutating func add(_ line: Range<Int>, of bytes: [UInt8]) throws(SIPError) {
    guard fields.count < SIPMessage.fieldCount else {
      throw SIPError(.tooLarge, during: "counting the fields of a head")
    }
    var nameEnd = line.lowerBound
    while nameEnd < line.upperBound, Syntax.isToken(bytes[nameEnd]) { nameEnd += 1 }
    var colon = nameEnd
    while colon < line.upperBound, Syntax.isSpace(bytes[colon]) { colon += 1 }
    guard nameEnd > line.lowerBound, colon < line.upperBound, bytes[colon] == Syntax.colon else {
      throw SIPError(.malformed, during: "reading the name of a field")
    }
    fields.append(
      SIPMessage.Field(
        name: FieldName(bytes, at: line.lowerBound..<nameEnd),
        value: bytes.trimmed(colon + 1..<line.upperBound)))
  }
}
