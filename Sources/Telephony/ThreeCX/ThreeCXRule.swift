import Encoding
import Failover

/// Where an inbound rule sends calls: a kind of 3CX's list and a number.
struct ThreeCXDestination: Hashable, Sendable, LosslessStringConvertible {
  /// Those of `DestinationType` that a plan may want.
  enum Kind: String, CaseIterable, Sendable {
    case `extension` = "Extension"
    case queue = "Queue"
    case ringGroup = "RingGroup"
    case ivr = "IVR"
    case routePoint = "RoutePoint"
    case external = "External"
  }

  let kind: Kind
  /// An extension's number of 1 to 10 digits, or one in E.164 for ``Kind/external``; never an emergency number.
  let number: String

  init?(kind: Kind, number: String) {
    let digits = kind == .external ? number.utf8.dropFirst() : number.utf8.dropFirst(0)
    guard kind != .external || number.hasPrefix("+"),
      (kind == .external ? 8...15 : 1...10).contains(digits.count),
      digits.allSatisfy({ (0x30...0x39).contains($0) }), !EmergencyNumbers.isTouched(by: number)
    else { return nil }
    self.kind = kind
    self.number = number
  }

  /// `Queue 800`.
  var description: String { "\(kind.rawValue) \(number)" }

  init?(_ description: String) {
    let parts = description.split(separator: " ", omittingEmptySubsequences: false)
    guard parts.count == 2, let kind = Kind(rawValue: String(parts[0])) else { return nil }
    self.init(kind: kind, number: String(parts[1]))
  }

  /// As 3CX writes it; nil for a destination that no plan may want.
  init?(_ object: JSONObject) {
    guard let kind = object["To"]?.string.flatMap(Kind.init) else { return nil }
    let number = kind == .external ? object["External"]?.string : object["Number"]?.string
    self.init(kind: kind, number: number ?? "")
  }

  /// What `PATCH` sends.
  var object: JSONValue {
    kind == .external
      ? ["To": .string(kind.rawValue), "External": .string(number)]
      : ["To": .string(kind.rawValue), "Number": .string(number)]
  }
}

/// An inbound rule, as far as it matters here.
struct ThreeCXRule: Sendable, Equatable {
  /// Where its three times of day send calls, in 3CX's own names.
  static let times = [
    "OfficeHoursDestination", "OutOfOfficeHoursDestination", "HolidaysDestination",
  ]

  let id: Int64
  let condition: String
  /// The number or the pattern that it is for.
  let data: String
  /// Nil where it is none that a plan may want.
  let destinations: [String: ThreeCXDestination?]

  init?(_ object: JSONObject) {
    guard let id = object["Id"]?.integer, Int32(exactly: id) != nil else { return nil }
    self.id = id
    condition = object["Condition"]?.string ?? ""
    data = object["Data"]?.string ?? ""
    var destinations: [String: ThreeCXDestination?] = [:]
    for time in Self.times {
      destinations[time] = .some(object[time]?.object.flatMap(ThreeCXDestination.init))
    }
    self.destinations = destinations
  }

  /// Whether the rule is for an emergency number, which is then not ours to edit.
  var touchesEmergency: Bool { EmergencyNumbers.isTouched(by: data) }
}
