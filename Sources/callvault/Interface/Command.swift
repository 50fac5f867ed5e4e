/// A command of `callvault`: what it takes, how it is explained, what it does.
struct Command: Sendable {
  /// One or two words, such as `token create`.
  let name: String
  let summary: String
  var operands: [Operand] = []
  var options: [Option] = []
  /// What to type, each with what it does.
  let examples: [(line: String, meaning: String)]
  /// Exit codes other than the common ones, explained.
  var exitCodes: [(code: Int32, meaning: String)] = []
  /// Longer help, in paragraphs.
  var discussion: [String] = []
  /// Commands that one user never types are not listed.
  var isHidden = false
  let run: @Sendable (Arguments, Terminal) async throws -> Int32

  /// Options that every command takes.
  static let common: [Option] = [
    .value("data", "DIR", "the data directory; else CALLVAULT_DATA"),
    .flag("json", "print one JSON document instead of text"),
    .flag("help", "show this help"),
  ]

  /// Options of the commands that talk to a running service.
  static let client: [Option] = [
    .value("server", "URL", "a service elsewhere, by https; else the socket in the data directory"),
    .value("cacert", "FILE", "certificates that the service may show, in PEM"),
    .value("token-file", "FILE", "a file that holds the token; else CALLVAULT_TOKEN"),
  ]

  var allOptions: [Option] { options + Self.common }

  /// The text of `--help`.
  var help: String {
    var usage = "callvault \(name)"
    for operand in operands {
      usage += operand.isOptional ? " [\(operand.name)]" : " \(operand.name)"
    }
    for option in options where option.isRequired {
      usage += " --\(option.name) \(option.value ?? "")"
    }
    var lines = [summary, "", "Usage: \(usage) [options]"]
    for paragraph in discussion { lines += ["", paragraph] }
    if !operands.isEmpty {
      lines += [""] + table(operands.map { ($0.name, $0.summary) })
    }
    lines += ["", "Options:"]
    lines += table(
      allOptions.map { option in
        let short = option.short.map { "-\($0), " } ?? ""
        return (short + "--\(option.name)" + (option.value.map { " \($0)" } ?? ""), option.summary)
      })
    lines += ["", "Examples:"]
    for example in examples { lines += ["  \(example.line)", "      \(example.meaning)"] }
    lines += ["", "Exit codes:"]
    lines +=
      exitCodes.isEmpty
      ? table(ExitCode.allCases.map { (String($0.rawValue), $0.meaning) })
      : table(exitCodes.map { (String($0.code), $0.meaning) })
    return lines.joined(separator: "\n") + "\n"
  }
}

/// Two columns, the second aligned.
func table(_ rows: [(String, String)]) -> [String] {
  let width = rows.map { $0.0.count }.max() ?? 0
  return rows.map { row in
    "  " + row.0 + String(repeating: " ", count: width - row.0.count + 2) + row.1
  }
}
