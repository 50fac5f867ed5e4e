/// A response, with what tells whose it is and what it says of the one who sent it.
public struct SIPResponse: Sendable {
  let message: SIPMessage
  /// 100 to 699.
  public let status: Int
  /// The only Via's branch: a response for us has passed no other hop that is still named.
  public let branch: [UInt8]
  public let fromTag: [UInt8]
  public let callID: [UInt8]
  public let sequence: Int
  public let isToOptions: Bool
  /// Whole seconds of Retry-After, at most a day; nil without one that can be read.
  public let retryAfter: Int?

  /// Reads the fields of a message.
  ///
  /// - Throws: ``SIPError/Code/malformed`` for a request, and for a response that nobody could have asked
  ///   for.
  public init(_ message: SIPMessage) throws(SIPError) {
    let bytes = message.bytes
    guard let status = Self.status(bytes, message.startLine),
      message.contentLength != .unusable
    else {
      throw SIPError(.malformed, during: "reading a status line")
    }
    guard message.count(of: .via) == 1, let value = message.value(of: .via),
      let via = Via(bytes, at: value), via.range.upperBound == value.upperBound,
      let branch = via.branch
    else { throw SIPError(.malformed, during: "reading the Via of a response") }
    for name in [FieldName.from, .to, .callID, .cSeq] {
      guard message.count(of: name) == 1 else {
        throw SIPError(.malformed, during: "counting the fields of a response")
      }
    }
    guard let fromValue = message.value(of: .from), let from = NameAddress(bytes, at: fromValue),
      let tag = from.tag, let callID = message.value(of: .callID),
      let cSeqValue = message.value(of: .cSeq), let sequence = CSeq(bytes, at: cSeqValue)
    else { throw SIPError(.malformed, during: "reading the fields of a response") }
    self.message = message
    self.status = status
    self.branch = Array(bytes[branch])
    fromTag = Array(bytes[tag])
    self.callID = Array(bytes[callID])
    self.sequence = sequence.number
    isToOptions = bytes.holds("options", at: sequence.method)
    retryAfter = message.value(of: .retryAfter).flatMap { Self.seconds(bytes, at: $0) }
  }

  /// `SIP/2.0 SP 3DIGIT SP reason`, where the reason may be empty (RFC 4475, 3.1.1.13).
  private static func status(_ bytes: [UInt8], _ line: Range<Int>) -> Int? {
    guard line.count >= 12, bytes.holds("sip/2.0 ", at: line.lowerBound..<line.lowerBound + 8),
      bytes[line.lowerBound + 11] == Syntax.space
    else { return nil }
    let digits = line.lowerBound + 8..<line.lowerBound + 11
    guard let status = bytes.number(at: digits, upTo: 699), status >= 100 else { return nil }
    return status
  }

  /// `Retry-After: 18000 (in a meeting);duration=3600`: the number in front.
  private static func seconds(_ bytes: [UInt8], at value: Range<Int>) -> Int? {
    var end = value.lowerBound
    while end < value.upperBound, Syntax.isDigit(bytes[end]) { end += 1 }
    return bytes.number(at: value.lowerBound..<end, upTo: 1 << 31).map { min($0, 86_400) }
  }
}
