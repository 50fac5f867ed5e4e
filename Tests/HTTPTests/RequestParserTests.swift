import Testing

@testable import HTTP

/// Feeds the bytes in the given pieces and returns every head that came out.
func heads(
  in pieces: [[UInt8]], limits: ServerLimits = ServerLimits()
) throws(HTTPError) -> [RequestHead] {
  var parser = RequestParser(limits: limits)
  var found: [RequestHead] = []
  for piece in pieces {
    var start = 0
    while start < piece.count {
      switch try parser.parse(piece.span.extracting(start...)) {
      case .needsMore: start = piece.count
      case .head(let head, let consumed):
        found.append(head)
        start += consumed
      }
    }
  }
  return found
}

/// The text with each `<TEXT*COUNT>` written out, so that long arguments stay short in a report.
func expanded(_ text: String) -> String {
  text.replacing(/<([^<*]+)\*([0-9]+)>/) { String(repeating: String($0.1), count: Int($0.2) ?? 0) }
}

/// A head that ``RequestParser`` reads as the same head.
func serialised(_ head: RequestHead) -> [UInt8] {
  func escaped(_ text: String) -> String {
    text.utf8.map { byte in
      let digits = String(byte, radix: 16)
      return "%" + (digits.count == 1 ? "0" + digits : digits)
    }.joined()
  }
  var target = "/" + head.target.segments.map(escaped).joined(separator: "/")
  if !head.target.query.isEmpty {
    target +=
      "?"
      + head.target.query.map { "\(escaped($0.name))=\(escaped($0.value))" }.joined(separator: "&")
  }
  var text = "\(head.method) \(target) HTTP/1.\(head.minorVersion)\r\n"
  for field in head.headers { text += "\(field.name): \(field.value)\r\n" }
  return Array((text + "\r\n").utf8)
}

@Suite struct RequestParserTests {
  private static let host = "Host: vault\r\n"

  @Test func aRequestIsReadAsItWasMeant() throws {
    let text =
      "POST /v1/calls/a%20b/?from=%2B49+30&x=1&x=&y HTTP/1.1\r\nhost: Vault.Example:8443\r\n"
      + "X-Empty:\r\nX-Two: a\r\nx-two:\t b \t\r\nContent-Length: 12\r\n\r\n"
    let head = try #require(try heads(in: [Array(text.utf8)]).first)
    #expect(head.method == "POST")
    #expect(head.target.segments == ["v1", "calls", "a b", ""])
    #expect(
      head.target.query.map { "\($0.name)=\($0.value)" } == ["from=+49 30", "x=1", "x=", "y="])
    #expect(head.host == "vault.example")
    #expect(head.headers["X-EMPTY"] == "")
    #expect(head.headers.all("X-Two") == ["a", "b"])
    #expect(head.framing == .length(12))
    #expect(!head.closes)
  }

  @Test(arguments: [
    ("GET / HTTP/1.1\r\nHost: a\r\n\r\n", BodyFraming.none, false),
    ("GET / HTTP/1.0\r\nHost: a\r\n\r\n", .none, true),
    ("GET / HTTP/1.0\r\nHost: a\r\nConnection: Keep-Alive\r\n\r\n", .none, false),
    ("GET / HTTP/1.1\r\nHost: a\r\nConnection: x, Close\r\n\r\n", .none, true),
    ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n", .none, false),
    ("POST / HTTP/1.1\r\nHost: [::1]:443\r\nTransfer-Encoding: Chunked\r\n\r\n", .chunked, false),
    ("GET http://a:80/x HTTP/1.1\r\nHost: a:80\r\n\r\n", .none, false),
    ("GET HTTPS://A HTTP/1.1\r\nHost: a\r\n\r\n", .none, false),
    (
      "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 9223372036854775807\r\n\r\n",
      .length(.max), false
    ),
  ])
  func lawfulRequestsAreAccepted(text: String, framing: BodyFraming, closes: Bool) throws {
    let head = try #require(try heads(in: [Array(text.utf8)]).first)
    #expect(head.framing == framing)
    #expect(head.closes == closes)
  }

  /// Each line is a way in which two programs come to disagree about a request, or a broken one.
  @Test(arguments: [
    // Lengths.
    "POST / HTTP/1.1\r\n\(host)Content-Length: 5\r\nContent-Length: 6\r\n\r\n",
    "POST / HTTP/1.1\r\n\(host)Content-Length: 5\r\nContent-Length: 5\r\n\r\n",
    "POST / HTTP/1.1\r\n\(host)Content-Length: 5, 5\r\n\r\n",
    "POST / HTTP/1.1\r\n\(host)Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
    "POST / HTTP/1.1\r\n\(host)Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n",
    "POST / HTTP/1.1\r\n\(host)Content-Length: +5\r\n\r\n",
    "POST / HTTP/1.1\r\n\(host)Content-Length: -5\r\n\r\n",
    "POST / HTTP/1.1\r\n\(host)Content-Length: 0x5\r\n\r\n",
    "POST / HTTP/1.1\r\n\(host)Content-Length: 05\r\n\r\n",
    "POST / HTTP/1.1\r\n\(host)Content-Length: 5 5\r\n\r\n",
    "POST / HTTP/1.1\r\n\(host)Content-Length: 5.0\r\n\r\n",
    "POST / HTTP/1.1\r\n\(host)Content-Length: ٥\r\n\r\n",
    "POST / HTTP/1.1\r\n\(host)Content-Length:\r\n\r\n",
    "POST / HTTP/1.1\r\n\(host)Content-Length: 9223372036854775808\r\n\r\n",
    "POST / HTTP/1.1\r\n\(host)Content-Length: 99999999999999999999999999\r\n\r\n",
    // Transfer codings.
    "POST / HTTP/1.1\r\n\(host)Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
    "POST / HTTP/1.1\r\n\(host)Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n\r\n",
    "POST / HTTP/1.0\r\n\(host)Transfer-Encoding: chunked\r\n\r\n",
    // Names and lines.
    "POST / HTTP/1.1\r\n\(host)Content-Length : 5\r\n\r\n",
    "POST / HTTP/1.1\r\n\(host)Transfer-Encoding\t: chunked\r\n\r\n",
    "POST / HTTP/1.1\r\n\(host) Content-Length: 5\r\n\r\n",
    "GET / HTTP/1.1\r\n\(host)X: a\r\n b\r\n\r\n",
    "GET / HTTP/1.1\r\n\(host)X: a\r\n\tb\r\n\r\n",
    "GET / HTTP/1.1\r\n\(host): empty\r\n\r\n",
    "GET / HTTP/1.1\r\n\(host)NoColon\r\n\r\n",
    "GET / HTTP/1.1\r\n\(host)X[]: a\r\n\r\n",
    "GET / HTTP/1.1\r\n\(host)É: a\r\n\r\n",
    "GET / HTTP/1.1\n\(host)\r\n",
    "GET / HTTP/1.1\r\n\(host)X: a\nContent-Length: 5\r\n\r\n",
    "GET / HTTP/1.1\r\n\(host)X: a\rContent-Length: 5\r\n\r\n",
    "GET / HTTP/1.1\r\n\(host)X: a\r\n\n",
    "GET / HTTP/1.1\r\n\(host)X: a\0b\r\n\r\n",
    "GET / HTTP/1.1\r\n\(host)X: a\u{1}b\r\n\r\n",
    "GET / HTTP/1.1\r\n\(host)X: a\u{7F}b\r\n\r\n",
    "GET / HTTP/1.1\r\n\(host)X: a\u{0B}\r\n\r\n",
    "\r\nGET / HTTP/1.1\r\n\(host)\r\n",
    // The request line.
    " GET / HTTP/1.1\r\n\(host)\r\n",
    "GET  / HTTP/1.1\r\n\(host)\r\n",
    "GET / HTTP/1.1 \r\n\(host)\r\n",
    "GET\t/\tHTTP/1.1\r\n\(host)\r\n",
    "GET /\r\n\(host)\r\n",
    "GET / HTTP/1.1 x\r\n\(host)\r\n",
    "G@T / HTTP/1.1\r\n\(host)\r\n",
    "GET x HTTP/1.1\r\n\(host)\r\n",
    "GET * HTTP/1.1\r\n\(host)\r\n",
    "CONNECT vault:443 HTTP/1.1\r\n\(host)\r\n",
    "GET http://other/ HTTP/1.1\r\n\(host)\r\n",
    "GET ftp://vault/ HTTP/1.1\r\n\(host)\r\n",
    "GET / http/1.1\r\n\(host)\r\n",
    "GET / HTTP/1.10\r\n\(host)\r\n",
    "GET / HTTP/11\r\n\(host)\r\n",
    "GET / HTTP/+1.1\r\n\(host)\r\n",
    "\u{16}\u{3}\u{1}\u{2}\u{0}\u{1}",
    // Targets.
    "GET /a%2 HTTP/1.1\r\n\(host)\r\n",
    "GET /a%zz HTTP/1.1\r\n\(host)\r\n",
    "GET /a%00b HTTP/1.1\r\n\(host)\r\n",
    "GET /a%0d%0ab HTTP/1.1\r\n\(host)\r\n",
    "GET /a%2Fb HTTP/1.1\r\n\(host)\r\n",
    "GET /a%5Cb HTTP/1.1\r\n\(host)\r\n",
    "GET /a%ffb HTTP/1.1\r\n\(host)\r\n",
    "GET /a%c0%afb HTTP/1.1\r\n\(host)\r\n",
    "GET /../etc HTTP/1.1\r\n\(host)\r\n",
    "GET /a/. HTTP/1.1\r\n\(host)\r\n",
    "GET /a/%2e%2E/b HTTP/1.1\r\n\(host)\r\n",
    "GET /a/.%2e/b HTTP/1.1\r\n\(host)\r\n",
    "GET /a\\b HTTP/1.1\r\n\(host)\r\n",
    "GET /a#b HTTP/1.1\r\n\(host)\r\n",
    "GET /ä HTTP/1.1\r\n\(host)\r\n",
    "GET /?q=%00 HTTP/1.1\r\n\(host)\r\n",
    "GET /?q=<x> HTTP/1.1\r\n\(host)\r\n",
    // Host.
    "GET / HTTP/1.1\r\n\r\n",
    "GET / HTTP/1.0\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
    "GET / HTTP/1.1\r\nHost:\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: a b\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: a@b\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: a, b\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: a:b\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: :80\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: [::1\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: []\r\n\r\n",
  ])
  func ambiguousRequestsAreRefused(text: String) {
    let error = #expect(throws: HTTPError.self) { try heads(in: [Array(text.utf8)]) }
    #expect(error?.code == .malformed)
  }

  @Test(arguments: [
    ("GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505),
    ("GET / HTTP/1.2\r\nHost: a\r\n\r\n", 505),
    ("GET / HTTP/0.9\r\nHost: a\r\n\r\n", 505),
    ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", 501),
    ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, identity\r\n\r\n", 501),
    ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n", 501),
    // To Unicode the Kelvin sign is a K, to a proxy before us it is not.
    ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chun\u{212A}ed\r\n\r\n", 501),
    ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: \"chunked\"\r\n\r\n", 501),
    ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:\r\n\r\n", 501),
    ("POST / HTTP/1.1\r\nHost: a\r\nExpect: 200-ok\r\nContent-Length: 1\r\n\r\n", 417),
    ("GET /<a*9000> HTTP/1.1\r\n", 414),
    ("<a*20000>", 414),
    ("GET / HTTP/1.1\r\nX: <a*20000>", 431),
    ("GET / HTTP/1.1\r\nHost: a\r\n<a:\r\n*101>\r\n", 431),
  ])
  func otherRefusalsSayWhy(text: String, status: Int) {
    let bytes = Array(expanded(text).utf8)
    let error = #expect(throws: HTTPError.self) { try heads(in: [bytes]) }
    #expect(error?.status == status)
  }

  @Test func aBareLineFeedIsRefusedBeforeTheHeadIsWhole() {
    var parser = RequestParser()
    #expect(throws: HTTPError.self) { try parser.parse(Array("GET / HTTP/1.1\n".utf8).span) }
  }

  private static let stream: [UInt8] = Array(
    ("GET /a?b=c HTTP/1.1\r\nHost: vault\r\nX: y\r\n\r\n"
      + "DELETE /x%20y HTTP/1.0\r\nHost: vault\r\n\r\nPUT / HTTP/1.1\r\nHost: v\r\n\r\n").utf8)

  @Test func piecesDoNotMatter() throws {
    let whole = try heads(in: [Self.stream])
    #expect(whole.count == 3)
    for split in 0...Self.stream.count {
      let pieces = [Array(Self.stream[..<split]), Array(Self.stream[split...])]
      #expect(try heads(in: pieces) == whole)
    }
    #expect(try heads(in: Self.stream.map { [$0] }) == whole)
  }

  /// What parses means the same once written again; what does not parse throws, and never traps.
  @Test func mutatedRequestsNeverTrapAndWhatParsesMeansOneThing() throws {
    let seeds = [
      Self.stream,
      Array("POST /v1/calls?x=%41 HTTP/1.1\r\nHost: [::1]:1\r\nContent-Length: 10\r\n\r\n".utf8),
      Array("PUT /a/b HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n".utf8),
      Array("GET http://a/b HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n\r\n".utf8),
    ]
    let spice = Array("\r\n\0 :/%?#&=+.,;\t\u{7F}Aa09".utf8) + [0x80, 0xC3, 0xFF]
    var random = SeededGenerator(seed: 7)
    var parsed = 0
    for round in 0..<20_000 {
      var bytes = seeds[round % seeds.count]
      for _ in 0..<Int.random(in: 1...4, using: &random) {
        let place = Int.random(in: 0..<bytes.count, using: &random)
        let byte = spice[Int.random(in: 0..<spice.count, using: &random)]
        switch Int.random(in: 0..<4, using: &random) {
        case 0: bytes[place] = byte
        case 1: bytes.insert(byte, at: place)
        case 2: if bytes.count > 1 { bytes.remove(at: place) }
        default: bytes[place] ^= 1 << UInt8.random(in: 0..<8, using: &random)
        }
      }
      guard let found = try? heads(in: [bytes]) else { continue }
      for head in found {
        parsed += 1
        #expect(try heads(in: [serialised(head)]) == [head])
      }
    }
    #expect(parsed > 1_000)
  }
}

/// SplitMix64: the same numbers in every run, so that a failure can be run again.
struct SeededGenerator: RandomNumberGenerator {
  private var state: UInt64

  init(seed: UInt64) { state = seed }

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var mixed = state
    mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
    mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
    return mixed ^ (mixed >> 31)
  }
}
