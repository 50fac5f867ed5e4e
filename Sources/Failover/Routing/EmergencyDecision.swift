/// Where an emergency call would go now, made before there is one: nothing is asked, probed or written between the
/// alert and the transfer.
public struct EmergencyDecision: Hashable, Sendable {
  /// In the order in which they are tried; the last needs nothing of ours and always stands.
  public let routes: [Route]
}

extension RoutingMachine {
  /// What is not known to be dead is tried: a wrong try costs a second, and the next follows.
  func emergency(_ situation: Situation) -> EmergencyDecision {
    var routes: [Route] = []
    for (index, place) in emergencyPlaces.enumerated() {
      let choice = policy.choices[place]
      var isLiving = true
      for need in needs[place] where situation.beliefs[need].belief == .down { isLiving = false }
      if index == emergencyPlaces.count - 1
        || isLiving && fits(choice, situation) && isStaffed(choice, situation)
      {
        routes.append(choice.route)
      }
    }
    return EmergencyDecision(routes: routes)
  }
}
