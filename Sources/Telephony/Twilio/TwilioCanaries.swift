import Encoding
public import Failover
import YAML

/// Test calls that Twilio places: section 6.6 of `Documentation/formats/failover-actuators.md`.
struct TwilioCanaries: Sendable {
  /// A number of the account.
  let from: String
  let places: [RouteID: RouteContact]

  /// Keys: `from`, `routes`, a contact each.
  init(_ node: YAMLNode) throws(YAMLError) {
    let fields = try node.mapping(of: ["from", "routes"])
    let number = try fields.required("from")
    guard let contact = RouteContact(try number.string()), contact.isNumber else {
      throw VendorSettings.refuse(number, "a number of the account is expected here: +13125550123")
    }
    from = contact.uri
    var places: [RouteID: RouteContact] = [:]
    for entry in try fields.required("routes").entries() {
      guard let route = RouteID(entry.key), let contact = RouteContact(try entry.value.string())
      else { throw VendorSettings.refuse(entry.value, "a route and its contact are expected here") }
      places[route] = contact
    }
    self.places = places
  }
}

extension TwilioActuator {
  /// Between two questions whether somebody has answered.
  private static let pace: Duration = .milliseconds(250)

  public func hasCanary(for route: RouteID) -> Bool { canaries?.places[route] != nil }

  public func callCanary(
    on route: RouteID, before deadline: Moment
  ) async throws(FailoverError) {
    guard let canaries, let place = canaries.places[route] else {
      throw FailoverError(.invalid, during: "placing a test call that is not in the settings")
    }
    // Rung no longer than a third of what is left for it, so that its end is seen inside the deadline.
    let seconds = max(1, min(30, deadline.ms(since: .now) / 3_000))
    let placed = try await client.post(
      .api, accountPath + "/Calls.json",
      [
        ("To", place.uri), ("From", canaries.from), ("Twiml", TwiML.pauseAndHangUp),
        ("Timeout", String(seconds)), ("TimeLimit", "10"),
      ], effect: .acts, before: deadline)
    guard let sid = placed["sid"]?.string.flatMap({ TwilioSid($0, .call) }) else {
      throw FailoverError(.refused, during: "placing a test call")
    }
    while true {
      do { try await Task.sleep(for: Self.pace) } catch {
        throw FailoverError(.tooLate, during: "waiting for a test call", cause: error)
      }
      let call = try await client.get(.api, accountPath + "/Calls/\(sid).json", before: deadline)
      switch call["status"]?.string {
      case "in-progress", "completed": return
      case "queued", "initiated", "ringing": continue
      default: throw FailoverError(.notConfirmed, during: "waiting for an answer to a test call")
      }
    }
  }
}
