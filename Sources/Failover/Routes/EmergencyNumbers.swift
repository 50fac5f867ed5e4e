/// Numbers that nothing here ever routes, redirects or edits: 911 and its like.
///
/// A caller who dials one must reach it even while all of this is wrong, so the supervisor stays away: a policy that
/// names one is refused, an actuator that would touch one throws, and the redirect server answers none.
public enum EmergencyNumbers {
  /// 911 and its test number, the crisis line, and what mobile networks and other countries take for 911.
  public static let numbers: Set<String> = [
    "911", "933", "988", "112", "999", "000", "110", "118", "119",
  ]
  /// Those that people also dial behind digits for an outside line or a country; of the others, extensions of
  /// four digits (1000, 1112) would be taken for one.
  static let prefixed: Set<String> = ["911"]

  /// Whether a dialled number, a URI or a pattern of a dial plan is one of them, names one, or could match one.
  ///
  /// Separators are looked through, and before 911 up to two digits for an outside line or a country (`9911`,
  /// `+1 911`). In a pattern
  /// `X`, `Z`, `N` and `[…]` stand for digits, `.`, `!` and `*` for any rest and `?` for one. Text that can be
  /// no number, such as a host name, touches none; `sos` as a user or a service does.
  public static func isTouched(by text: String) -> Bool {
    let bytes = Array(text.utf8.prefix(512))
    let lower = bytes.map { (0x41...0x5a).contains($0) ? $0 | 0x20 : $0 }
    if contains(lower, "service:sos") { return true }
    let user = user(of: lower)
    // The user may carry parameters and an escape; what is escaped is judged as what it means.
    let plain = unescaped(user).prefix { $0 != 0x3b }
    if plain.elementsEqual("sos".utf8) || plain.starts(with: "sos.".utf8) { return true }
    return couldMatch(Array(plain))
  }

  /// The user part of a URI, or the whole text where it is none.
  private static func user(of text: [UInt8]) -> [UInt8] {
    var rest = text[...]
    var isURI = false
    for scheme in ["sips:", "sip:", "tel:"] where rest.starts(with: scheme.utf8) {
      rest = rest.dropFirst(scheme.utf8.count)
      isURI = scheme != "tel:"
      break
    }
    guard isURI else { return Array(rest) }
    // Without an `@` there is only a host, which no caller dials.
    guard let end = rest.firstIndex(of: 0x40) else { return [] }
    return Array(rest[..<end].prefix { $0 != 0x3a })
  }

  private static func unescaped(_ text: [UInt8]) -> [UInt8] {
    var plain: [UInt8] = []
    var index = 0
    while index < text.count {
      if text[index] == 0x25, index + 2 < text.count, let high = digit(text[index + 1]),
        let low = digit(text[index + 2])
      {
        plain.append(high << 4 | low)
        index += 3
      } else {
        plain.append(text[index])
        index += 1
      }
    }
    return plain
  }

  private static func digit(_ byte: UInt8) -> UInt8? {
    switch byte {
    case 0x30...0x39: byte - 0x30
    case 0x61...0x66: byte - 0x57
    default: nil
    }
  }

  /// What one place of a pattern stands for.
  private enum Place {
    case digits(Set<UInt8>)
    /// Any rest, also none.
    case rest
  }

  /// Whether a text dials, or as a pattern could match, one more number of a place's own.
  static func dials(_ text: String, _ number: String) -> Bool {
    let lower = text.lowercased().utf8.prefix(512)
    guard let places = places(Array(unescaped(user(of: Array(lower))).prefix { $0 != 0x3b })),
      !places.isEmpty
    else { return false }
    return matches(places[...], Array(number.utf8)[...], skipping: 0)
  }

  private static func couldMatch(_ text: [UInt8]) -> Bool {
    guard let places = places(text), !places.isEmpty else { return false }
    return numbers.contains { number in
      // As dialled, and behind digits that get a line or a country.
      (0...(prefixed.contains(number) ? 2 : 0)).contains { prefix in
        matches(places[...], Array(number.utf8)[...], skipping: prefix)
      }
    }
  }

  private static func matches(
    _ places: ArraySlice<Place>, _ digits: ArraySlice<UInt8>, skipping: Int
  ) -> Bool {
    guard let place = places.first else { return digits.isEmpty && skipping == 0 }
    switch place {
    case .rest: return true
    case .digits(let set):
      if skipping > 0 {
        // Only what people dial before a number: 0, 1, 8 and 9.
        return !set.isDisjoint(with: [0x30, 0x31, 0x38, 0x39])
          && matches(places.dropFirst(), digits, skipping: skipping - 1)
      }
      guard let digit = digits.first, set.contains(digit) else { return false }
      return matches(places.dropFirst(), digits.dropFirst(), skipping: 0)
    }
  }

  /// Nil for text that is neither a number nor a pattern of one.
  private static func places(_ text: [UInt8]) -> [Place]? {
    var places: [Place] = []
    var rest = text[...]
    if rest.first == 0x5f { rest = rest.dropFirst() }
    while let byte = rest.popFirst() {
      switch byte {
      case 0x30...0x39: places.append(.digits([byte]))
      case UInt8(ascii: "x"), UInt8(ascii: "?"): places.append(.digits(Set(0x30...0x39)))
      case UInt8(ascii: "z"): places.append(.digits(Set(0x31...0x39)))
      case UInt8(ascii: "n"): places.append(.digits(Set(0x32...0x39)))
      case UInt8(ascii: "["):
        guard let end = rest.firstIndex(of: UInt8(ascii: "]")) else { return nil }
        guard let set = set(Array(rest[..<end])) else { return nil }
        places.append(.digits(set))
        rest = rest[(end + 1)...]
      case UInt8(ascii: "."), UInt8(ascii: "!"), UInt8(ascii: "*"):
        // Between digits a full stop separates, as in 312.555.0123; at the end it is any rest.
        if byte == UInt8(ascii: "."), !rest.isEmpty { continue }
        places.append(.rest)
      case UInt8(ascii: "+"), UInt8(ascii: "-"), UInt8(ascii: " "), UInt8(ascii: "("),
        UInt8(ascii: ")"), UInt8(ascii: "/"):
        continue
      default: return nil
      }
    }
    return places
  }

  private static func set(_ text: [UInt8]) -> Set<UInt8>? {
    var set: Set<UInt8> = []
    var index = 0
    while index < text.count {
      guard (0x30...0x39).contains(text[index]) else { return nil }
      if index + 2 < text.count, text[index + 1] == 0x2d,
        (0x30...0x39).contains(text[index + 2]), text[index] <= text[index + 2]
      {
        set.formUnion(text[index]...text[index + 2])
        index += 3
      } else {
        set.insert(text[index])
        index += 1
      }
    }
    return set
  }

  private static func contains(_ text: [UInt8], _ part: String) -> Bool {
    let part = Array(part.utf8)
    guard text.count >= part.count else { return false }
    return (0...(text.count - part.count)).contains { text[$0...].starts(with: part) }
  }
}
