import Encoding
import Testing

struct TimeTests {
  @Test(arguments: [
    (0, "1970-01-01T00:00:00.000Z"), (-1, "1969-12-31T23:59:59.999Z"),
    (951_782_400_000, "2000-02-29T00:00:00.000Z"), (1_795_188_000_123, "2026-11-20T15:20:00.123Z"),
    (-62_167_219_200_000, "0000-01-01T00:00:00.000Z"),
    (253_402_300_799_999, "9999-12-31T23:59:59.999Z"),
  ])
  func instantsReadBothWays(milliseconds: Int64, text: String) {
    #expect(Timestamp(milliseconds: milliseconds).rfc3339 == text)
    #expect(Timestamp(rfc3339: text) == Timestamp(milliseconds: milliseconds))
  }

  @Test func everyDayOfFourCenturiesComesBack() {
    for day in stride(from: Int64(-40_000), through: 110_000, by: 1) {
      let instant = Timestamp(milliseconds: day * 86_400_000 + 43_200_001)
      #expect(Timestamp(rfc3339: instant.rfc3339) == instant)
    }
  }

  @Test func noInstantTraps() {
    for milliseconds in [Int64.min, .min + 1, .max, .max - 1] {
      #expect(!Timestamp(milliseconds: milliseconds).rfc3339.isEmpty)
      #expect(
        OffsetTime(instant: Timestamp(milliseconds: milliseconds), offsetMinutes: 1439) == nil)
    }
  }

  /// What is read can be kept: an instant out of bounds would be damage when it is read again.
  @Test func anOffsetTakesNoInstantOutOfTheYears() {
    for text in ["9999-12-31T23:59:59-00:01", "0000-01-01T00:00:00+00:01"] {
      #expect(OffsetTime(text) == nil)
      #expect(Timestamp(rfc3339: text) == nil)
    }
    for text in ["9999-12-31T23:59:59+23:59", "0000-01-01T00:00:00-23:59"] {
      #expect(OffsetTime(text)?.description == text)
    }
  }

  @Test(arguments: [
    ("2026-11-20T15:42:00-05:00", 1_795_207_320_000, -300),
    ("2026-11-20T15:42:00.500+05:30", 1_795_169_520_500, 330),
    ("2026-11-20T15:42:00Z", 1_795_189_320_000, 0),
    ("2024-02-29T23:59:59+23:59", 1_709_164_859_000, 1439),
  ])
  func theOffsetIsKept(text: String, milliseconds: Int64, offset: Int) throws {
    let time = try #require(OffsetTime(text))
    #expect(time.instant.milliseconds == milliseconds)
    #expect(time.offsetMinutes == offset)
    #expect(time.description == text)
  }

  @Test func decimalsBeyondTheMillisecondAreDropped() {
    #expect(OffsetTime("2026-11-20T15:42:00.123999999Z")?.instant.milliseconds == 1_795_189_320_123)
    #expect(OffsetTime("2026-11-20T15:42:00.1Z")?.instant.milliseconds == 1_795_189_320_100)
  }

  @Test(arguments: [
    "", "2026-11-20", "2026-11-20T15:42Z", "2026-11-20T15:42:00", "2026-11-20 15:42:00Z",
    "2026-11-20t15:42:00z", "2026-02-29T00:00:00Z", "2026-13-01T00:00:00Z",
    "2026-00-01T00:00:00Z", "2026-11-31T00:00:00Z", "2026-11-00T00:00:00Z",
    "2026-11-20T24:00:00Z", "2026-11-20T15:60:00Z", "2026-11-20T15:42:60Z",
    "2026-11-20T15:42:00.Z", "2026-11-20T15:42:00.1234567890Z", "2026-11-20T15:42:00-00:00",
    "2026-11-20T15:42:00+24:00", "2026-11-20T15:42:00+05:60", "2026-11-20T15:42:00+0530",
    "2026-11-20T15:42:00Z ", "+2026-11-20T15:42:00Z", "2026-11-20T15:42:00.1é0Z",
    "1900-02-29T00:00:00Z",
  ])
  func anyOtherTextIsRefused(text: String) {
    #expect(OffsetTime(text) == nil)
    #expect(Timestamp(rfc3339: text) == nil)
  }
}
