/// Something that can place a test call on a route: what a better route must pass before calls go back to it.
public protocol CanaryCaller: Sendable {
  var id: ActuatorID { get }
  /// Whether its settings name a test call for the route.
  func hasCanary(for route: RouteID) -> Bool
  /// Places one, and returns when somebody or something has answered; the call ends by itself.
  ///
  /// - Throws: ``FailoverError/Code/notConfirmed`` where nobody answered, ``FailoverError/Code/unreachable``,
  ///   ``FailoverError/Code/refused``, ``FailoverError/Code/busy``.
  func callCanary(on route: RouteID, before deadline: Moment) async throws(FailoverError)
}
