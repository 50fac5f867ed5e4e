/// A request, with everything that an answer repeats or depends on.
///
/// A request that is wrong but can be answered has a ``fault``, which says how.
public struct SIPRequest: Sendable {
  public enum Method: Sendable, Equatable {
    case invite
    case ack
    case cancel
    case options
    case bye
    /// Known by name and not done here.
    case known
    /// No method that this program has heard of.
    case unknown
  }

  /// Why a request is refused before anybody looks at what it wants.
  public enum Fault: Sendable, Equatable {
    case badRequest(StaticReason)
    case unsupportedScheme
    case badExtension
    case versionNotSupported

    /// What is wrong, in words of ours for the reason phrase.
    public enum StaticReason: String, Sendable {
      case startLine = "Bad Request Line"
      case requestURI = "Bad Request URI"
      case repeated = "Repeated Field"
      case contentLength = "Bad Content Length"
      case from = "Bad From"
      case to = "Bad To"
      case callID = "Bad Call ID"
      case cSeq = "Bad CSeq"
      case method = "Methods Differ"
      case maxForwards = "Bad Max Forwards"
    }
  }

  let message: SIPMessage
  public let method: Method
  public let fault: Fault?
  let uri: SIPURI?
  let via: Via
  let from: NameAddress?
  let to: NameAddress?
  let callID: Range<Int>?

  /// Whether the caller means a call that it already has.
  public var isWithinDialog: Bool { to?.tag != nil }

  /// Reads the fields of a message.
  ///
  /// - Throws: ``SIPError/Code/malformed`` for a response, and for a request whose answer could not find
  ///   its way: without a method or a first Via that can be read.
  public init(_ message: SIPMessage) throws(SIPError) {
    let bytes = message.bytes
    guard !message.isResponse, let line = RequestLine(bytes, at: message.startLine) else {
      throw SIPError(.malformed, during: "reading a request line")
    }
    guard let first = message.value(of: .via), let via = Via(bytes, at: first) else {
      throw SIPError(.malformed, during: "reading the first Via")
    }
    self.message = message
    self.via = via
    method = Self.method(bytes, line.method)
    uri = line.uri.flatMap { SIPURI(bytes, at: $0) }
    from = message.value(of: .from).flatMap { NameAddress(bytes, at: $0) }
    to = message.value(of: .to).flatMap { NameAddress(bytes, at: $0) }
    callID = message.value(of: .callID)
    var checks = RequestChecks(message: message, line: line)
    checks.uri = uri
    checks.from = from
    checks.to = to
    fault = checks.fault(for: method)
  }

  /// Method names count case (RFC 3261, 7.1).
  private static func method(_ bytes: [UInt8], _ range: Range<Int>) -> Method {
    func isNamed(_ name: StaticString) -> Bool {
      guard range.count == name.utf8CodeUnitCount else { return false }
      return name.withUTF8Buffer { name in
        for offset in 0..<name.count {
          guard unsafe bytes[range.lowerBound + offset] == name[offset] else { return false }
        }
        return true
      }
    }
    if isNamed("INVITE") { return .invite }
    if isNamed("ACK") { return .ack }
    if isNamed("OPTIONS") { return .options }
    if isNamed("CANCEL") { return .cancel }
    if isNamed("BYE") { return .bye }
    let others: [StaticString] = [
      "REGISTER", "INFO", "PRACK", "UPDATE", "SUBSCRIBE", "NOTIFY", "REFER", "MESSAGE", "PUBLISH",
    ]
    return others.contains(where: isNamed) ? .known : .unknown
  }
}

/// The three parts of a request line, whatever stands between.
struct RequestLine {
  let method: Range<Int>
  /// Nil where it is not one word between single spaces.
  let uri: Range<Int>?
  let isVersion2: Bool
  let hasVersion: Bool

  /// Nil without a method in front.
  init?(_ bytes: [UInt8], at line: Range<Int>) {
    var index = line.lowerBound
    while index < line.upperBound, Syntax.isToken(bytes[index]) { index += 1 }
    guard index > line.lowerBound, index < line.upperBound, bytes[index] == Syntax.space else {
      return nil
    }
    method = line.lowerBound..<index
    let rest = index + 1..<line.upperBound
    let space = rest.last { bytes[$0] == Syntax.space }
    guard let space else { return nil }
    let version = space + 1..<rest.upperBound
    isVersion2 = bytes.holds("sip/2.0", at: version)
    hasVersion =
      version.count >= 7 && bytes.holds("sip/", at: version.lowerBound..<version.lowerBound + 4)
    let middle = rest.lowerBound..<space
    let isOneWord = !middle.isEmpty && bytes.allSatisfy(at: middle) { !Syntax.isSpace($0) }
    uri = isOneWord ? middle : nil
  }
}

/// What a request must hold before anybody asks what it wants; the first that does not is told.
private struct RequestChecks {
  let message: SIPMessage
  let line: RequestLine
  var uri: SIPURI?
  var from: NameAddress?
  var to: NameAddress?

  init(message: SIPMessage, line: RequestLine) {
    self.message = message
    self.line = line
  }

  func fault(for method: SIPRequest.Method) -> SIPRequest.Fault? {
    if line.hasVersion, !line.isVersion2 { return .versionNotSupported }
    if let reason = malformed { return .badRequest(reason) }
    if uri?.scheme == .other { return .unsupportedScheme }
    if method != .ack, method != .cancel, message.count(of: .require) > 0 { return .badExtension }
    return nil
  }

  private var malformed: SIPRequest.Fault.StaticReason? {
    let bytes = message.bytes
    guard line.hasVersion, let target = line.uri else { return .startLine }
    var seen: UInt16 = 0
    for field in message.fields where field.name.isSingle {
      let bit: UInt16 = 1 << UInt16(field.name.rawValue)
      guard seen & bit == 0 else { return .repeated }
      seen |= bit
    }
    guard uri != nil, !target.isEmpty else { return .requestURI }
    if message.contentLength == .unusable { return .contentLength }
    guard from != nil else { return .from }
    guard to != nil else { return .to }
    guard let callID = message.value(of: .callID), !callID.isEmpty,
      bytes.allSatisfy(at: callID, Syntax.isCallID)
    else { return .callID }
    guard let value = message.value(of: .cSeq), let sequence = CSeq(bytes, at: value) else {
      return .cSeq
    }
    guard bytes[sequence.method].elementsEqual(bytes[line.method]) else { return .method }
    if let value = message.value(of: .maxForwards), bytes.number(at: value, upTo: 255) == nil {
      return .maxForwards
    }
    return nil
  }
}

/// The value of CSeq.
struct CSeq {
  let number: Int
  let method: Range<Int>

  /// Nil unless it is a number below 2³¹ (RFC 3261, 8.1.1.5), space and a method.
  init?(_ bytes: [UInt8], at value: Range<Int>) {
    var index = value.lowerBound
    while index < value.upperBound, Syntax.isDigit(bytes[index]) { index += 1 }
    guard let number = bytes.number(at: value.lowerBound..<index, upTo: 1 << 31 - 1),
      index < value.upperBound, Syntax.isSpace(bytes[index])
    else { return nil }
    let start = Parameter.skipSpace(bytes, index, value.upperBound)
    guard start < value.upperBound,
      bytes.allSatisfy(at: start..<value.upperBound, Syntax.isToken)
    else { return nil }
    self.number = number
    method = start..<value.upperBound
  }
}
