/// A limit on what a token may do or see, narrower than its role.
///
/// `recordings:write` names a group of rights that the access policy lists; `source=NAME`,
/// `location=NAME` and `extension=NAME` confine the token to calls with that value. Several of one
/// kind widen each other; different kinds narrow each other.
public struct Scope: Hashable, Comparable, Sendable, LosslessStringConvertible {
  public enum Meaning: Hashable, Sendable {
    /// A group of rights by its name in the policy.
    case rights(String)
    case source(String)
    case location(String)
    case callExtension(String)
  }
  public let meaning: Meaning

  public init(_ meaning: Meaning) {
    self.meaning = meaning
  }

  /// Reads `group:verb` or `source=…`, `location=…`, `extension=…`; nil for anything else.
  public init?(_ text: String) {
    guard text.utf8.count <= 96,
      text.unicodeScalars.allSatisfy({ $0.properties.generalCategory != .control })
    else { return nil }
    if let mark = text.firstIndex(of: "=") {
      let value = String(text[text.index(after: mark)...])
      guard (1...64).contains(value.utf8.count) else { return nil }
      switch text[..<mark] {
      case "source": meaning = .source(value)
      case "location": meaning = .location(value)
      case "extension": meaning = .callExtension(value)
      default: return nil
      }
    } else {
      let words = text.utf8.split(separator: UInt8(ascii: ":"), omittingEmptySubsequences: false)
      guard words.count == 2,
        words.allSatisfy({ word in
          (1...32).contains(word.count)
            && word.allSatisfy { (0x61...0x7A).contains($0) || $0 == UInt8(ascii: "-") }
        })
      else { return nil }
      meaning = .rights(text)
    }
  }

  public var description: String {
    switch meaning {
    case .rights(let name): name
    case .source(let name): "source=\(name)"
    case .location(let name): "location=\(name)"
    case .callExtension(let name): "extension=\(name)"
    }
  }

  public static func < (left: Self, right: Self) -> Bool {
    left.description.utf8.lexicographicallyPrecedes(right.description.utf8)
  }
}

/// The calls a caller may know of.
public struct Confinement: Hashable, Sendable {
  /// Nil: not confined in this respect.
  public var sources: Set<String>?
  public var locations: Set<String>?
  public var callExtensions: Set<String>?

  public init(_ scopes: some Sequence<Scope>) {
    for scope in scopes {
      switch scope.meaning {
      case .rights: continue
      case .source(let name): sources = (sources ?? []).union([name])
      case .location(let name): locations = (locations ?? []).union([name])
      case .callExtension(let name): callExtensions = (callExtensions ?? []).union([name])
      }
    }
  }

  /// Whether a call with these values lies within.
  ///
  /// One without a value lies outside of a confinement to values.
  public func covers(source: String, location: String?, callExtension: String?) -> Bool {
    (sources?.contains(source) ?? true)
      && (locations.map { all in location.map(all.contains) ?? false } ?? true)
      && (callExtensions.map { all in callExtension.map(all.contains) ?? false } ?? true)
  }
}
