import Tar
import Testing

/// Headers of package.md, 1; GNU tar reads whole packages in `Tests/Outside/12-package.py`.
@Suite struct TarTests {
  @Test func aHeaderIsTheOneOfTheStandard() throws {
    let header = try #require(
      TarHeader(name: "log/checkpoint", length: 172, modified: 1_795_188_000))
    let block = header.encoded
    #expect(block.count == 512)
    func text(_ range: Range<Int>) -> String { String(decoding: block[range], as: UTF8.self) }
    #expect(text(0..<15) == "log/checkpoint\0")
    #expect(text(100..<108) == "0000644\0" && text(124..<136) == "00000000254\0")
    #expect(text(136..<148) == "15300062440\0" && text(156..<157) == "0")
    #expect(text(257..<265) == "ustar\u{0}00")
    // The sum is taken with spaces in its own place.
    let sum = block.enumerated().reduce(0) { $0 + (148..<156 ~= $1.offset ? 32 : Int($1.element)) }
    #expect(
      text(148..<154) == String(repeating: "0", count: 6 - String(sum, radix: 8).count)
        + String(sum, radix: 8))
    #expect(block[154] == 0 && block[155] == 0x20)
  }

  @Test(arguments: [
    "", "/a", "a/", "a//b", ".", "a/../b", "a/./b", "a b", "a\n", "\u{e4}",
    String(repeating: "a", count: 101),
  ])
  func aNameThatLeadsElsewhereIsRefused(name: String) {
    #expect(TarHeader(name: name, length: 0, modified: 0) == nil)
  }

  @Test func numbersThatDoNotFitAreRefused() {
    #expect(TarHeader(name: "a", length: -1, modified: 0) == nil)
    #expect(TarHeader(name: "a", length: TarHeader.maximumLength + 1, modified: 0) == nil)
    #expect(TarHeader(name: "a", length: 0, modified: -1) == nil)
    #expect(TarHeader.padding(after: 512).isEmpty && TarHeader.padding(after: 513).count == 511)
  }
}
