import Testing

@testable import SIP
@testable import SIPTransport

@Suite struct LedgerTests {
  static let millisecond: UInt64 = 1_000_000

  static func secrets(_ number: Int) -> ProbeSecrets? {
    ProbeSecrets(
      random: (0..<32).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ number) }, sequence: number + 1)
  }

  static func response(
    _ status: String, to secrets: ProbeSecrets, fields: String = ""
  ) throws -> SIPResponse {
    let request = OptionsRequest(to: "192.0.2.1", from: "192.0.2.9", over: .udp).encoded(secrets)
    var lines = String(decoding: request, as: UTF8.self).split(separator: "\r\n")
    lines[0] = "SIP/2.0 \(status)"
    return try SIPResponse(
      SIPMessage(datagram: Array((lines.joined(separator: "\r\n") + "\r\n\(fields)\r\n").utf8)))
  }

  @Test(arguments: [
    ("200 OK", "", ProbeEvent.Result.answered(status: 200, isLate: false)),
    ("404 Not Found", "", .answered(status: 404, isLate: false)),
    ("405 No", "", .answered(status: 405, isLate: false)),
    ("486 Busy Here", "", .answered(status: 486, isLate: false)),
    ("603 Decline", "", .answered(status: 603, isLate: false)),
    ("408 Timeout", "", .missed(.serverError(status: 408))),
    ("500 Error", "", .missed(.serverError(status: 500))),
    ("503 No", "", .missed(.serverError(status: 503))),
    ("503 No", "Retry-After: 0\r\n", .missed(.serverError(status: 503))),
    ("503 No", "Retry-After: 30 (busy);duration=9\r\n", .draining(seconds: 30)),
    ("500 No", "Retry-After: 30\r\n", .missed(.serverError(status: 500))),
  ])
  func anAnswerIsLifeOrNot(status: String, fields: String, result: ProbeEvent.Result) throws {
    var ledger = ProbeLedger(timeout: 200 * Self.millisecond)
    let secrets = try #require(Self.secrets(1))
    #expect(ledger.sent(0, secrets, at: 5).result == .sent)
    let event = ledger.answered(try Self.response(status, to: secrets, fields: fields), at: 9)
    #expect(event == ProbeEvent(number: 0, result: result, sent: 5, at: 9))
    #expect(ledger.answered(try Self.response(status, to: secrets), at: 10) == nil, "twice")
    #expect(ledger.expire(at: .max / 2).isEmpty)
  }

  @Test func aProvisionalAnswerOrAnothersIsNone() throws {
    var ledger = ProbeLedger(timeout: 200 * Self.millisecond)
    let secrets = try #require(Self.secrets(1))
    _ = ledger.sent(0, secrets, at: 0)
    #expect(ledger.answered(try Self.response("100 Trying", to: secrets), at: 1) == nil)
    let other = try #require(Self.secrets(2))
    #expect(ledger.answered(try Self.response("200 OK", to: other), at: 1) == nil)
    #expect(ledger.answered(try Self.response("200 OK", to: secrets), at: 1) != nil)
  }

  @Test func eachRequestIsMissedOnceAndALateAnswerIsLife() throws {
    var ledger = ProbeLedger(timeout: 200 * Self.millisecond)
    for number in 0..<4 {
      _ = ledger.sent(
        UInt64(number), try #require(Self.secrets(number)),
        at: UInt64(number) * 50 * Self.millisecond)
    }
    #expect(ledger.deadline == 200 * Self.millisecond)
    #expect(ledger.expire(at: 199 * Self.millisecond).isEmpty)
    #expect(ledger.expire(at: 250 * Self.millisecond).map(\.number) == [0, 1])
    let refused = ledger.failed(.refused, at: 251 * Self.millisecond)
    #expect(refused?.number == 2 && refused?.result == .missed(.refused))
    let late = ledger.answered(
      try Self.response("200 OK", to: #require(Self.secrets(0))), at: 260 * Self.millisecond)
    #expect(late?.result == .answered(status: 200, isLate: true))
    // A late failure is not a second miss.
    #expect(
      ledger.answered(
        try Self.response("500 No", to: #require(Self.secrets(1))), at: 261 * Self.millisecond)
        == nil)
    #expect(ledger.failedAll(.unreachable, at: 262 * Self.millisecond).map(\.number) == [3])
    #expect(ledger.failed(.refused, at: 263 * Self.millisecond) == nil)
    // After a while nobody remembers it.
    _ = ledger.expire(at: 6_000 * Self.millisecond)
    #expect(
      ledger.answered(try Self.response("200 OK", to: #require(Self.secrets(3))), at: .max / 2)
        == nil)
  }

  @Test func nineTimeoutsInARowAreADoubtAboutTheConnection() throws {
    var ledger = ProbeLedger(timeout: Self.millisecond)
    for number in 0..<8 {
      _ = ledger.sent(UInt64(number), try #require(Self.secrets(number)), at: 0)
    }
    #expect(ledger.expire(at: 2 * Self.millisecond).count == 8)
    let early = ledger.isConnectionDoubtful()
    _ = ledger.sent(8, try #require(Self.secrets(8)), at: 0)
    _ = ledger.expire(at: 2 * Self.millisecond)
    let (ninth, again) = (ledger.isConnectionDoubtful(), ledger.isConnectionDoubtful())
    #expect(!early && ninth && !again)
  }

  @Test func aLedgerIsBounded() throws {
    var ledger = ProbeLedger(timeout: .max / 4)
    for number in 0..<3_000 {
      _ = ledger.sent(UInt64(number), try #require(Self.secrets(number)), at: 0)
    }
    #expect(ledger.failedAll(.unreachable, at: 1).count == 1_024)
  }
}
