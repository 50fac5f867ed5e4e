import Encoding
import Testing

struct IdentifierTests {
  @Test func textAndBytesAgree() throws {
    let text = "3b7e12f0-89ab-4cde-8f01-23456789abcd"
    let identifier = try #require(Identifier(text))
    #expect(identifier.description == text)
    #expect(Hex.encode(identifier.bytes) == text.filter { $0 != "-" })
    #expect(Identifier(bytes: identifier.bytes) == identifier)
  }

  @Test func orderIsThatOfTheTexts() throws {
    let texts = [
      "00000000-0000-4000-8000-000000000000", "00000000-0000-4000-8000-000000000001",
      "00000000-0000-4000-bfff-ffffffffffff", "00000000-0000-4001-8000-000000000000",
      "ffffffff-ffff-4fff-8000-000000000000",
    ]
    let identifiers = try texts.map { try #require(Identifier($0)) }
    #expect(identifiers.sorted() == identifiers)
    #expect(identifiers.reversed().sorted() == identifiers)
  }

  @Test(arguments: [
    "", "3b7e12f0-89ab-4cde-8f01-23456789abc", "3b7e12f0-89ab-4cde-8f01-23456789abcde",
    "3B7E12F0-89AB-4CDE-8F01-23456789ABCD", "{3b7e12f0-89ab-4cde-8f01-23456789abcd}",
    "3b7e12f089ab4cde8f0123456789abcd", "3b7e12f0-89ab-1cde-8f01-23456789abcd",
    "3b7e12f0-89ab-4cde-7f01-23456789abcd", "3b7e12f0-89ab-4cde-cf01-23456789abcd",
    "3b7e12f0_89ab-4cde-8f01-23456789abcd", "3b7e12f0-89ab-4cde-8f01-23456789abcg",
    "00000000-0000-0000-0000-000000000000", "3b7e12f08-9ab-4cde-8f01-23456789abcd",
  ])
  func anyOtherTextIsRefused(text: String) {
    #expect(Identifier(text) == nil)
  }

  @Test func otherBytesAreRefused() {
    #expect(Identifier(bytes: []) == nil)
    #expect(Identifier(bytes: [UInt8](repeating: 0, count: 16)) == nil)
    #expect(Identifier(bytes: [UInt8](repeating: 0x44, count: 17)) == nil)
  }
}
