/// A live channel's name, such as `PJSIP/trunk-0000002a` or `Local/100@agents-00000001;1`.
///
/// Names come from Asterisk and go back to it in actions, so the grammar has nothing that could end a
/// line or begin another.
public struct AMIChannel: Hashable, Sendable {
  public let name: String

  /// A technology of 1 to 20 letters and digits, a slash, and 1 to 120 of letters, digits and
  /// `@ . _ + ; / - =`; else nil.
  public init?(_ name: String) {
    guard let slash = name.utf8.firstIndex(of: 0x2F) else { return nil }
    let technology = name.utf8[..<slash]
    let rest = name.utf8[name.utf8.index(after: slash)...]
    guard (1...20).contains(technology.count), technology.allSatisfy(AMINames.isAlphanumeric),
      (1...120).contains(rest.count),
      rest.allSatisfy({ AMINames.isAlphanumeric($0) || AMINames.channelMarks.contains($0) })
    else { return nil }
    self.name = name
  }
}

/// A place in the dialplan.
public struct AMIPlace: Hashable, Sendable {
  public let context: String
  public let extensionName: String
  /// From 1.
  public let priority: Int

  /// A context of 1 to 79 of letters, digits, `-` and `_`; an extension of as many of these and
  /// `* # + .`; a priority of 1 to 9999; else nil.
  public init?(context: String, extensionName: String, priority: Int = 1) {
    guard AMINames.isToken(context, limit: 79, besides: []),
      AMINames.isToken(extensionName, limit: 79, besides: [0x2A, 0x23, 0x2B, 0x2E]),
      (1...9999).contains(priority)
    else { return nil }
    self.context = context
    self.extensionName = extensionName
    self.priority = priority
  }
}

/// A key of Asterisk's database that takes one of a few values, which a dialplan reads.
public struct AMISwitch: Hashable, Sendable {
  public let family: String
  public let key: String
  /// The values that may ever be written.
  public let values: Set<String>

  /// Family, key and each value are 1 to 64 of letters, digits, `-` and `_`; at least one value; else
  /// nil.
  public init?(family: String, key: String, values: Set<String>) {
    guard AMINames.isToken(family, limit: 64, besides: []),
      AMINames.isToken(key, limit: 64, besides: []), !values.isEmpty,
      values.allSatisfy({ AMINames.isToken($0, limit: 64, besides: []) })
    else { return nil }
    self.family = family
    self.key = key
    self.values = values
  }
}

/// A file in Asterisk's recording folder, named by whoever records and never by a caller.
public struct AMIRecordingFile: Hashable, Sendable {
  public let name: String

  /// 1 to 100 of letters, digits, `-` and `_`, and `.wav`; else nil.
  public init?(_ name: String) {
    guard name.hasSuffix(".wav"),
      AMINames.isToken(String(name.dropLast(4)), limit: 100, besides: [])
    else { return nil }
    self.name = name
  }
}

/// A queue's name.
public struct AMIQueue: Hashable, Sendable {
  public let name: String

  /// 1 to 79 of letters, digits, `-` and `_`; else nil.
  public init?(_ name: String) {
    guard AMINames.isToken(name, limit: 79, besides: []) else { return nil }
    self.name = name
  }
}

enum AMINames {
  static let channelMarks: Set<UInt8> = Set("@._+;/-=".utf8)

  static func isAlphanumeric(_ byte: UInt8) -> Bool {
    switch byte {
    case 0x30...0x39, 0x41...0x5A, 0x61...0x7A: true
    default: false
    }
  }

  static func isToken(_ text: String, limit: Int, besides marks: Set<UInt8>) -> Bool {
    (1...limit).contains(text.utf8.count)
      && text.utf8.allSatisfy {
        isAlphanumeric($0) || $0 == 0x2D || $0 == 0x5F || marks.contains($0)
      }
  }
}
