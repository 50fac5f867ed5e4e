import Encoding
import Testing

@testable import Retention

@Suite struct CivilDateTests {
  @Test(arguments: [
    "2024-02-29", "2000-02-29", "1999-12-31", "0001-01-01", "9999-12-31", "1970-01-01",
  ])
  func aDayReadsBack(text: String) throws {
    let date = try day(text)
    #expect(date.description == text)
    #expect(CivilDate(number: date.number) == date)
  }

  @Test(arguments: [
    "2023-02-29", "1900-02-29", "2024-13-01", "2024-00-10", "2024-04-31", "2024-4-01", "0000-01-01",
    "2024-01-01T", "", "2024/01/01", "-024-01-01", "２０２４-01-01",
  ])
  func aDayThatIsNoneIsRefused(text: String) {
    #expect(CivilDate(text) == nil)
  }

  @Test func everyDayOfTheCalendarHasItsNumber() throws {
    var date = try day("0001-01-01")
    var number = date.number
    while let next = CivilDate(year: date.year, month: date.month, day: date.day + 1)
      ?? CivilDate(year: date.year, month: date.month + 1, day: 1)
      ?? CivilDate(year: date.year + 1, month: 1, day: 1)
    {
      number += 1
      guard next.number == number, CivilDate(number: number) == next, date < next else {
        Issue.record("\(next) is not day \(number)")
        return
      }
      date = next
    }
    #expect(date.description == "9999-12-31")
    #expect(CivilDate(number: number + 1) == nil)
    #expect(date.adding(days: 1) == nil)
    #expect(date.adding(days: .max) == nil)
    #expect(date.adding(years: 1) == nil)
  }

  @Test(arguments: [
    ("2024-02-29", 1, "2025-03-01"), ("2024-02-29", 4, "2028-02-29"),
    ("2096-02-29", 4, "2100-03-01"), ("2025-02-28", 3, "2028-02-28"),
    ("2023-12-31", 7, "2030-12-31"), ("2024-02-29", 0, "2024-02-29"),
  ])
  func yearsLaterIsNeverADayShort(from: String, years: Int, to: String) throws {
    #expect(try day(from).adding(years: years)?.description == to)
  }

  @Test(arguments: [
    ("2026-12-31T23:30:00-06:00", "2026-12-31"), ("2027-01-01T05:30:00Z", "2027-01-01"),
    ("2026-12-31T23:30:00Z", "2026-12-31"), ("1969-12-31T23:59:59.999Z", "1969-12-31"),
    ("2024-02-29T00:00:00+14:00", "2024-02-29"),
  ])
  func theDayOfServiceIsTheLocalOne(time: String, day: String) throws {
    #expect(CivilDate(try #require(OffsetTime(time)))?.description == day)
  }

  @Test func anInstantBeyondTheCalendarHasNoDay() {
    for milliseconds in [Int64.min, .max, -62_135_596_800_001] {
      #expect(CivilDate(Timestamp(milliseconds: milliseconds), minutesEast: 0) == nil)
    }
  }
}
