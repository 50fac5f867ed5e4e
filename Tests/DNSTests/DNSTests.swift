import Testing

@testable import DNS

/// What a resolver says, and what only looks as if it said it.
@Suite struct DNSTests {
  private static let question: [UInt8] =
    [3, 0x73, 0x69, 0x70, 7, 0x65, 0x78, 0x61, 0x6D, 0x70, 0x6C, 0x65, 3, 0x6F, 0x72, 0x67, 0]
    + [0, 1, 0, 1]
  private static let address: [UInt8] =
    [0xC0, 0x0C, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 192, 0, 2, 1]

  private static func message(
    id: UInt8 = 0x34, flags: [UInt8] = [0x81, 0x80], records: UInt8 = 0, _ body: [UInt8] = []
  ) -> [UInt8] {
    [0x12, id] + flags + [0, 1, 0, records, 0, 0, 0, 0] + question + body
  }

  private func asked() throws -> DNSQuestion {
    DNSQuestion(try #require(DNSName("sip.example.org.")), .ipv4, id: 0x1234)
  }

  /// RFC 1035, 4.1: dnsmasq answers the same bytes in `Tests/Outside/79-probes.py`.
  @Test func aQuestionHasItsForm() throws {
    #expect(
      try asked().encoded == [0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0] + Self.question)
  }

  @Test func eachAnswerMeansSomethingElse() throws {
    let question = try asked()
    #expect(question.answer(in: Self.message(records: 1, Self.address)) == .address)
    #expect(question.answer(in: Self.message()) == DNSAnswer.none)
    #expect(question.answer(in: Self.message(flags: [0x81, 0x83])) == DNSAnswer.none)
    #expect(question.answer(in: Self.message(flags: [0x81, 0x82])) == .failure)
    #expect(question.answer(in: Self.message(flags: [0x81, 0x85])) == .refusal)
    #expect(question.answer(in: Self.message(flags: [0x83, 0x80])) == .address, "cut short")
    // A name's other name, and then its address.
    let alias: [UInt8] = [0xC0, 0x0C, 0, 5, 0, 1, 0, 0, 0, 60, 0, 2, 0xC0, 0x10]
    #expect(question.answer(in: Self.message(records: 2, alias + Self.address)) == .address)
    #expect(question.answer(in: Self.message(records: 1, alias)) == DNSAnswer.none)
  }

  @Test func whatIsNoAnswerToTheQuestionIsNone() throws {
    let question = try asked()
    let right = Self.message(records: 1, Self.address)
    #expect(question.answer(in: Self.message(id: 0x35, records: 1, Self.address)) == nil)
    #expect(question.answer(in: question.encoded) == nil, "a question is no answer")
    for index in 12..<(12 + Self.question.count) {
      var other = right
      other[index] ^= 0x80
      #expect(question.answer(in: other) == nil)
    }
    for length in 0..<(12 + Self.question.count) {
      #expect(question.answer(in: Array(right[..<length])) == nil)
    }
    // Records that end early hold no address, and nothing is read beyond them.
    for length in (12 + Self.question.count)..<right.count {
      #expect(question.answer(in: Array(right[..<length])) == DNSAnswer.none)
    }
    #expect(question.answer(in: right + [UInt8](repeating: 0, count: 512)) == nil)
  }

  @Test func namesAndResolversHaveForms() {
    for wrong in [
      "", ".", "a..b", "a b", "ä.example", "*.example", String(repeating: "a", count: 64),
    ] {
      #expect(DNSName(wrong) == nil, "\(wrong)")
    }
    for right in ["127.0.0.1", "127.0.0.1:5353", "::1", "[::1]:5353", "[::1]"] {
      #expect(DNSResolver(right) != nil, "\(right)")
    }
    for wrong in [
      "localhost", "127.0.0.1:0", "127.0.0.1:70000", "[::1", "[::1]5353", "1.2.3.4.5", "",
    ] {
      #expect(DNSResolver(wrong) == nil, "\(wrong)")
    }
  }
}
