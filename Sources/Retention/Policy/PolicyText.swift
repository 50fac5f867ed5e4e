public import YAML

extension YAMLNode {
  /// A day as `YYYY-MM-DD`.
  public func date() throws(YAMLError) -> CivilDate {
    guard let date = CivilDate(try string()) else {
      throw YAMLError(.wrongType, at: position, "a day like 2026-11-20 is expected here")
    }
    return date
  }

  /// One line of 1…256 bytes.
  ///
  /// It goes into plans that people approve and that are read line by line: no control character.
  func line() throws(YAMLError) -> String {
    let text = try text(atMost: 256)
    guard PolicyText.isLine(text) else {
      throw YAMLError(.wrongType, at: position, "one line of text is expected here")
    }
    return text
  }

  func token() throws(YAMLError) -> String {
    let text = try string()
    guard PolicyText.isToken(text) else {
      throw YAMLError(
        .wrongType, at: position,
        "1 to 64 visible ASCII characters without spaces are expected here")
    }
    return text
  }

  func name() throws(YAMLError) -> String {
    let text = try string()
    guard PolicyText.isName(text) else {
      throw YAMLError(.wrongType, at: position, "a name is \(PolicyText.nameExpectation)")
    }
    return text
  }

  /// One of the values of an enumeration.
  func choice<Choice: CaseIterable & RawRepresentable>(
    _: Choice.Type, _ what: StaticString
  ) throws(YAMLError) -> Choice where Choice.RawValue == String {
    guard let choice = Choice(rawValue: try string()) else {
      let known = Choice.allCases.map(\.rawValue).sorted().joined(separator: ", ")
      throw YAMLError(.wrongType, at: position, "unknown \(what); known: \(known)")
    }
    return choice
  }

  /// `<n>y` or `<n>d`.
  func period() throws(YAMLError) -> RetentionPeriod {
    let text = try string()
    if let years = PolicyText.count(text, of: "y"), (1...1000).contains(years) {
      return .years(years)
    }
    if let days = PolicyText.count(text, of: "d"), (1...3650).contains(days) {
      return .days(days)
    }
    throw YAMLError(
      .wrongType, at: position,
      "a period like 7y (1 to 1000) or 90d (1 to 3650) is expected here")
  }

  /// A number with its unit, such as `14d`.
  func count(of unit: Character, in range: ClosedRange<Int>) throws(YAMLError) -> Int {
    guard let count = PolicyText.count(try string(), of: unit), range.contains(count) else {
      throw YAMLError(
        .wrongType, at: position,
        "\(range.lowerBound)\(unit) to \(range.upperBound)\(unit) is expected here")
    }
    return count
  }

  /// A place that the policy says something about, itself or by its country.
  func jurisdiction(
    among listed: [Jurisdiction: RetentionSchedule.Majority]
  ) throws(YAMLError) -> Jurisdiction {
    guard let place = Jurisdiction(try string()) else {
      throw YAMLError(.wrongType, at: position, Jurisdiction.expectation)
    }
    guard listed[place] != nil || listed[place.country] != nil else {
      throw YAMLError(.missingKey, at: position, "neither this place nor its country is listed")
    }
    return place
  }
}

extension YAMLEntry {
  /// The key as a name that the file chooses; `what` says in errors what is named.
  func name(_ what: StaticString) throws(YAMLError) -> String {
    guard PolicyText.isName(key) else {
      throw YAMLError(
        .wrongType, at: position, "\(what) is named with \(PolicyText.nameExpectation)")
    }
    return key
  }
}

extension Jurisdiction {
  static let expectation =
    "a country or state by its ISO 3166 code is expected here, like US or US-MI"
}

/// The spellings that policies and plans share.
enum PolicyText {
  static let nameExpectation = "1 to 32 of a-z, digits and hyphens, a letter first"

  static func isName(_ text: String) -> Bool {
    (1...32).contains(text.utf8.count)
      && text.utf8.allSatisfy {
        (0x61...0x7A).contains($0) || (0x30...0x39).contains($0) || $0 == UInt8(ascii: "-")
      }
      && text.utf8.first.map { (0x61...0x7A).contains($0) } == true
  }

  static func isToken(_ text: String) -> Bool {
    (1...64).contains(text.utf8.count) && text.utf8.allSatisfy { (0x21...0x7E).contains($0) }
  }

  static func isLine(_ text: String) -> Bool {
    (1...256).contains(text.utf8.count)
      && text.unicodeScalars.allSatisfy { $0.properties.generalCategory != .control }
  }

  /// The number before a unit, in decimal without leading zeros.
  static func count(_ text: String, of unit: Character) -> Int? {
    guard text.last == unit else { return nil }
    return decimal(text.dropLast())
  }

  /// A number of at most 18 digits, in decimal without sign or leading zeros.
  static func decimal(_ text: Substring) -> Int? {
    guard text.utf8.count <= 18, let number = Int(text), String(number) == text, number >= 0 else {
      return nil
    }
    return number
  }
}
