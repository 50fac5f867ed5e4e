public import Retention

/// A telephone number in the one form in which it is searched.
///
/// E.164 (`+` and up to fifteen digits) when the text can be read so with the dialling habits of the
/// location's country; otherwise its digits only, so that extensions and short codes still match
/// themselves. Normalising never guesses: two different lines must not become one.
///
/// Lengths and prefixes follow ITU-T E.164 and the ITU's national numbering plans.
public struct PhoneNumber: Hashable, Sendable, CustomStringConvertible {
  /// `+13135550142`, or digits only.
  public let description: String

  /// Whether the number is in E.164 form and so means the same everywhere.
  public var isInternational: Bool { description.utf8.first == UInt8(ascii: "+") }

  /// Reads a number as people, SIP headers and file names write it.
  ///
  /// Takes separators (spaces, dots, hyphens, slashes, brackets), `tel:` and `sip:` URIs, `(0)` after a country code,
  /// and drops what follows an extension mark (`x`, `ext`, `;`, `#`, `,`). Nil when there is no digit, as in
  /// `anonymous`.
  ///
  /// - Parameters:
  ///   - text: at most 128 bytes are of use; any text is allowed.
  ///   - country: where the number was dialled; nil: only international forms become E.164.
  public init?(_ text: String, in country: Country?) {
    let dialled = Self.dialled(in: text)
    let digits = dialled.digits
    guard !digits.isEmpty else { return nil }
    if dialled.isInternational, let number = Self.international(digits) {
      description = number
    } else if let country, let number = country.international(fromDialled: digits) {
      description = number
    } else {
      description = digits
    }
  }

  /// The digits that would be dialled, and whether a `+` stands before them.
  private static func dialled(in text: String) -> (digits: String, isInternational: Bool) {
    var rest = Substring(text)
    for scheme in ["tel:", "sip:", "sips:"] where rest.lowercased().hasPrefix(scheme) {
      rest = rest.dropFirst(scheme.count)
      rest = rest.prefix { $0 != "@" }
      break
    }
    var digits: [UInt8] = []
    var plus = false
    var bracketed: [UInt8]?
    loop: for character in rest.utf8 {
      switch character {
      case UInt8(ascii: "0")...UInt8(ascii: "9"):
        if bracketed != nil { bracketed?.append(character) } else { digits.append(character) }
      case UInt8(ascii: "+"):
        if digits.isEmpty, bracketed == nil { plus = true }
      case UInt8(ascii: "("):
        if let inner = bracketed { digits += inner }
        bracketed = []
      case UInt8(ascii: ")"):
        // `+44 (0)20 …`: the trunk zero is not dialled after a country code.
        if let inner = bracketed, !(plus && inner == [UInt8(ascii: "0")]) { digits += inner }
        bracketed = nil
      case UInt8(ascii: ";"), UInt8(ascii: "#"), UInt8(ascii: ","), UInt8(ascii: "x"),
        UInt8(ascii: "X"):
        if !digits.isEmpty { break loop }
      case UInt8(ascii: "e"), UInt8(ascii: "E"):
        // `ext. 12`
        if !digits.isEmpty { break loop }
      default:
        continue
      }
    }
    if let inner = bracketed { digits += inner }
    return (String(decoding: digits, as: UTF8.self), plus)
  }

  /// `+` and `digits`, if E.164 allows them: a country code that does not begin with zero, fifteen digits at most.
  ///
  /// The North American plan is the one whose inner form is fixed, so it is checked.
  static func international(_ digits: String) -> String? {
    guard (7...15).contains(digits.utf8.count), digits.utf8.first != UInt8(ascii: "0") else {
      return nil
    }
    if digits.utf8.first == UInt8(ascii: "1") {
      guard Country.isNorthAmerican(digits.dropFirst()) else { return nil }
    }
    return "+" + digits
  }
}

extension PhoneNumber {
  /// How numbers are dialled inside one country.
  public struct Country: Hashable, Sendable {
    /// ISO 3166-1 alpha-2.
    public let code: String
    let callingCode: String
    /// What is dialled before a number abroad.
    let internationalPrefix: String
    /// What is dialled before an area code, and is no part of the number.
    let trunkPrefix: String
    /// Digits of a national number without trunk prefix.
    let nationalLengths: ClosedRange<Int>
    /// Whether a national number is dialled without a trunk prefix too.
    let dialsWithoutTrunk: Bool

    /// The country with this code, or nil if its dialling plan is not known here.
    public init?(code: String) {
      guard let country = Self.known[code.uppercased()] else { return nil }
      self = country
    }

    private init(
      _ code: String, _ callingCode: String, idd: String, trunk: String,
      _ lengths: ClosedRange<Int>, plain: Bool
    ) {
      self.code = code
      self.callingCode = callingCode
      internationalPrefix = idd
      trunkPrefix = trunk
      nationalLengths = lengths
      dialsWithoutTrunk = plain
    }

    /// Two rows of three and four: `NPA-NXX-XXXX` with N from 2 to 9.
    static func isNorthAmerican(_ national: some StringProtocol) -> Bool {
      let digits = Array(national.utf8)
      return digits.count == 10 && digits[0] >= UInt8(ascii: "2") && digits[3] >= UInt8(ascii: "2")
    }

    func international(fromDialled digits: String) -> String? {
      if !internationalPrefix.isEmpty, digits.hasPrefix(internationalPrefix),
        let number = PhoneNumber.international(
          String(digits.dropFirst(internationalPrefix.utf8.count)))
      {
        return number
      }
      if callingCode == "1" {
        let national =
          digits.utf8.count == 11 && digits.hasPrefix("1") ? digits.dropFirst() : Substring(digits)
        return Self.isNorthAmerican(national) ? "+1" + national : nil
      }
      if !trunkPrefix.isEmpty, digits.hasPrefix(trunkPrefix) {
        let national = digits.dropFirst(trunkPrefix.utf8.count)
        guard nationalLengths.contains(national.utf8.count), !national.hasPrefix("0") else {
          return nil
        }
        return PhoneNumber.international(callingCode + national)
      }
      guard dialsWithoutTrunk, nationalLengths.contains(digits.utf8.count) else { return nil }
      return PhoneNumber.international(callingCode + digits)
    }

    /// The North American plan's members share one code; the rest are those with a plan we have read.
    private static let known: [String: Country] = {
      var table: [String: Country] = [:]
      for code in [
        "US", "CA", "PR", "VI", "GU", "AS", "MP", "AG", "AI", "BB", "BM", "BS", "DM", "DO", "GD",
        "JM", "KN", "KY", "LC", "MS", "SX", "TC", "TT", "VC", "VG",
      ] {
        table[code] = Country(code, "1", idd: "011", trunk: "1", 10...10, plain: true)
      }
      for country in [
        Country("AT", "43", idd: "00", trunk: "0", 4...13, plain: false),
        Country("AU", "61", idd: "0011", trunk: "0", 9...9, plain: false),
        Country("BE", "32", idd: "00", trunk: "0", 8...9, plain: false),
        Country("CH", "41", idd: "00", trunk: "0", 9...9, plain: false),
        Country("CZ", "420", idd: "00", trunk: "", 9...9, plain: true),
        Country("DE", "49", idd: "00", trunk: "0", 4...13, plain: false),
        Country("DK", "45", idd: "00", trunk: "", 8...8, plain: true),
        Country("ES", "34", idd: "00", trunk: "", 9...9, plain: true),
        Country("FI", "358", idd: "00", trunk: "0", 5...12, plain: false),
        Country("FR", "33", idd: "00", trunk: "0", 9...9, plain: false),
        Country("GB", "44", idd: "00", trunk: "0", 9...10, plain: false),
        Country("IE", "353", idd: "00", trunk: "0", 7...9, plain: false),
        Country("IL", "972", idd: "00", trunk: "0", 8...9, plain: false),
        Country("IN", "91", idd: "00", trunk: "0", 10...10, plain: true),
        // Italian numbers keep their zero after the country code, so there is no trunk prefix.
        Country("IT", "39", idd: "00", trunk: "", 6...11, plain: true),
        Country("JP", "81", idd: "010", trunk: "0", 9...10, plain: false),
        Country("LU", "352", idd: "00", trunk: "", 6...11, plain: true),
        Country("MX", "52", idd: "00", trunk: "", 10...10, plain: true),
        Country("NL", "31", idd: "00", trunk: "0", 9...9, plain: false),
        Country("NO", "47", idd: "00", trunk: "", 8...8, plain: true),
        Country("NZ", "64", idd: "00", trunk: "0", 8...10, plain: false),
        Country("PH", "63", idd: "00", trunk: "0", 8...10, plain: false),
        Country("PL", "48", idd: "00", trunk: "", 9...9, plain: true),
        Country("PT", "351", idd: "00", trunk: "", 9...9, plain: true),
        Country("SE", "46", idd: "00", trunk: "0", 7...9, plain: false),
        Country("ZA", "27", idd: "00", trunk: "0", 9...9, plain: false),
      ] {
        table[country.code] = country
      }
      return table
    }()
  }
}

/// A site of the practice: how numbers are dialled there, and which day it is.
public struct Location: Hashable, Sendable {
  public let name: String
  public let country: PhoneNumber.Country
  /// An IANA zone, such as `America/Detroit`: the date of service is the local one.
  public let zone: String
  /// Whose law of recording holds there; nil: the practice's.
  public let state: USState?

  public init(
    name: String, country: PhoneNumber.Country, zone: String, state: USState? = nil
  ) {
    self.name = name
    self.country = country
    self.zone = zone
    self.state = state
  }
}
