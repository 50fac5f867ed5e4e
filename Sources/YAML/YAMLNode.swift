/// A value of a YAML file with the place it stands at.
///
/// A scalar is text until the schema asks for a type: `no` is the two letters, `1.10` the four
/// characters. What the schema did not ask for is refused, so a misspelt key cannot be silent.
public struct YAMLNode: Sendable {
  /// What a node is made of.
  public enum Content: Sendable {
    /// Text; plain is unquoted, and only plain text is a number, a boolean or null.
    case scalar(String, isPlain: Bool)
    case sequence([YAMLNode])
    case mapping([YAMLEntry])
  }
  public let content: Content
  public let position: YAMLPosition

  /// Text, quoted or not.
  ///
  /// - Throws: ``YAMLError/Code/wrongType`` also for a key with nothing after it.
  public func string() throws(YAMLError) -> String {
    guard case .scalar(let text, let isPlain) = content, !(isPlain && text.isEmpty) else {
      throw YAMLError(.wrongType, at: position, "text is expected here")
    }
    return text
  }

  /// Text of 1…`limit` bytes.
  public func text(atMost limit: Int) throws(YAMLError) -> String {
    let text = try string()
    guard (1...limit).contains(text.utf8.count) else {
      throw YAMLError(.wrongType, at: position, "1 to \(limit) bytes of text are expected here")
    }
    return text
  }

  /// An unquoted whole number in decimal, within `range`; no sign but `-`, no leading zero.
  public func integer(in range: ClosedRange<Int64> = .min ... .max) throws(YAMLError) -> Int64 {
    guard case .scalar(let text, true) = content, let number = Int64(text), String(number) == text
    else {
      throw YAMLError(.wrongType, at: position, "a whole number is expected here")
    }
    guard range.contains(number) else {
      throw YAMLError(
        .wrongType, at: position,
        "a number from \(range.lowerBound) to \(range.upperBound) is expected here")
    }
    return number
  }

  /// Unquoted `true` or `false`, in that spelling only.
  public func boolean() throws(YAMLError) -> Bool {
    switch content {
    case .scalar("true", true): return true
    case .scalar("false", true): return false
    default: throw YAMLError(.wrongType, at: position, "true or false is expected here")
    }
  }

  /// Whether nothing, `~` or `null` stands here.
  public var isNull: Bool {
    guard case .scalar(let text, true) = content else { return false }
    return text.isEmpty || text == "~" || text == "null"
  }

  /// The elements of a list.
  public func sequence() throws(YAMLError) -> [YAMLNode] {
    guard case .sequence(let nodes) = content else {
      throw YAMLError(.wrongType, at: position, "a list is expected here")
    }
    return nodes
  }

  /// The texts of a list.
  public func strings() throws(YAMLError) -> [String] {
    var texts: [String] = []
    for node in try sequence() { texts.append(try node.string()) }
    return texts
  }

  /// The entries of a mapping whose keys are names that the file itself chooses.
  public func entries() throws(YAMLError) -> [YAMLEntry] {
    guard case .mapping(let entries) = content else {
      throw YAMLError(.wrongType, at: position, "keys with values are expected here")
    }
    return entries
  }

  /// A mapping whose keys are those of the schema.
  ///
  /// - Parameter known: all keys there may be.
  /// - Returns: the mapping.
  /// - Throws: ``YAMLError/Code/unknownKey`` at the first other key.
  public func mapping(of known: [String]) throws(YAMLError) -> YAMLMapping {
    let entries = try entries()
    for entry in entries where !known.contains(entry.key) {
      throw YAMLError(
        .unknownKey, at: entry.position,
        "unknown key \(entry.shownKey); known here: \(known.sorted().joined(separator: ", "))")
    }
    return YAMLMapping(entries: entries, position: position)
  }

  /// The same mapping without some keys, for whoever reads the rest; anything else as it is.
  public func removing(_ keys: [String]) -> YAMLNode { filtered { !keys.contains($0) } }

  /// The same mapping with nothing but some keys; anything else as it is.
  public func selecting(_ keys: [String]) -> YAMLNode { filtered { keys.contains($0) } }

  private func filtered(_ isKept: (String) -> Bool) -> YAMLNode {
    guard case .mapping(let entries) = content else { return self }
    return YAMLNode(content: .mapping(entries.filter { isKept($0.key) }), position: position)
  }
}

/// A key with its value.
public struct YAMLEntry: Sendable {
  public let key: String
  /// Where the key stands.
  public let position: YAMLPosition
  public let value: YAMLNode

  /// The key for an error that goes to a terminal or a log.
  var shownKey: String { Self.shown(key) }

  /// A key in quotes, or words instead of one that is long or would move a terminal's cursor.
  static func shown(_ key: String) -> String {
    let isPlain = key.utf8.count <= 64 && key.utf8.allSatisfy { (0x20...0x7e).contains($0) }
    return isPlain ? "'\(key)'" : "that stands here"
  }
}

/// A mapping of which every key is known to the schema.
public struct YAMLMapping: Sendable {
  public let entries: [YAMLEntry]
  public let position: YAMLPosition

  /// The value of an optional key; nil when it is absent.
  public subscript(key: String) -> YAMLNode? {
    entries.first { $0.key == key }?.value
  }

  /// The value of a key that must be there.
  ///
  /// - Throws: ``YAMLError/Code/missingKey`` at the mapping.
  public func required(_ key: String) throws(YAMLError) -> YAMLNode {
    guard let node = self[key] else {
      throw YAMLError(.missingKey, at: position, "the key '\(key)' is missing here")
    }
    return node
  }
}
