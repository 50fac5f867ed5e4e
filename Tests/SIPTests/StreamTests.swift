import Testing

@testable import SIP

@Suite struct StreamTests {
  /// The start lines of the messages of a stream, cut into pieces; `lost` where it ends early.
  static func lines(_ bytes: [UInt8], inPiecesOf size: Int) -> [String] {
    var framer = StreamFramer()
    var lines: [String] = []
    var start = 0
    while start < bytes.count {
      let piece = Array(bytes[start..<min(start + size, bytes.count)])
      start += size
      var index = 0
      reading: while index < piece.count {
        switch framer.next(piece, from: &index) {
        case .needsMore: break reading
        case .message(let message):
          lines.append(String(decoding: message.bytes[message.startLine], as: UTF8.self))
        case .lost(let message):
          lines.append(message == nil ? "lost" : "lost, to be answered")
          return lines
        }
      }
    }
    return lines
  }

  static func text(_ name: String, _ length: String?, body: String = "") -> [UInt8] {
    let length = length.map { "\nContent-Length: \($0)" } ?? ""
    return message("\(name) sip:a.example SIP/2.0\nVia: SIP/2.0/TCP a.example" + length)
      + Array(body.utf8)
  }

  @Test(arguments: [1, 2, 3, 7, 64, 4096])
  func messagesAreToldApartHoweverTheyAreCut(size: Int) {
    let stream =
      Self.text("ONE", "0") + Array("\r\n\r\n".utf8) + Self.text("TWO", "8", body: "\r\n\r\nabcd")
      + Self.text("THREE", "0")
    #expect(
      Self.lines(stream, inPiecesOf: size) == [
        "ONE sip:a.example SIP/2.0", "TWO sip:a.example SIP/2.0", "THREE sip:a.example SIP/2.0",
      ])
  }

  // RFC 3261, 18.3, and RFC 4475, 3.3.9: where the next message begins must not be guessed.
  @Test(arguments: [nil, "-1", "x", "65537", "99999999999999999999", "1\nContent-Length: 2"])
  func aStreamWhoseNextMessageCannotBeFoundEnds(length: String?) {
    let stream =
      Self.text("ONE", "0") + Self.text("TWO", length, body: "INVITE") + Self.text("THREE", "0")
    #expect(
      Self.lines(stream, inPiecesOf: 5) == ["ONE sip:a.example SIP/2.0", "lost, to be answered"])
  }

  @Test func aHeadThatDoesNotEndIsNotKept() {
    let endless = Array(repeating: UInt8(0x41), count: 20_000)
    #expect(Self.lines(endless, inPiecesOf: 1_000) == ["lost"])
    #expect(Self.lines(Array("\u{16}\u{3}\u{1}\r\n\r\n".utf8), inPiecesOf: 9) == ["lost"])
  }
}

@Suite struct ProbeTests {
  @Test func onlyWhoGotTheRequestCanAnswerIt() throws {
    let random = (0..<32).map { UInt8($0 * 7 + 1) }
    let secrets = try #require(ProbeSecrets(random: random, sequence: 7))
    let request = OptionsRequest(to: "192.0.2.1:5060", from: "192.0.2.9:40000", over: .udp)
      .encoded(secrets)
    let asked = try SIPRequest(SIPMessage(datagram: request))
    #expect(asked.method == .options && asked.fault == nil)
    var output: [UInt8] = []
    let writer = AnswerWriter(asked, from: source, port: 40_000, tag: Array("t".utf8))
    #expect(try writer.write(.ok, plan: #require(plan), to: &output, limit: request.count))
    let text = String(decoding: output, as: UTF8.self)
    func isAnswer(_ text: String) -> Bool {
      guard let response = try? SIPResponse(SIPMessage(datagram: Array(text.utf8))) else {
        return false
      }
      return secrets.isAnswered(by: response)
    }
    #expect(isAnswer(text))
    let tag = String(decoding: secrets.tag, as: UTF8.self)
    let branch = String(decoding: secrets.branch, as: UTF8.self)
    for (from, to) in [
      (branch, branch.dropLast() + "x"), ("branch=" + branch, ""), (tag, String(tag.dropLast())),
      ("CSeq: 7", "CSeq: 8"), ("7 OPTIONS", "7 INVITE"),
    ] { #expect(!isAnswer(text.replacing(from, with: to)), "\(from)") }
    #expect(ProbeSecrets(random: Array(random.dropLast()), sequence: 7) == nil)
  }
}
