/// A name that the routing policy gives to one of its things: 1 to 32 of `a-z`, `0-9` and inner hyphens,
/// beginning with a letter.
///
/// The tag keeps the name of a target from standing where that of a route is meant.
public struct PolicyName<Tag>: Hashable, Comparable, Sendable, LosslessStringConvertible {
  public let description: String

  /// Is nil for a name of another form.
  public init?(_ description: String) {
    let bytes = Array(description.utf8)
    guard (1...32).contains(bytes.count), (0x61...0x7a).contains(bytes[0]),
      bytes[bytes.count - 1] != 0x2d,
      bytes.allSatisfy({
        (0x61...0x7a).contains($0) || (0x30...0x39).contains($0) || $0 == 0x2d
      })
    else { return nil }
    self.description = description
  }

  public static func < (left: Self, right: Self) -> Bool { left.description < right.description }
}

public enum TargetTag {}
/// Something that is probed: the PBX, a trunk, the AI engine, a way into the internet.
public typealias TargetID = PolicyName<TargetTag>

public enum RouteTag {}
/// A way for calls.
public typealias RouteID = PolicyName<RouteTag>

public enum ActuatorTag {}
/// Something that calls can be moved with.
public typealias ActuatorID = PolicyName<ActuatorTag>

public enum NotifierTag {}
/// A way to tell people.
public typealias NotifierID = PolicyName<NotifierTag>

public enum CallGroupTag {}
/// People who take calls together: a queue or a ring group of the phone system.
public typealias CallGroupID = PolicyName<CallGroupTag>
