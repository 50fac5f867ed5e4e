import Cryptography
public import YAML

extension RetentionSchedule {
  /// Reads `Policies/retention.yaml`.
  ///
  /// Each class needs a period, a citation, an owner and a day from which it holds. The default class must be there, and
  /// must not keep for less than its periods say because something is unknown.
  ///
  /// - Parameters:
  ///   - bytes: the file; at most a MiB.
  ///   - file: its name in errors.
  /// - Throws: a ``YAMLError`` with file, line and column of the first thing that is wrong.
  public init(parsing bytes: [UInt8], file: String) throws(YAMLError) {
    let top = try YAMLNode(parsing: bytes, file: file).mapping(of: [
      "v", "version", "owner", "default", "classes",
    ])
    _ = try top.required("v").integer(in: 1...1)
    let version = try top.required("version").text(atMost: 64)
    _ = try top.required("owner").text(atMost: 128)
    let fallback = try top.required("default")
    var classes: [String: Class] = [:]
    for entry in try top.required("classes").entries() {
      guard Self.isName(entry.key) else {
        throw YAMLError(
          .wrongType, at: entry.position, "a class is named with 1 to 32 of a-z and hyphens")
      }
      classes[entry.key] = try Self.class(named: entry.key, entry.value)
    }
    let defaultClass = try fallback.string()
    guard classes[defaultClass] != nil else {
      throw YAMLError(.missingKey, at: fallback.position, "there is no class of this name")
    }
    self.init(
      version: version, hash: SHA256.hash(bytes), defaultClass: defaultClass, classes: classes)
  }

  private static func `class`(named name: String, _ node: YAMLNode) throws(YAMLError) -> Class {
    let mapping = try node.mapping(of: [
      "periods", "jurisdictions", "cite", "confirmed", "owner", "version", "effective", "until",
    ])
    let list = try mapping.required("periods")
    var periods: [Period] = []
    for item in try list.sequence() {
      let period = try period(item)
      guard !periods.contains(where: { $0.after == period.after }) else {
        throw YAMLError(
          .duplicateKey, at: item.position, "two periods count from the same day")
      }
      periods.append(period)
    }
    guard !periods.isEmpty else {
      throw YAMLError(.wrongType, at: list.position, "at least one period is expected here")
    }
    let effective = try mapping.required("effective")
    let from = try effective.date()
    let until = try mapping["until"]?.date()
    if let until, let node = mapping["until"], until < from {
      throw YAMLError(.wrongType, at: node.position, "a class ends on or after its first day")
    }
    var jurisdictions: [String] = []
    for item in try mapping.required("jurisdictions").sequence() {
      jurisdictions.append(try item.text(atMost: 16))
    }
    return Class(
      name: name, periods: periods, jurisdictions: jurisdictions,
      citation: try mapping.required("cite").text(atMost: 256),
      isConfirmed: try mapping.required("confirmed").boolean(),
      owner: try mapping.required("owner").text(atMost: 128),
      version: try mapping.required("version").text(atMost: 64), effective: from, until: until)
  }

  private static func period(_ node: YAMLNode) throws(YAMLError) -> Period {
    let mapping = try node.mapping(of: ["after", "keep"])
    let after = try mapping.required("after")
    guard let trigger = Trigger(rawValue: try after.string()) else {
      let known = Trigger.allCases.map(\.rawValue).sorted().joined(separator: ", ")
      throw YAMLError(.wrongType, at: after.position, "unknown day; known: \(known)")
    }
    let keep = try mapping.required("keep")
    let text = try keep.string()
    guard let unit = text.utf8.last, let count = Int(text.dropLast()),
      String(count) == text.dropLast()
    else { throw wrongPeriod(keep) }
    switch unit {
    case UInt8(ascii: "y") where (1...1000).contains(count):
      return Period(after: trigger, keep: .years(count))
    case UInt8(ascii: "d") where (1...3650).contains(count):
      return Period(after: trigger, keep: .days(count))
    default:
      throw wrongPeriod(keep)
    }
  }

  private static func wrongPeriod(_ node: YAMLNode) -> YAMLError {
    YAMLError(
      .wrongType, at: node.position,
      "a period like 7y (1 to 1000) or 90d (1 to 3650) is expected here")
  }

  private static func isName(_ name: String) -> Bool {
    (1...32).contains(name.utf8.count)
      && name.utf8.allSatisfy { (0x61...0x7A).contains($0) || $0 == UInt8(ascii: "-") }
  }
}
