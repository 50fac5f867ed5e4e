import Foundation
import Testing

@testable import AMI

/// A real Asterisk's bytes are understood, and nothing that a caller chose gets into an action.
@Suite struct AMITests {
  static let vectors = URL(filePath: #filePath).deletingLastPathComponent()
    .deletingLastPathComponent().appending(path: "Vectors/ami")

  static func bytes(_ name: String) throws -> [UInt8] {
    [UInt8](try Data(contentsOf: vectors.appending(path: name + ".raw")))
  }

  static func messages(_ bytes: [UInt8], piece: Int) throws -> (AMIReader, [AMIMessage]) {
    var reader = AMIReader()
    var messages: [AMIMessage] = []
    for start in stride(from: 0, to: bytes.count, by: piece) {
      messages += try reader.take(Array(bytes[start..<min(start + piece, bytes.count)]))
    }
    return (reader, messages)
  }

  @Test(arguments: [
    ("01_login_fail", 1), ("02_login_md5", 4), ("03_permission", 2), ("04_call_redirect", 159),
  ])
  func capturesAreReadWholeInAnyPieces(name: String, count: Int) throws {
    let bytes = try Self.bytes(name)
    for piece in [1, 3, 1000, bytes.count] {
      let (reader, messages) = try Self.messages(bytes, piece: piece)
      #expect(messages.count == count)
      #expect(reader.dropped == 0)
      let greeting = bytes.prefix { $0 != 0x0A }.count + 1
      #expect(Array(messages.map(\.encoded).joined()) == Array(bytes[greeting...]))
    }
  }

  @Test(arguments: [
    ("a1", AMIError.Code?.none), ("a7", nil), ("a10", .notFound), ("a11", .notFound),
    ("a12", .notFound), ("a13", .notFound), ("a15", nil),
  ])
  func answersAreWhatAsteriskMeant(identifier: String, code: AMIError.Code?) throws {
    let (_, messages) = try Self.messages(try Self.bytes("04_call_redirect"), piece: 4096)
    let answer = try #require(
      messages.lazy.compactMap { AMIAnswer($0, to: identifier) }.first)
    var failure: AMIError.Code?
    do throws(AMIError) {
      _ = try answer.checked()
    } catch {
      failure = error.code
    }
    #expect(failure == code)
  }

  @Test func refusedLoginsAndMissingRightsAreToldApart() throws {
    for (name, identifier, code) in [
      ("01_login_fail", "a1", AMIError.Code.unauthenticated), ("03_permission", "a2", .denied),
    ] {
      let (_, messages) = try Self.messages(try Self.bytes(name), piece: 7)
      let answer = try #require(messages.lazy.compactMap { AMIAnswer($0, to: identifier) }.first)
      let error = #expect(throws: AMIError.self) { try answer.checked() }
      #expect(error?.code == code)
    }
  }

  @Test func aListIsWholeWhenAsteriskSaysSo() throws {
    let (_, messages) = try Self.messages(try Self.bytes("04_call_redirect"), piece: 4096)
    var answer: AMIAnswer?
    for message in messages where answer?.isWhole != true {
      if answer == nil { answer = AMIAnswer(message, to: "a6") } else { answer?.take(message) }
    }
    let whole = try #require(answer)
    #expect(whole.isWhole)
    let channels = whole.channels
    #expect(
      channels.map(\.channel.name).sorted() == [
        "Local/100@callers-00000000;1", "Local/100@callers-00000000;2",
        "Local/200@agents-00000001;1", "Local/200@agents-00000001;2",
      ])
    #expect(Set(channels.map(\.call)) == ["1795185321.0"])
    #expect(channels.allSatisfy { $0.isUp && $0.durationMs == 1000 })
  }

  /// What `res_pjsip_outbound_registration.c` writes, with the event between that holds a password.
  @Test func aRegistrationIsWhatItsOwnEventSays() throws {
    func event(_ lines: String...) -> String {
      (lines + ["ActionID: a1", "", ""]).joined(separator: "\r\n")
    }
    let text =
      "Asterisk Call Manager/5.0.2\r\n" + event("Response: Success", "EventList: start")
      + event(
        "Event: OutboundRegistrationDetail", "ObjectName: carrier", "Status: Registered")
      + event("Event: AuthDetail", "ObjectName: backup", "Status: Registered", "Password: x")
      + event("Event: OutboundRegistrationDetail", "ObjectName: backup", "Status: Rejected")
      + event("Event: OutboundRegistrationDetailComplete", "EventList: Complete")
    let (_, messages) = try Self.messages(Array(text.utf8), piece: 11)
    var answer = try #require(messages.first.flatMap { AMIAnswer($0, to: "a1") })
    for message in messages.dropFirst() { answer.take(message) }
    #expect(answer.isWhole)
    #expect(answer.registrations == ["carrier": true, "backup": false])
  }

  static let hostile = [
    "Local/1@a\r\nAction: Command\r\nCommand: core stop now", "PJSIP/x\nChannel: y", "PJSIP/x\u{0}",
    "PJSIP/x\u{7F}", "PJSIP/x y", "PJSIP/", "/x", "PJSIP", "", "PJSIP/x,Exten=1", "P\u{E9}/x",
    "PJSIP/\"Pat\" <911>", "PJSIP/" + String(repeating: "x", count: 121),
  ]

  @Test func noTextThatCouldEndALineIsAName() {
    for text in Self.hostile {
      #expect(AMIChannel(text) == nil)
      #expect(AMIPlace(context: text, extensionName: "100") == nil || text == "PJSIP")
      #expect(AMIPlace(context: "agents", extensionName: text) == nil || text == "PJSIP")
      #expect(AMISwitch(family: text, key: "mode", values: ["a"]) == nil || text == "PJSIP")
      #expect(AMIRecordingFile(text) == nil)
      #expect(AMIQueue(text) == nil || text == "PJSIP")
    }
  }

  @Test func everyActionIsOneMessageOfKnownLines() throws {
    let channel = try #require(AMIChannel("PJSIP/trunk-0000002a"))
    let place = try #require(AMIPlace(context: "rescue", extensionName: "200"))
    let key = try #require(
      AMISwitch(family: "failover", key: "mode", values: ["normal", "people"]))
    let file = try #require(AMIRecordingFile("callvault-1.wav"))
    let queue = try #require(AMIQueue("desk"))
    let actions: [AMIAction] = [
      .ping, .logoff, .listChannels, .redirect(channel, to: place), .put(key, value: "people"),
      .get(key), .recordingName(channel), .record(channel, file: file), .queue(queue),
      .registrations,
    ]
    for action in actions {
      let bytes = try action.encoded(identifier: "cv-1")
      let text = String(decoding: bytes, as: UTF8.self)
      let lines = text.components(separatedBy: "\r\n")
      #expect(text.hasSuffix("\r\nActionID: cv-1\r\n\r\n"))
      #expect(lines.dropLast(2).allSatisfy { $0.contains(": ") && !$0.contains("\n") })
      #expect(lines[0].hasPrefix("Action: "))
    }
    #expect(
      String(
        decoding: try AMIAction.redirect(channel, to: place).encoded(identifier: "x"), as: UTF8.self
      )
        == "Action: Redirect\r\nChannel: PJSIP/trunk-0000002a\r\nContext: rescue\r\nExten: 200\r\n"
        + "Priority: 1\r\nActionID: x\r\n\r\n")
  }

  @Test func aValueOutsideOfTheClosedSetIsRefused() throws {
    let key = try #require(AMISwitch(family: "failover", key: "mode", values: ["normal"]))
    for value in ["people", "normal\r\nAction: Command", "", "NORMAL"] {
      #expect(throws: AMIError.self) {
        try AMIAction.put(key, value: value).encoded(identifier: "a")
      }
    }
    for identifier in ["", "a\r\n", "a b", String(repeating: "a", count: 65)] {
      #expect(throws: AMIError.self) { try AMIAction.ping.encoded(identifier: identifier) }
    }
    for secret in ["a\r\nAction: Originate", "", "a\u{0}", "a\u{7F}"] {
      #expect(throws: AMIError.self) {
        try AMIAction.login(user: "u", secret: Array(secret.utf8), identifier: "a")
      }
    }
    #expect(throws: AMIError.self) {
      try AMIAction.login(user: "u v", secret: [0x61], identifier: "a")
    }
  }

  @Test func whatACallerChoseDecidesNothing() throws {
    let greeting = "Asterisk Call Manager/13.0.0\r\n"
    // A display name that would be an answer, in an event that comes before the real one.
    let forged =
      "Event: Newchannel\r\nCallerIDName: x\r\nResponse: Success\r\nActionID: cv-1\r\n\r\n"
      + "Event: Newchannel\r\nCallerIDName: \u{1}\u{7F}\r\n\r\n"
      + "Event: Newchannel\r\nEvent: Hangup\r\n\r\n"
      + "Response: Success\r\nActionID: cv-1\r\nActionID: cv-2\r\n\r\n"
      + "garbage\r\n\r\n"
      + "Response: Error\r\nActionID: cv-1\r\nMessage: Permission denied\r\n\r\n"
    let (reader, messages) = try Self.messages(Array((greeting + forged).utf8), piece: 5)
    #expect(reader.dropped == 3)
    let answers = messages.compactMap { AMIAnswer($0, to: "cv-1") }
    #expect(answers.count == 1)
    #expect(answers.first?.response["Response"] == "Error")
    #expect(messages[1]["CallerIDName"] == nil)
  }

  @Test func aMessageWithoutEndKeepsNothingAndEndsNothing() throws {
    var reader = AMIReader()
    _ = try reader.take(Array("Asterisk Call Manager/13.0.0\r\nEvent: X\r\nData: ".utf8))
    for _ in 0..<100 {
      let messages = try reader.take([UInt8](repeating: 0x61, count: 16_384))
      #expect(messages.isEmpty)
    }
    let rest = try reader.take(Array("\r\n\r\nResponse: Success\r\nActionID: a\r\n\r\n".utf8))
    #expect(rest.count == 1)
    #expect(reader.dropped == 1)
  }

  @Test(arguments: [
    "SSH-2.0-OpenSSH\r\n", "HTTP/1.1 400 Bad\r\n", "Asterisk Call Manager/1\n", "\r\n",
    "Asterisk Call Manager/x\r\n", "Asterisk Call Manager/" + String(repeating: "1", count: 99),
    String(repeating: "A", count: 70),
  ])
  func somethingElseIsNoManager(greeting: String) {
    var reader = AMIReader()
    let error = #expect(throws: AMIError.self) { try reader.take(Array(greeting.utf8)) }
    #expect(error?.code == .malformed)
  }
}
