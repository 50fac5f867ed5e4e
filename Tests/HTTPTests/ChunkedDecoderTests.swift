import Testing

@testable import HTTP

@Suite struct ChunkedDecoderTests {
  /// Decodes pieces until the body ends; also says how many bytes came after its end.
  private func decode(
    _ pieces: [[UInt8]], upTo limit: Int = 1 << 20
  ) throws(HTTPError) -> (body: [UInt8], isFinished: Bool, left: Int) {
    var decoder = ChunkedDecoder()
    var body: [UInt8] = []
    var left = 0
    for piece in pieces {
      var start = 0
      while start < piece.count, !decoder.isFinished {
        var part: [UInt8] = []
        start += try decoder.decode(piece.span.extracting(start...), into: &part, upTo: limit)
        #expect(part.count <= limit)
        body += part
      }
      left += piece.count - start
    }
    return (body, decoder.isFinished, left)
  }

  @Test(arguments: [
    ("0\r\n\r\n", "", 0),
    ("5\r\nhello\r\n0\r\n\r\n", "hello", 0),
    ("5\r\nhello\r\n00\r\n\r\nGET", "hello", 3),
    ("5;name=\"v;\"\r\nhello\r\n0;x\r\n\r\n", "hello", 0),
    ("1\r\na\r\nA\r\n0123456789\r\n0\r\nX-Sum: 1\r\nY:\r\n\r\n", "a0123456789", 0),
  ])
  func lawfulBodiesAreDecoded(text: String, body: String, left: Int) throws {
    let bytes = Array(text.utf8)
    for pieces in [[bytes], bytes.map { [$0] }] {
      for limit in [1, 3, 1 << 20] {
        let result = try decode(pieces, upTo: limit)
        #expect(result.body == Array(body.utf8))
        #expect(result.isFinished)
        #expect(result.left == left)
      }
    }
  }

  @Test(arguments: [
    "\r\n", "g\r\n", " 5\r\nhello\r\n", "5 \r\nhello\r\n", "0x5\r\nhello\r\n", "+5\r\nhello\r\n",
    "-1\r\n", "5\nhello\r\n", "5\r\nhello0\r\n", "5\r\nhello\n0\r\n\r\n", "5\r\nhelloo\r\n",
    "5;\n\r\nhello", "5;a\0\r\nhello", "ffffffffffffffff\r\n", "0000000000000000000001\r\n",
    "5\rhello\r\n", "0\r\nbad trailer\r\n\r\n", "0\r\nX: a\n\r\n", "0\r\n folded: a\r\n\r\n",
    "5;<a*9000>", "0\r\nX: <a*9000>",
  ])
  func unlawfulBodiesAreRefused(text: String) {
    let bytes = Array(expanded(text).utf8)
    #expect(throws: HTTPError.self) { try decode([bytes]) }
    #expect(throws: HTTPError.self) { try decode(bytes.map { [$0] }) }
  }

  @Test func endlessExtensionsOfManyChunksAreRefused() {
    let chunk = Array(expanded("1;<a*100>\r\nx\r\n").utf8)
    #expect(throws: HTTPError.self) { try decode(Array(repeating: chunk, count: 100)) }
  }

  @Test func mutatedBodiesNeverTrap() {
    let seed =
      Array("5;a=b\r\nhello\r\nfF\r\n".utf8) + [UInt8](repeating: 7, count: 255)
      + Array("\r\n0\r\nX: y\r\n\r\n".utf8)
    let spice = Array("\r\n0fF;: -\0".utf8)
    var random = SeededGenerator(seed: 11)
    for _ in 0..<5_000 {
      var bytes = seed
      for _ in 0..<3 {
        let place = Int.random(in: 0..<bytes.count, using: &random)
        bytes[place] = spice[Int.random(in: 0..<spice.count, using: &random)]
      }
      let body = try? decode([bytes]).body
      #expect((body?.count ?? 0) <= bytes.count)
    }
  }
}
