import Foundation
import Testing

@testable import Encoding

/// Held against the dates of RFC 9636's format as `zdump` and Python's zoneinfo read it.
@Suite("Time zones")
struct TimeZoneTests {
  static func zone(_ name: String) throws -> TimeZoneRules {
    let bytes = try Data(contentsOf: URL(filePath: "/usr/share/zoneinfo/" + name))
    return try #require(TimeZoneRules(parsing: Array(bytes)))
  }

  @Test(arguments: [
    ("America/Detroit", "20190211124743", "2019-02-11T12:47:43-05:00"),
    ("America/Detroit", "20260701120000", "2026-07-01T12:00:00-04:00"),
    // Put forward: 02:30 does not come, and is taken as if clocks had not been.
    ("America/Detroit", "20260308023000", "2026-03-08T02:30:00-05:00"),
    ("America/Detroit", "20260308030000", "2026-03-08T03:00:00-04:00"),
    // Put back: 01:30 comes twice, and the first is taken.
    ("America/Detroit", "20261101013000", "2026-11-01T01:30:00-04:00"),
    ("America/Detroit", "20261101020000", "2026-11-01T02:00:00-05:00"),
    // Beyond the table: by the rule at its end.
    ("America/Detroit", "20500701120000", "2050-07-01T12:00:00-04:00"),
    ("America/Detroit", "20501231120000", "2050-12-31T12:00:00-05:00"),
    ("Australia/Sydney", "20500101120000", "2050-01-01T12:00:00+11:00"),
    ("Australia/Sydney", "20500701120000", "2050-07-01T12:00:00+10:00"),
    ("Asia/Kolkata", "20260219120918", "2026-02-19T12:09:18+05:30"),
    ("Europe/Dublin", "20260701120000", "2026-07-01T12:00:00+01:00"),
    ("Europe/Dublin", "20500101120000", "2050-01-01T12:00:00Z"),
    ("America/Phoenix", "20500701120000", "2050-07-01T12:00:00-07:00"),
    ("UTC", "20260219120918", "2026-02-19T12:09:18Z"),
  ])
  func instants(_ name: String, _ local: String, _ expected: String) throws {
    let time = try #require(LocalTime(local))
    #expect(time.description == local)
    #expect(try Self.zone(name).instant(of: time)?.description == expected)
  }

  /// Foundation reads the same files by other code: each zone, each month, around noon and midnight.
  @Test(arguments: [
    "America/Detroit", "America/St_Johns", "Europe/London", "Africa/Casablanca",
    "Australia/Lord_Howe", "Asia/Tehran", "Pacific/Chatham", "America/Santiago",
  ])
  func againstFoundation(_ name: String) throws {
    let rules = try Self.zone(name)
    let zone = try #require(TimeZone(identifier: name))
    for day in stride(from: 0, to: 366 * 60, by: 1) {
      let instant = Int64(0) + Int64(day) * 86_400 + 45_000
      let expected = zone.secondsFromGMT(for: Date(timeIntervalSince1970: Double(instant)))
      #expect(rules.offset(at: instant) == expected, "\(name) at \(instant)")
    }
  }

  @Test(arguments: [
    "", "2026021912091", "202602191209188", "20260229120918", "20261301000000", "20260101240000",
    "18991231235959", "22000101000000", "2026 219120918", "２0260219120918",
  ])
  func noTime(_ text: String) {
    #expect(LocalTime(text) == nil)
  }

  @Test func noZone() throws {
    let good = Array(try Data(contentsOf: URL(filePath: "/usr/share/zoneinfo/America/Detroit")))
    #expect(TimeZoneRules(parsing: []) == nil)
    #expect(TimeZoneRules(parsing: Array(good.dropLast())) == nil)
    #expect(TimeZoneRules(parsing: good + [0x0A, 0x0A]) == nil)
    #expect(TimeZoneRules(parsing: Array(good.prefix(1000))) == nil)
  }

  @Test(arguments: [
    "EST", "EST+", "EST5EDT", "EST5EDT,M3.2.0", "EST5EDT,M13.2.0,M11.1.0", "E5", "EST25",
    "EST5EDT,M3.2.0,M11.1.0,", "EST5EDT,J0,J365", "<EST5", "EST5EDT,M3.2.0/168,M11.1.0",
  ])
  func noRule(_ text: String) {
    #expect(YearlyRule(Array(text.utf8)) == nil)
  }
}
