public import Encoding

/// What kind of thing acted.
public enum ActorKind: String, CaseIterable, Sendable {
  case person
  /// A phone system, a script: whoever holds a service token.
  case service
  /// CallVault itself: start, stop, heartbeat, scheduled work.
  case system
  /// A local process known by its OS user.
  case process
  /// Nobody we know: a refused caller.
  case unknown
}

/// The role under which the decision was made; the seven names of the access rules.
public enum Role: String, CaseIterable, Sendable {
  case administrator
  case auditor
  case clinician
  case `operator`
  case privacyOfficer = "privacy-officer"
  case recordsManager = "records-manager"
  case service
}

/// How the actor proved who they are.
public enum AuthMethod: String, CaseIterable, Sendable {
  case certificate
  case grant
  case `internal`
  case none
  case oidc
  case passkey
  case peer
  case token
}

/// Who acted: an id that an earlier entry introduced, and how it was proved.
public struct Actor: Hashable, Sendable {
  /// Strengths run from 0, nothing proved, to 3, a fresh proof of a person at a device.
  public static let strengths: ClosedRange<Int64> = 0...3

  public var id: Identifier
  public var kind: ActorKind
  public var role: Role?
  public var method: AuthMethod
  /// Within ``strengths``; an entry with another does not encode.
  public var strength: Int64

  public init(
    id: Identifier, kind: ActorKind, role: Role? = nil, method: AuthMethod, strength: Int64
  ) {
    self.id = id
    self.kind = kind
    self.role = role
    self.method = method
    self.strength = strength
  }
}
