import Testing

@testable import HTTP

@Suite struct FieldTests {
  private static let tag = "\"abc\""

  @Test(arguments: [
    ("bytes=0-0", ByteRange.Selection.part(0..<1)),
    ("bytes=0-", .part(0..<100)),
    ("Bytes=10-19", .part(10..<20)),
    ("bytes=90-1000", .part(90..<100)),
    ("bytes=99-99999999999999999999999999", .part(99..<100)),
    ("bytes=-1", .part(99..<100)),
    ("bytes=-1000", .part(0..<100)),
    ("bytes= 5-6 ", .part(5..<7)),
    ("bytes=100-", .unsatisfiable),
    ("bytes=100-200", .unsatisfiable),
    ("bytes=-0", .unsatisfiable),
    ("bytes=99999999999999999999999999-", .unsatisfiable),
    ("bytes=100-, 200-", .unsatisfiable),
    ("bytes=0-1,5-6", .whole),
    ("bytes=0-1,500-", .whole),
    ("bytes=", .whole),
    ("bytes=-", .whole),
    ("bytes=5-4", .whole),
    ("bytes=a-b", .whole),
    ("bytes=1-2-3", .whole),
    ("bytes=+1-2", .whole),
    ("bytes 0-1", .whole),
    ("items=0-1", .whole),
    ("bytes=" + Array(repeating: "0-0", count: 17).joined(separator: ","), .whole),
  ])
  func rangesSelectWhatTheRFCSays(range: String, selection: ByteRange.Selection) {
    #expect(
      ByteRange.selection(from: ["Range": range], entityTag: Self.tag, length: 100) == selection)
  }

  @Test func nothingOfAnEmptyBodyCanBeHad() {
    #expect(
      ByteRange.selection(from: ["Range": "bytes=0-"], entityTag: Self.tag, length: 0)
        == .unsatisfiable)
    #expect(
      ByteRange.selection(from: ["Range": "bytes=-5"], entityTag: Self.tag, length: 0)
        == .unsatisfiable)
  }

  @Test(arguments: [
    ("\"abc\"", ByteRange.Selection.part(1..<3)),
    ("\"abd\"", .whole),
    ("W/\"abc\"", .whole),
    ("Sun, 06 Nov 1994 08:49:37 GMT", .whole),
  ])
  func onlyTheSameStrongTagMeetsTheCondition(condition: String, selection: ByteRange.Selection) {
    let headers: Headers = ["Range": "bytes=1-2", "If-Range": condition]
    #expect(ByteRange.selection(from: headers, entityTag: Self.tag, length: 10) == selection)
  }

  @Test func digestsOfTheRFCAreRead() throws {
    // RFC 9530, appendix D: {"hello": "world"} and a line feed.
    let text = "sha-256=:RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg=:"
    let digest = try ContentDigest(parsing: "md5=:AAAA:, " + text)
    #expect(digest.sha256?.prefix(4) == [0x44, 0xAF, 0xF4, 0xAB])
    #expect(digest.sha512 == nil)
    #expect(digest.fieldValue == text)
  }

  @Test(arguments: [
    "", "sha-256", "sha-256=", "sha-256=::", "sha-256=:AAAA:", "sha-256=AAAA", "SHA-256=:AAAA:",
    "sha-256=:!!!!:", "sha-256=:RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg:",
    "sha-256=:RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg=:;q=1",
    "sha-256=:RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg=:,",
    "md5=:AAAA:, md5=:AAAA:",
  ])
  func brokenDigestsAreRefused(text: String) {
    #expect(throws: HTTPError.self) { try ContentDigest(parsing: text) }
  }

  @Test(arguments: [
    (Int64(784_111_777), "Sun, 06 Nov 1994 08:49:37 GMT"),
    (0, "Thu, 01 Jan 1970 00:00:00 GMT"),
    (951_782_400, "Tue, 29 Feb 2000 00:00:00 GMT"),
    (1_709_251_199, "Thu, 29 Feb 2024 23:59:59 GMT"),
    (4_107_542_400, "Mon, 01 Mar 2100 00:00:00 GMT"),
    (253_402_300_799, "Fri, 31 Dec 9999 23:59:59 GMT"),
  ])
  func datesHaveTheFixedForm(seconds: Int64, text: String) {
    #expect(HTTPDate.format(secondsSince1970: seconds) == text)
  }

  @Test(arguments: [
    ("X\r\nSet-Cookie", "a"), ("X", "a\r\nSet-Cookie: b"), ("X", "a\nb"), ("", "a"), ("X ", "a"),
    ("Content-Length", "5"), ("transfer-encoding", "chunked"), ("Connection", "close"),
  ])
  func noFieldCanSplitAResponse(name: String, value: String) {
    #expect(throws: HTTPError.self) {
      try ResponseHead.encode(
        status: 200, headers: [name: value], framing: "", closes: false, date: "")
    }
  }
}
