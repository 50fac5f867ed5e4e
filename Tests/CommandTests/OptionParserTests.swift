import Testing

@testable import callvault

@Suite struct OptionParserTests {
  private static let parser = OptionParser(
    options: [
      .value("limit", "N", "at most"), .value("output", "FILE", "where to", short: "o"),
      .value("scope", "S", "may be repeated", repeated: true), .flag("json", "in JSON"),
      .flag("help", "help"),
    ], operands: [Operand(name: "FILE", summary: "a file", isOptional: true)])

  @Test func wordsAreTakenAsTheyAreMeant() throws {
    let parsed = try Self.parser.parse([
      "--limit", "5", "-o", "out", "--scope=a", "--scope", "b=c", "--json", "--", "--file",
    ])
    #expect(parsed.value("limit") == "5")
    #expect(parsed.value("output") == "out")
    #expect(parsed.all("scope") == ["a", "b=c"])
    #expect(parsed.has("json"))
    #expect(parsed.operand(0) == "--file")
  }

  @Test(arguments: [
    (["--lmit", "5"], "did you mean --limit"), (["--completely-other"], "--help lists them"),
    (["--limit"], "--limit needs a value (N)"), (["--limit", "--json"], "needs a value"),
    (["--limit", "1", "--limit", "2"], "given twice"), (["--json=yes"], "takes no value"),
    (["a", "b"], "one word too many: b"), (["-x"], "no option -x"),
  ])
  func whatIsMistypedIsRefusedWithASentence(words: [String], says: String) {
    let failure = #expect(throws: CommandFailure.self) { try Self.parser.parse(words) }
    #expect(failure?.code == .usage)
    #expect(failure?.sentence.contains(says) == true, "\(failure?.sentence ?? "")")
  }

  @Test func everyCommandExplainsItself() {
    for command in CallVault.commands {
      let help = command.help
      for part in ["Usage: callvault \(command.name)", "Options:", "Examples:", "Exit codes:"] {
        #expect(help.contains(part), "\(command.name) lacks \(part)")
      }
      for option in command.allOptions { #expect(help.contains("--\(option.name)")) }
      #expect(Set(command.allOptions.map { $0.name }).count == command.allOptions.count)
      #expect(command.allOptions.contains { $0.name == "json" && $0.value == nil })
      #expect(command.allOptions.contains { $0.name == "data" })
    }
  }

  @Test(arguments: [
    ("8h", 28_800 as Int64?), ("45m", 2700), ("30d", 2_592_000), ("90s", 90), ("h", nil),
    ("8", nil), ("-8h", nil), ("8 h", nil), ("0h", nil), ("99999999999d", nil), ("1w", nil),
    ("", nil),
  ])
  func durationsAreDigitsAndAUnit(text: String, seconds: Int64?) {
    #expect(DurationText.seconds(text) == seconds)
  }
}
