/// One `--name` of a command.
struct Option: Sendable {
  /// Without the dashes.
  let name: String
  /// A one-letter form without its dash, if there is one.
  var short: String?
  /// What stands for the value in the help text; nil for a switch.
  let value: String?
  let summary: String
  var isRequired = false
  var isRepeated = false

  static func flag(_ name: String, _ summary: String) -> Option {
    Option(name: name, value: nil, summary: summary)
  }

  static func value(
    _ name: String, _ value: String, _ summary: String, short: String? = nil,
    required: Bool = false, repeated: Bool = false
  ) -> Option {
    Option(
      name: name, short: short, value: value, summary: summary, isRequired: required,
      isRepeated: repeated)
  }
}

/// One word of a command that is not an option.
struct Operand: Sendable {
  /// Upper case, as in the help text.
  let name: String
  let summary: String
  var isOptional = false
}

/// What was typed, after it was held against what the command takes.
struct Arguments: Sendable {
  fileprivate(set) var operands: [String] = []
  fileprivate(set) var values: [String: [String]] = [:]
  fileprivate(set) var flags: Set<String> = []

  /// The last word given for `name`; nil where the option is absent.
  func value(_ name: String) -> String? { values[name]?.last }

  func all(_ name: String) -> [String] { values[name] ?? [] }

  func has(_ name: String) -> Bool { flags.contains(name) }

  func operand(_ index: Int) -> String? { index < operands.count ? operands[index] : nil }

  /// The word given for an option or operand that the parser has made sure of.
  func required(_ name: String) throws(CommandFailure) -> String {
    guard let value = value(name) else {
      throw CommandFailure(.usage, "--\(name) is missing")
    }
    return value
  }

  /// The operand at `index`, which the parser has made sure of.
  func requiredOperand(_ index: Int) throws(CommandFailure) -> String {
    guard let value = operand(index) else {
      throw CommandFailure(.usage, "an operand is missing")
    }
    return value
  }
}

/// Reads the words after a command's name: strict, so that a mistyped option is never taken for
/// something else.
///
/// An option is `--name value` or `--name=value`; `--` ends options. Nothing is abbreviated, and an
/// option given twice is an error unless the command lets it repeat.
struct OptionParser {
  let options: [Option]
  let operands: [Operand]

  /// - Throws: ``CommandFailure`` with ``ExitCode/usage`` and the nearest name for an unknown one.
  func parse(_ words: [String]) throws(CommandFailure) -> Arguments {
    var result = Arguments()
    var index = 0
    var optionsEnded = false
    while index < words.count {
      let word = words[index]
      index += 1
      if optionsEnded || word == "-" || !word.hasPrefix("-") {
        result.operands.append(word)
        continue
      }
      if word == "--" {
        optionsEnded = true
        continue
      }
      let (name, inlineValue) = split(word)
      guard let option = find(name) else { throw unknown(word: name) }
      if option.value == nil {
        guard inlineValue == nil else {
          throw CommandFailure(.usage, "--\(option.name) takes no value")
        }
        result.flags.insert(option.name)
        continue
      }
      let value: String
      if let inlineValue {
        value = inlineValue
      } else if index < words.count, words[index] == "-" || !words[index].hasPrefix("--") {
        value = words[index]
        index += 1
      } else {
        throw CommandFailure(.usage, "--\(option.name) needs a value (\(option.value ?? ""))")
      }
      if result.values[option.name] != nil, !option.isRepeated {
        throw CommandFailure(.usage, "--\(option.name) is given twice")
      }
      result.values[option.name, default: []].append(value)
    }
    if result.flags.contains("help") { return result }
    try check(result)
    return result
  }

  private func check(_ result: Arguments) throws(CommandFailure) {
    if result.operands.count > operands.count {
      throw CommandFailure(.usage, "there is one word too many: \(result.operands[operands.count])")
    }
    for (index, operand) in operands.enumerated()
    where !operand.isOptional && index >= result.operands.count {
      throw CommandFailure(.usage, "\(operand.name) is missing: \(operand.summary)")
    }
    for option in options where option.isRequired && result.values[option.name] == nil {
      throw CommandFailure(.usage, "--\(option.name) is missing: \(option.summary)")
    }
  }

  private func split(_ word: String) -> (name: String, value: String?) {
    guard let equals = word.firstIndex(of: "=") else { return (word, nil) }
    return (String(word[..<equals]), String(word[word.index(after: equals)...]))
  }

  private func find(_ word: String) -> Option? {
    options.first { word == "--\($0.name)" || ($0.short.map { word == "-\($0)" } ?? false) }
  }

  private func unknown(word: String) -> CommandFailure {
    let known = options.map { "--\($0.name)" }
    guard let nearest = nearestName(to: word, among: known) else {
      return CommandFailure(.usage, "there is no option \(word) here; --help lists them")
    }
    return CommandFailure(.usage, "there is no option \(word); did you mean \(nearest)?")
  }
}

/// The name that takes the fewest edits to reach from `word`, if it is close enough to be meant.
func nearestName(to word: String, among names: [String]) -> String? {
  var best: (name: String, distance: Int)?
  for name in names {
    let distance = editDistance(Array(word.utf8.prefix(64)), Array(name.utf8))
    if distance < best?.distance ?? .max { best = (name, distance) }
  }
  guard let best, best.distance <= max(2, word.utf8.count / 3) else { return nil }
  return best.name
}

/// Levenshtein's distance: insertions, removals and replacements.
private func editDistance(_ from: [UInt8], _ to: [UInt8]) -> Int {
  var row = Array(0...to.count)
  for (line, byte) in from.enumerated() {
    var diagonal = row[0]
    row[0] = line + 1
    for (column, other) in to.enumerated() {
      let replaced = diagonal + (byte == other ? 0 : 1)
      diagonal = row[column + 1]
      row[column + 1] = min(replaced, row[column] + 1, row[column + 1] + 1)
    }
  }
  return row[to.count]
}
