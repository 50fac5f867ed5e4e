import Encoding
import Failover
import Testing

@Suite struct BusinessHoursTests {
  private func time(_ text: String) throws -> Timestamp {
    try #require(Timestamp(rfc3339: text))
  }

  @Test(arguments: [
    ("2026-11-25T10:00:00-05:00", true), ("2026-11-25T07:59:59-05:00", false),
    ("2026-11-25T08:00:00-05:00", true), ("2026-11-25T17:00:00-05:00", false),
    ("2026-11-26T10:00:00-05:00", false),  // A holiday.
    ("2026-11-28T10:00:00-05:00", false),  // Saturday.
    ("2026-11-27T12:30:00-05:00", false),  // Lunch on Fridays.
    ("2026-11-27T13:30:00-05:00", true),
    ("2026-07-15T08:30:00-04:00", true),  // Summer time.
    ("2026-07-15T12:30:00Z", true), ("2026-07-15T11:30:00Z", false),
    ("2026-11-25T12:30:00Z", false),  // The same hour is too early in winter.
  ])
  func hoursAreThoseOfThePlace(text: String, isOpen: Bool) throws {
    let policy = try PolicyFiles.policy()
    #expect(policy.hours.isOpen(at: try time(text)) == isOpen)
  }

  @Test func theNextOpeningSkipsNightsWeekendsAndHolidays() throws {
    let hours = try PolicyFiles.policy().hours
    #expect(
      hours.nextOpening(after: try time("2026-11-25T18:00:00-05:00"))
        == (try time("2026-11-27T08:00:00-05:00")))
    #expect(
      hours.nextOpening(after: try time("2026-11-27T16:30:00-05:00"))
        == (try time("2026-11-30T08:00:00-05:00")))
    #expect(
      hours.nextOpening(after: try time("2026-11-27T12:30:00-05:00"))
        == (try time("2026-11-27T13:00:00-05:00")))
  }

  @Test func hoursAreCountedAcrossAChangeOfTheClocks() throws {
    let hours = try PolicyFiles.policy().hours
    // Monday to Monday, with the end of summer time in between: 4 × 9 h and 7 h.
    let week = hours.openMs(
      from: try time("2026-10-26T00:00:00-04:00"), to: try time("2026-11-02T00:00:00-05:00"))
    #expect(week == 43 * 3_600_000)
    let part = hours.openMs(
      from: try time("2026-11-02T16:30:00-05:00"), to: try time("2026-11-03T08:15:00-05:00"))
    #expect(part == 45 * 60_000)
  }
}
