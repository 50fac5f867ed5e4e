/// Where callers are sent, best first: a closed list, to which no request adds a byte.
public struct ContactPlan: Sendable {
  /// Addresses of one list at most.
  public static let contactCount = 10
  /// Numbers with a list of their own at most.
  public static let numberCount = 1_000

  /// What reports call it.
  public let id: String
  private let others: ContactList
  private let numbers: [[UInt8]: ContactList]

  /// Makes a plan.
  ///
  /// - Parameters:
  ///   - id: what reports call it.
  ///   - contacts: for every call that has no list of its own.
  ///   - numbers: lists for the numbers that were dialled, in digits with the country code and without `+`.
  /// - Throws: ``SIPError/Code/invalid`` for an empty or repeated list or a number that is none,
  ///   ``SIPError/Code/tooLarge`` for more than there may be, ``SIPError/Code/emergency`` for a number that
  ///   is not ours to route.
  public init(
    id: String, contacts: [PreferredContact], numbers: [String: [PreferredContact]] = [:]
  ) throws(SIPError) {
    guard numbers.count <= Self.numberCount else {
      throw SIPError(.tooLarge, during: "counting the numbers of a plan")
    }
    self.id = id
    others = try ContactList(contacts)
    var lists: [[UInt8]: ContactList] = [:]
    for (number, contacts) in numbers {
      let digits = Array(number.utf8)
      guard (2...15).contains(digits.count), digits.allSatisfy(Syntax.isDigit) else {
        throw SIPError(.invalid, during: "reading a number of a plan")
      }
      guard !EmergencyNumber.isNumber(digits) else {
        throw SIPError(.emergency, during: "reading a number of a plan")
      }
      lists[digits] = try ContactList(contacts)
    }
    self.numbers = lists
  }

  /// The list for what a request dials.
  func contacts(for request: SIPRequest) -> ContactList {
    guard !numbers.isEmpty, let uri = request.uri,
      let digits = DialedNumber.digits(
        of: EmergencyNumber.decoded(request.message.bytes, at: uri.user))
    else { return others }
    return numbers[digits] ?? others
  }
}

/// An address and how much it is wanted.
public struct PreferredContact: Sendable, Hashable {
  public let address: ContactAddress
  /// q in thousandths: 0 to 1000.
  public let preference: Int

  /// - Throws: ``SIPError/Code/invalid`` for a preference out of bounds.
  public init(_ address: ContactAddress, preference: Int = 1000) throws(SIPError) {
    guard (0...1000).contains(preference) else {
      throw SIPError(.invalid, during: "reading the preference of a contact")
    }
    self.address = address
    self.preference = preference
  }

  /// The value of `q` (RFC 3261, 25.1): three digits behind the point at most.
  var q: String {
    if preference == 1000 { return "1" }
    let digits = String(preference)
    return "0." + String(repeating: "0", count: 3 - digits.utf8.count) + digits
  }
}

/// The value of Contact, made once.
struct ContactList: Sendable {
  /// `<sip:…>;q=1, <sip:…>;q=0.900`, the most wanted first.
  let text: [UInt8]
  /// Where each address ends, so that the last ones can be left out.
  let ends: [Int]

  init(_ contacts: [PreferredContact]) throws(SIPError) {
    guard !contacts.isEmpty, Set(contacts.map(\.address)).count == contacts.count else {
      throw SIPError(.invalid, during: "reading a list of contacts")
    }
    guard contacts.count <= ContactPlan.contactCount else {
      throw SIPError(.tooLarge, during: "counting a list of contacts")
    }
    let ordered = contacts.enumerated().sorted {
      ($1.element.preference, $0.offset) < ($0.element.preference, $1.offset)
    }
    var text: [UInt8] = []
    var ends: [Int] = []
    for (_, contact) in ordered {
      if !text.isEmpty { text += Array(", ".utf8) }
      text += Array("<\(contact.address)>;q=\(contact.q)".utf8)
      ends.append(text.count)
    }
    self.text = text
    self.ends = ends
  }
}
