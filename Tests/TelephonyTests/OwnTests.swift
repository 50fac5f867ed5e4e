import Cryptography
import Encoding
import Failover
import Foundation
import HTTPClient
import SMTP
import Subprocess
import Testing
import YAML

@testable import SMTP
@testable import Telephony

@Suite struct OwnTests {
  static func signature(_ byte: UInt8 = 1) throws -> WebhookSignature {
    let key = SharedSecret(try SecretBytes(copying: [UInt8](repeating: byte, count: 32)))
    return try #require(WebhookSignature(key: key))
  }

  @Test func aSignedRequestIsBelievedOnce() throws {
    let signature = try Self.signature()
    let body = Array("{}".utf8)
    let header = try signature.header(for: body, atMs: 1_000_000_000)
    var seen = WebhookReplayGuard()
    #expect(throws: WebhookSignature.Refusal.mismatch) {
      try signature.check(header.value, body: [0x7B], nowMs: 1_000_000_000, replays: &seen)
    }
    #expect(throws: WebhookSignature.Refusal.mismatch) {
      try Self.signature(2).check(header.value, body: body, nowMs: 1_000_000_000, replays: &seen)
    }
    for shift: Int64 in [-301_000, 301_000] {
      #expect(throws: WebhookSignature.Refusal.stale) {
        try signature.check(header.value, body: body, nowMs: 1_000_000_000 + shift, replays: &seen)
      }
    }
    try signature.check(header.value, body: body, nowMs: 1_000_299_000, replays: &seen)
    #expect(throws: WebhookSignature.Refusal.replayed) {
      try signature.check(header.value, body: body, nowMs: 1_000_299_001, replays: &seen)
    }
  }

  @Test func theCodeIsOverTimeNonceAndBody() throws {
    // Made with Python's hmac, as section 9 of the format page says.
    let signature = try Self.signature(0x6B)
    let text =
      "t=1000000,n=000102030405060708090a0b0c0d0e0f,v1=511787b7e1ccb991d31f67d31581369d314664c15c2aa85b42d3203194fc9ca8"
    var seen = WebhookReplayGuard()
    try signature.check(text, body: Array("{\"v\":1}".utf8), nowMs: 1_000_000_000, replays: &seen)
  }

  @Test func headersHaveOneSpelling() {
    let good = "t=1,n=\(String(repeating: "0", count: 32)),v1=\(String(repeating: "a", count: 64))"
    #expect(WebhookSignature.Claim(parsing: good)?.text == good)
    for bad in [
      "", "t=1", good + ",x=1", good.uppercased(), "t=01" + good.dropFirst(3),
      "t=-1" + good.dropFirst(3),
      " " + good, good.replacingOccurrences(of: ",", with: ", "),
    ] {
      #expect(WebhookSignature.Claim(parsing: bad) == nil)
    }
  }

  @Test func aFloodOfNoncesForgetsNone() {
    var seen = WebhookReplayGuard()
    func nonce(_ number: Int) -> [UInt8] { Array("\(number)".utf8) }
    var admitted = 0
    for number in 0..<WebhookReplayGuard.limit where seen.admit(nonce(number), nowMs: 1) {
      admitted += 1
    }
    let late = [seen.admit(nonce(-1), nowMs: 1), seen.admit(nonce(0), nowMs: 1)]
    #expect(admitted == WebhookReplayGuard.limit)
    #expect(late == [false, false])
    let after = seen.admit(nonce(-1), nowMs: 700_000)
    #expect(after)
  }

  @Test func aScriptGetsWordsOfThePolicyAndNumbers() {
    #expect(
      ScriptActuator.arguments(for: "main/people", PlanMark(fencing: 7, version: 3)) == [
        "set", "--route", "main", "--answer", "people", "--fencing", "7", "--version", "3",
      ])
  }

  /// Runs the scripts: one that was just written may be busy, because another test's child has it
  /// open until it has begun.
  private static let shell = "/usr/bin/bash"

  static func script(_ text: String) throws -> String {
    let path = FileManager.default.temporaryDirectory
      .appending(path: "callvault-script-\(UUID().uuidString)").path
    try Data(("#!/bin/sh\n" + text).utf8).write(to: URL(filePath: path))
    try FileManager.default.setAttributes([.posixPermissions: 0o700], ofItemAtPath: path)
    return path
  }

  @Test func aProgramGetsItsArgumentsAndNothingElse() async throws {
    let program = try Subprocess(path: Self.shell)
    let script = try Self.script("printf '%s|' \"$@\"; env | sort; ls /proc/self/fd | wc -l")
    let outcome = try await program.run([script, "a b", "$(id)", "';x"], by: .now + .seconds(600))
    let output = String(decoding: outcome.output, as: UTF8.self)
    #expect(output.hasPrefix("a b|$(id)|';x|"))
    #expect(!output.contains("HOME="))
    #expect(outcome.status == 0)
    #expect(try await program.run([script], by: .now + .seconds(600)).status == 0)
    for argument in ["", "a\nb", "a\u{0}", String(repeating: "x", count: 257)] {
      await #expect(throws: SubprocessError.self) {
        try await program.run([argument], by: .now + .seconds(1))
      }
    }
  }

  @Test func whatAProgramStartedEndsWithIt() async throws {
    let mark = FileManager.default.temporaryDirectory
      .appending(path: "callvault-child-\(UUID().uuidString)").path
    let program = try Subprocess(path: Self.shell)
    let script = try Self.script("sleep 3600 & echo $! > \(mark); sleep 3600")
    let began = ContinuousClock.now
    let error = await #expect(throws: SubprocessError.self) {
      try await program.run([script], by: .now + .seconds(10))
    }
    #expect(error?.code == .timeout)
    #expect(ContinuousClock.now - began < .seconds(1800))
    let child = try #require(
      pid_t(
        try String(contentsOfFile: mark, encoding: .utf8).trimmingCharacters(
          in: .whitespacesAndNewlines)))
    // Killed with its group, but it dies when it is next scheduled; nobody of ours reaps it, so it may
    // be a zombie of init's for a moment.
    var state: String?
    for _ in 0..<6000 {
      state = try? String(contentsOfFile: "/proc/\(child)/stat", encoding: .utf8)
      if state?.contains(") Z ") != false { break }
      try await Task.sleep(for: .milliseconds(10))
    }
    #expect(state == nil || state?.contains(") Z ") == true)
  }

  @Test func outputIsBounded() async throws {
    let program = try Subprocess(path: Self.shell)
    let script = try Self.script("head -c 1000000 /dev/zero; exit 4")
    let outcome = try await program.run([script], by: .now + .seconds(600))
    #expect(outcome.output.count == Subprocess.outputLimit)
    #expect(outcome.status == 4)
  }

  // MARK: Notices

  static func notice(subject: String?) -> Notice {
    Notice(
      id: .random(), event: .routeChanged, urgency: .critical, state: .twilioBackup,
      subject: subject,
      call: .random(), atMs: 1_795_185_321_000, level: 2)
  }

  @Test func noticesHaveWordsOfTheHouseOnly() throws {
    for hostile in [
      "Pat Smith", "+13125550123", "a\r\nBcc: x@y.example", "<b>",
      String(repeating: "a", count: 40),
    ] {
      let text = NoticeText(Self.notice(subject: hostile))
      #expect(text.subject == nil)
      for shown in [
        text.summary, text.message, text.lines.joined(),
        String(decoding: text.json.encoded(), as: UTF8.self),
      ] {
        #expect(!shown.contains(hostile))
        #expect(shown.utf8.allSatisfy { (0x20...0x7E).contains($0) })
      }
      #expect(text.message.utf8.count <= 160)
      #expect(text.summary.utf8.count <= 120)
    }
    let text = NoticeText(Self.notice(subject: "backup"))
    #expect(text.summary == "CallVault critical: route-changed backup, calls now TWILIO_BACKUP")
  }

  @Test func repetitionsAreOneIncident() throws {
    let notice = Self.notice(subject: "backup")
    let event = PagerDutyNotifier.event(notice, routingKey: "k", source: "callvault").object
    #expect(event?["dedup_key"]?.string == "\(notice.id)")
    #expect(event?["payload"]?.object?["severity"]?.string == "critical")
    #expect(event?["payload"]?.object?["timestamp"]?.string == "2026-11-20T14:35:21.000Z")
  }

  @Test func aMessageHasTheHeadersItWasGiven() throws {
    let message = try MailMessage(
      from: "callvault@practice.example", to: ["a@b.example", "c@d.example"], subject: "Test",
      lines: ["one", ".", ""], identifier: "1.2", date: Timestamp(milliseconds: 1_795_185_321_000))
    #expect(
      String(decoding: message.bytes, as: UTF8.self)
        == "Date: 20 Nov 2026 14:35:21 +0000\r\nFrom: <callvault@practice.example>\r\n"
        + "To: <a@b.example>, <c@d.example>\r\nSubject: Test\r\nMessage-ID: <1.2@practice.example>\r\n"
        + "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=us-ascii\r\n"
        + "Auto-Submitted: auto-generated\r\n\r\none\r\n.\r\n\r\n")
  }

  @Test(arguments: [
    "a", "a@", "@b", "a@b@c", "a b@c.example", "a@b.example>", "a@b.example\r\nRCPT TO:<x@y>",
    "<a@b>",
    "a@-b.example", ".a@b.example", "a.@b.example", "a@b.example\u{0}",
  ])
  func whatIsNoPlainAddressIsRefused(address: String) {
    #expect(throws: SMTPError.self) {
      try MailMessage(
        from: "a@b.example", to: [address], subject: "x", lines: [], identifier: "1",
        date: Timestamp(milliseconds: 0))
    }
  }

  @Test func noLineBecomesAHeader() {
    for (subject, line) in [
      ("a\r\nBcc: x@y", "x"), ("x", "a\r\n.\r\nMAIL"), ("", "x"), ("\u{E9}", "x"),
    ] {
      #expect(throws: SMTPError.self) {
        try MailMessage(
          from: "a@b.example", to: ["c@d.example"], subject: subject, lines: [line],
          identifier: "1",
          date: Timestamp(milliseconds: 0))
      }
    }
  }

  // MARK: Canary

  @Test func onlyTheRightAnswerToThisQuestionIsRight() throws {
    let phrase = CanaryProbe.Phrase(utterance: "front desk please", expected: "front-desk")
    func isRight(_ text: String) -> Bool {
      CanaryProbe.isRight(Array(text.utf8), nonce: "n1", phrase)
    }
    #expect(isRight(#"{"v":1,"nonce":"n1","answer":"front-desk"}"#))
    for wrong in [
      #"{"v":1,"nonce":"n2","answer":"front-desk"}"#,
      #"{"v":1,"nonce":"n1","answer":"Front-desk"}"#,
      #"{"v":2,"nonce":"n1","answer":"front-desk"}"#, #"{"nonce":"n1","answer":"front-desk"}"#, "",
      "[]",
      #"{"v":1,"nonce":"n1","answer":["front-desk"]}"#,
    ] {
      #expect(!isRight(wrong))
    }
  }
}
