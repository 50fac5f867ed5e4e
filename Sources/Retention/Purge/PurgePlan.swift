public import Cryptography
public import Encoding

/// One call of a plan.
public struct PurgeItem: Hashable, Sendable {
  public let call: Identifier
  /// From which day it may go.
  public let eligible: CivilDate
  /// The rule that decided: its number among ``PurgePlan/rules``, from 1.
  public let rule: Int
  public let recordings: Int
  /// Of ciphertext.
  public let bytes: Int64

  public init(call: Identifier, eligible: CivilDate, rule: Int, recordings: Int, bytes: Int64) {
    self.call = call
    self.eligible = eligible
    self.rule = rule
    self.recordings = recordings
    self.bytes = bytes
  }
}

/// What a plan destroys, and why the rest stays; without its lines, which may be a million.
///
/// `Documentation/formats/retention.md`, section 2.
public struct PurgePlan: Hashable, Sendable {
  /// A rule as the plan names it.
  public struct Rule: Hashable, Sendable {
    public let className: String
    public let name: String
    public let version: String
    public let citation: String

    /// `recording/service@1`.
    public var label: String { "\(className)/\(name)@\(version)" }
  }

  public struct Totals: Hashable, Sendable {
    public internal(set) var calls = 0
    public internal(set) var recordings = 0
    public internal(set) var bytes: Int64 = 0
    /// What the caps count: ``PurgeCaps/weight(of:)`` of every call.
    public internal(set) var weight = 0
    /// Calls that stay because their day has not come.
    public internal(set) var young = 0
    /// Calls that stay because something is not known.
    public internal(set) var unknown = 0
    /// Calls that would go and are held.
    public internal(set) var held = 0
    /// Calls that would go and wait, because the plan is full.
    public internal(set) var later = 0
  }

  public struct Head: Hashable, Sendable {
    public let id: Identifier
    public let tenant: Identifier
    /// By our clock.
    public let made: Timestamp
    /// The day that eligibility was judged for.
    public let day: CivilDate
    public let policy: SHA256Digest
    public let policyVersion: String
    public let rules: [Rule]
  }
  public let head: Head
  public let totals: Totals
  /// SHA-256 of all bytes of the plan: what people approve.
  public let hash: SHA256Digest

  /// A rule by its number from 1.
  public func rule(_ number: Int) -> Rule? {
    head.rules.indices.contains(number - 1) ? head.rules[number - 1] : nil
  }
}

/// The bounds of a plan that is read.
enum PlanLimits {
  static let rules = 10_000
  static let line = 1024
}

extension PurgePlan.Head {
  static let format = "callvault/purge-plan/v1"

  var encoded: [UInt8] {
    var lines = [
      Self.format, "plan \(id)", "tenant \(tenant)", "made \(made.rfc3339)", "day \(day)",
      "policy \(policy.hex) \(policyVersion)",
    ]
    for (place, rule) in rules.enumerated() {
      lines.append(
        "rule \(place + 1) \(rule.className) \(rule.name) \(rule.version) \(rule.citation)")
    }
    lines.append("")
    return Array(lines.map { $0 + "\n" }.joined().utf8)
  }
}

extension PurgePlan.Totals {
  mutating func add(_ item: PurgeItem) throws(RetentionError) {
    let (bytes, overflow) = bytes.addingReportingOverflow(item.bytes)
    let (recordings, tooMany) = recordings.addingReportingOverflow(item.recordings)
    guard !overflow, !tooMany, item.bytes >= 0, item.recordings >= 0 else {
      throw RetentionError(.malformed, "the totals of a plan are beyond every bound")
    }
    calls += 1
    self.bytes = bytes
    self.recordings = recordings
    weight += PurgeCaps.weight(of: item.recordings)
  }

  /// The lines of the totals, in order.
  var lines: [(name: String, value: Int64)] {
    [
      ("calls", Int64(calls)), ("recordings", Int64(recordings)), ("bytes", bytes),
      ("kept young", Int64(young)), ("kept unknown", Int64(unknown)), ("kept held", Int64(held)),
      ("kept later", Int64(later)),
    ]
  }

  var encoded: [UInt8] {
    Array("\n".utf8) + Array(lines.map { "\($0.name) \($0.value)\n" }.joined().utf8)
  }
}

extension PurgeItem {
  func write(to bytes: inout [UInt8]) {
    call.write(to: &bytes)
    bytes.append(0x20)
    eligible.write(to: &bytes)
    for number in [Int64(rule), Int64(recordings), self.bytes] {
      bytes.append(0x20)
      bytes.append(contentsOf: String(number).utf8)
    }
    bytes.append(0x0A)
  }

  /// Reads a line of the body, without its end; nil for another spelling.
  init?(line: ArraySlice<UInt8>) {
    let fields = line.split(separator: 0x20, omittingEmptySubsequences: false)
    guard fields.count == 5, let call = Identifier(String(decoding: fields[0], as: UTF8.self)),
      let eligible = CivilDate(utf8: fields[1]), let rule = Self.number(fields[2]), rule >= 1,
      let recordings = Self.number(fields[3]), let bytes = Self.number(fields[4])
    else { return nil }
    self.init(
      call: call, eligible: eligible, rule: rule, recordings: recordings, bytes: Int64(bytes))
  }

  /// At most 15 digits, so that a million of them add up.
  private static func number(_ digits: ArraySlice<UInt8>) -> Int? {
    guard (1...15).contains(digits.count), digits.first != 0x30 || digits.count == 1 else {
      return nil
    }
    var value = 0
    for digit in digits {
      guard (0x30...0x39).contains(digit) else { return nil }
      value = value * 10 + Int(digit - 0x30)
    }
    return value
  }
}
