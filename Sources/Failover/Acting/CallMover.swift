/// A call that is going on, by the name its provider gave it.
///
/// 1 to 128 bytes of letters, digits and `-._/@;:=`: nothing that could end a line, a quote or an argument. Where
/// an actuator's own grammar is narrower (a channel of Asterisk, a CallSid), it refuses what does not match it.
public struct CallReference: Hashable, Sendable, LosslessStringConvertible {
  public let description: String

  /// Is nil for a name of another form.
  public init?(_ description: String) {
    guard (1...128).contains(description.utf8.count),
      description.utf8.allSatisfy({ byte in
        (0x30...0x39).contains(byte) || (0x41...0x5a).contains(byte)
          || (0x61...0x7a).contains(byte) || "-._/@;:=".utf8.contains(byte)
      })
    else { return nil }
    self.description = description
  }
}

/// A live call, as far as moving it needs.
public struct LiveCall: Hashable, Sendable {
  public let reference: CallReference
  public let urgency: Urgency
  /// When it began, for the order in which calls of one urgency are moved.
  public let began: Moment

  public init(_ reference: CallReference, urgency: Urgency, began: Moment) {
    self.reference = reference
    self.urgency = urgency
    self.began = began
  }
}

/// Something that can move calls that are going on.
///
/// Many actuators can only steer new ones.
public protocol CallMover: Sendable {
  var id: ActuatorID { get }
  /// At most 1,000.
  func liveCalls() async throws(FailoverError) -> [LiveCall]
  /// Moves one call to a contact of `route`; returns when the other side says that it is so.
  ///
  /// - Parameters:
  ///   - call: by its provider's name.
  ///   - route: where it goes.
  ///   - urgency: `critical` for an emergency, which waits for no other call's move: not even for one that hangs.
  ///   - deadline: when it has to be done.
  /// - Throws: ``FailoverError`` with ``FailoverError/Code/busy`` or ``FailoverError/Code/unreachable`` where another
  ///   attempt may go better.
  func move(
    _ call: CallReference, to route: Route, urgency: Urgency, before deadline: Moment
  ) async throws(FailoverError)
  /// Makes sure that a recording of an emergency's call runs; does nothing where one does.
  func ensureRecording(of call: CallReference, before deadline: Moment)
    async throws(FailoverError)
}

/// Who answers a call group, told by the phone system.
public protocol CallGroupSource: Sendable {
  /// How many people of the group could take a call now.
  func members(of group: CallGroupID) async throws(FailoverError) -> Int
}
