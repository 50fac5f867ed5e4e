public import Cryptography
import Encoding

/// Reads a plan piece by piece, so that a million lines need no memory.
///
/// Whatever the bytes are, it returns or throws. A plan is what it claims to be only once ``finish()``
/// returned and the hash is the one that was approved: until then its items are only what a file says.
public struct PurgePlanReader: ~Copyable {
  private enum Part {
    case head, body, totals
  }
  private var part = Part.head
  /// The bytes of the head, then those of the totals.
  private var text: [UInt8] = []
  private var headLines: [String] = []
  private var head: PurgePlan.Head?
  private var totals = PurgePlan.Totals()
  private var last: Identifier?
  private var line: [UInt8] = []
  private var hasher: SHA256Hasher

  /// - Throws: a ``CryptographyError`` where there is no memory.
  public init() throws(CryptographyError) {
    hasher = try SHA256Hasher()
  }

  /// Takes the next bytes and returns the items whose lines end in them.
  ///
  /// - Throws: ``RetentionError/Code/malformed``, ``RetentionError/Code/outOfOrder``; the reader is of no
  ///   use then.
  public mutating func read(_ bytes: [UInt8]) throws(RetentionError) -> [PurgeItem] {
    hasher.update(bytes)
    var items: [PurgeItem] = []
    var start = bytes.startIndex
    while let end = bytes[start...].firstIndex(of: 0x0A) {
      if line.isEmpty {
        try take(bytes[start..<end], into: &items)
      } else {
        line += bytes[start..<end]
        try take(line[...], into: &items)
        line = []
      }
      start = end + 1
    }
    line += bytes[start...]
    guard line.count <= PlanLimits.line else { throw Self.malformed }
    return items
  }

  /// - Throws: ``RetentionError/Code/malformed`` if the plan is not whole or its totals are not those of
  ///   its lines.
  public consuming func finish() throws(RetentionError) -> PurgePlan {
    guard line.isEmpty, part == .totals, let head,
      let written = String(validating: text, as: UTF8.self)?.split(
        separator: "\n", omittingEmptySubsequences: false),
      written.count == totals.lines.count + 1
    else { throw Self.malformed }
    var sums = totals
    func value(_ place: Int) throws(RetentionError) -> Int {
      guard let number = written[place].split(separator: " ").last.flatMap({ Int($0) }) else {
        throw Self.malformed
      }
      return number
    }
    sums.young = try value(3)
    sums.unknown = try value(4)
    sums.held = try value(5)
    sums.later = try value(6)
    // What was written is what this program would have written about these lines.
    guard Array("\n".utf8) + text == sums.encoded, sums.lines.allSatisfy({ $0.value >= 0 }) else {
      throw Self.malformed
    }
    var hasher = hasher
    return PurgePlan(head: head, totals: sums, hash: hasher.finish())
  }

  private static var malformed: RetentionError {
    RetentionError(.malformed, "this is not a purge plan")
  }

  private mutating func take(
    _ line: ArraySlice<UInt8>, into items: inout [PurgeItem]
  ) throws(RetentionError) {
    guard line.count <= PlanLimits.line else { throw Self.malformed }
    switch part {
    case .head: try takeHead(line)
    case .body: try takeItem(line, into: &items)
    case .totals:
      guard text.count <= PlanLimits.line else { throw Self.malformed }
      text += line
      text.append(0x0A)
    }
  }

  private mutating func takeHead(_ line: ArraySlice<UInt8>) throws(RetentionError) {
    text += line
    text.append(0x0A)
    guard line.isEmpty else {
      guard headLines.count < PlanLimits.rules + 6,
        let line = String(validating: line, as: UTF8.self)
      else { throw Self.malformed }
      headLines.append(line)
      return
    }
    guard let head = PurgePlan.Head(headLines), head.encoded == text else { throw Self.malformed }
    self.head = head
    text = []
    headLines = []
    part = .body
  }

  private mutating func takeItem(
    _ line: ArraySlice<UInt8>, into items: inout [PurgeItem]
  ) throws(RetentionError) {
    guard !line.isEmpty else {
      part = .totals
      return
    }
    guard let head, let item = PurgeItem(line: line), item.rule <= head.rules.count,
      item.eligible <= head.day
    else { throw Self.malformed }
    if let last, last >= item.call {
      throw RetentionError(.outOfOrder, "the lines of the plan do not ascend")
    }
    last = item.call
    try totals.add(item)
    items.append(item)
  }
}

extension PurgePlan.Head {
  fileprivate init?(_ lines: [String]) {
    guard lines.count >= 6, lines[0] == Self.format else { return nil }
    func value(_ place: Int, _ name: String) -> String? {
      lines[place].hasPrefix(name + " ") ? String(lines[place].dropFirst(name.count + 1)) : nil
    }
    guard let id = value(1, "plan").flatMap(Identifier.init),
      let tenant = value(2, "tenant").flatMap(Identifier.init),
      let made = value(3, "made").flatMap(Timestamp.init(rfc3339:)),
      let day = ClockGuard.day(at: made), value(4, "day") == day.description,
      let policy = value(5, "policy")?.split(separator: " "), policy.count == 2,
      let hash = SHA256Digest(hex: String(policy[0])), PolicyText.isToken(String(policy[1]))
    else { return nil }
    var rules: [PurgePlan.Rule] = []
    for place in lines.indices.dropFirst(6) {
      let words = lines[place].split(separator: " ", maxSplits: 5, omittingEmptySubsequences: false)
        .map(String.init)
      guard words.count == 6, words[0] == "rule", words[1] == String(rules.count + 1),
        PolicyText.isName(words[2]), PolicyText.isName(words[3]), PolicyText.isToken(words[4]),
        PolicyText.isLine(words[5])
      else { return nil }
      rules.append(
        PurgePlan.Rule(
          className: words[2], name: words[3], version: words[4], citation: words[5]))
    }
    self.init(
      id: id, tenant: tenant, made: made, day: day, policy: hash, policyVersion: String(policy[1]),
      rules: rules)
  }
}
