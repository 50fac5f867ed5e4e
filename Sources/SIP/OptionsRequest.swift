import Encoding

/// An OPTIONS with which a peer is asked whether it answers.
public struct OptionsRequest: Sendable {
  public enum Transport: String, Sendable {
    case udp = "UDP"
    case tcp = "TCP"
    case tls = "TLS"
  }

  /// The cookie of RFC 3261, 8.1.1.7, before every branch.
  static let cookie = Array("z9hG4bK".utf8)

  private let beforeBranch: [UInt8]
  private let beforeTag: [UInt8]
  private let beforeCallID: [UInt8]
  private let beforeSequence: [UInt8]
  private let afterSequence: [UInt8]

  /// Prepares requests to one peer from one socket.
  ///
  /// - Parameters:
  ///   - target: numeric address or name, with a port, as the Request-URI names the peer; brackets around
  ///     IPv6.
  ///   - local: the socket's own address and port.
  ///   - transport: how it is sent.
  public init(to target: String, from local: String, over transport: Transport) {
    let parameter = transport == .udp ? "" : ";transport=\(transport.rawValue.lowercased())"
    beforeBranch = Array(
      """
      OPTIONS sip:\(target)\(parameter) SIP/2.0\r
      Via: SIP/2.0/\(transport.rawValue) \(local);rport;branch=
      """.utf8)
    beforeTag = Array("\r\nMax-Forwards: 70\r\nFrom: <sip:probe@\(local)>;tag=".utf8)
    beforeCallID = Array("\r\nTo: <sip:\(target)>\r\nCall-ID: ".utf8)
    beforeSequence = Array("\r\nCSeq: ".utf8)
    afterSequence = Array(
      """
       OPTIONS\r
      Contact: <sip:probe@\(local)>\r
      Accept: application/sdp\r
      Content-Length: 0\r
      \r

      """.utf8)
  }

  /// One request; what must come back is in `secrets`.
  public func encoded(_ secrets: ProbeSecrets) -> [UInt8] {
    var text = beforeBranch
    text += secrets.branch
    text += beforeTag
    text += secrets.tag
    text += beforeCallID
    text += secrets.callID
    text += beforeSequence
    text += String(secrets.sequence).utf8
    text += afterSequence
    return text
  }
}

/// What only the peer that got a request can know: 128 random bits each in branch and tag.
public struct ProbeSecrets: Sendable, Hashable {
  public let branch: [UInt8]
  let tag: [UInt8]
  let callID: [UInt8]
  let sequence: Int

  /// Takes 32 unpredictable bytes, and a number of the request below 2³¹; nil for anything else.
  public init?(random: [UInt8], sequence: Int) {
    guard random.count == 32, (0..<1 << 31).contains(sequence) else { return nil }
    var digits: [UInt8] = []
    Hex.write(random, to: &digits)
    branch = OptionsRequest.cookie + digits[..<32]
    tag = Array(digits[32...])
    // A call of its own for each request.
    callID = Array(digits[16..<48])
    self.sequence = sequence
  }

  /// Whether a response answers this very request.
  public func isAnswered(by response: SIPResponse) -> Bool {
    response.isToOptions && response.branch == branch && response.fromTag == tag
      && response.callID == callID && response.sequence == sequence
  }
}
