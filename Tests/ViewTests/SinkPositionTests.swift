import Audit
import Cryptography
import Testing

@testable import Views

@Suite struct SinkPositionTests {
  static let leaf = String(repeating: "9b", count: 32)
  static let text =
    "callvault/sink-position/v1\norigin vault.example/callvault\nnext 42\nleaf \(leaf)\n"

  @Test func itIsWrittenAsItIsRead() throws {
    let position = try SinkPosition(parsing: Array(Self.text.utf8))
    #expect(position.next == 42)
    #expect(position.last?.index == 41)
    #expect(position.last?.leafHash.hex == Self.leaf)
    #expect(String(decoding: position.encoded, as: UTF8.self) == Self.text)
    let first = try #require(SinkPosition(origin: "a", last: nil))
    #expect(try SinkPosition(parsing: first.encoded) == first)
    #expect(first.next == 0)
  }

  @Test(
    "Another spelling is refused",
    arguments: [
      text + "\n", String(text.dropLast()), text.replacing("next 42", with: "next 042"),
      text.replacing("next 42", with: "next +42"), text.replacing("next 42", with: "next -1"),
      text.replacing("next 42", with: "next 99999999999999999999"),
      text.replacing("next 42", with: "next 0"), text.replacing("v1", with: "v2"),
      text.replacing("9b9b", with: "9B9b"), text.replacing("origin vault", with: "origin  \u{1}v"),
      text.replacing("\n", with: "\r\n"), "", text + text,
    ])
  func refused(_ text: String) {
    let error = #expect(throws: SinkError.self) { try SinkPosition(parsing: Array(text.utf8)) }
    #expect(error?.code == .malformed)
  }
}
