public import Cryptography
public import Encoding

/// What somebody approves: a hash, and what it is the hash of.
public enum ApprovalSubject: Hashable, Sendable {
  /// A purge plan's bytes.
  case plan(SHA256Digest)
  /// A policy file's bytes.
  case policy(SHA256Digest)
  /// The bytes of a hold that is to end.
  case release(SHA256Digest)

  var words: (kind: String, digest: SHA256Digest) {
    switch self {
    case .plan(let digest): ("plan", digest)
    case .policy(let digest): ("policy", digest)
    case .release(let digest): ("release", digest)
    }
  }

  init?(kind: String, digest: SHA256Digest) {
    switch kind {
    case "plan": self = .plan(digest)
    case "policy": self = .policy(digest)
    case "release": self = .release(digest)
    default: return nil
    }
  }
}

/// That one person approves one hash.
///
/// `Documentation/formats/retention.md`, section 3.
public struct Approval: Hashable, Sendable {
  /// How the person proved who they are.
  public enum Proof: Hashable, Sendable {
    /// An access token's id.
    case token(Identifier)
    /// SHA-256 of what an authenticator signed.
    case assertion(SHA256Digest)
  }
  public let subject: ApprovalSubject
  public let person: Identifier
  public let role: ApproverRole
  /// By our clock.
  public let time: Timestamp
  public let proof: Proof
  /// The day the person typed, where there was no outside time.
  public let typedDay: CivilDate?
  /// Whether the person allows the plan to pass the caps.
  public let allowsBeyondCaps: Bool

  public init(
    subject: ApprovalSubject, person: Identifier, role: ApproverRole, time: Timestamp,
    proof: Proof, typedDay: CivilDate? = nil, allowsBeyondCaps: Bool = false
  ) {
    self.subject = subject
    self.person = person
    self.role = role
    self.time = time
    self.proof = proof
    self.typedDay = typedDay
    self.allowsBeyondCaps = allowsBeyondCaps
  }
}

extension Approval {
  private static let header = "callvault/retention-approval/v1"

  /// The bytes that are kept; ``digest`` is what entries of the log have as evidence.
  public var encoded: [UInt8] {
    let (kind, digest) = subject.words
    let proof =
      switch proof {
      case .token(let id): "token \(id)"
      case .assertion(let digest): "assertion \(digest.hex)"
      }
    var lines = [
      Self.header, "\(kind) \(digest.hex)", "person \(person)", "role \(role.rawValue)",
      "time \(time.rfc3339)", "proof \(proof)",
    ]
    if let typedDay { lines.append("date \(typedDay)") }
    if allowsBeyondCaps { lines.append("beyond-caps yes") }
    return Array(lines.map { $0 + "\n" }.joined().utf8)
  }

  public var digest: SHA256Digest { SHA256.hash(encoded) }

  /// Reads ``encoded``.
  ///
  /// - Throws: ``RetentionError/Code/malformed`` for anything that this program would not write.
  public init(parsing bytes: [UInt8]) throws(RetentionError) {
    guard bytes.count <= 1024, let text = String(validating: bytes, as: UTF8.self),
      let approval = Approval(text), approval.encoded == bytes
    else { throw RetentionError(.malformed, "this is not an approval") }
    self = approval
  }

  private init?(_ text: String) {
    var lines = text.split(separator: "\n", omittingEmptySubsequences: false)[...]
    func value(_ name: String) -> String? {
      guard let line = lines.first, line.hasPrefix(name + " ") else { return nil }
      lines.removeFirst()
      return String(line.dropFirst(name.count + 1))
    }
    guard lines.popFirst().map({ $0 == Self.header }) == true,
      let subjectLine = lines.popFirst()?.split(separator: " "), subjectLine.count == 2,
      let digest = SHA256Digest(hex: String(subjectLine[1])),
      let subject = ApprovalSubject(kind: String(subjectLine[0]), digest: digest),
      let person = value("person").flatMap(Identifier.init),
      let role = value("role").flatMap(ApproverRole.init),
      let time = value("time").flatMap(Timestamp.init(rfc3339:)),
      let proof = value("proof").flatMap(Proof.init)
    else { return nil }
    let date = value("date")
    let day = date.flatMap { CivilDate($0) }
    guard date == nil || day != nil else { return nil }
    self.init(
      subject: subject, person: person, role: role, time: time, proof: proof, typedDay: day,
      allowsBeyondCaps: value("beyond-caps") == "yes")
  }
}

extension Approval.Proof {
  fileprivate init?(_ text: String) {
    let words = text.split(separator: " ")
    guard words.count == 2 else { return nil }
    switch words[0] {
    case "token":
      guard let id = Identifier(String(words[1])) else { return nil }
      self = .token(id)
    case "assertion":
      guard let digest = SHA256Digest(hex: String(words[1])) else { return nil }
      self = .assertion(digest)
    default: return nil
    }
  }
}

/// That two different people approved the same hash.
public struct ApprovalPair: Hashable, Sendable {
  public let first: Approval
  public let second: Approval
  public var subject: ApprovalSubject { first.subject }
  /// Whether both allow more than the caps do.
  public var allowsBeyondCaps: Bool { first.allowsBeyondCaps && second.allowsBeyondCaps }

  /// - Throws: ``RetentionError/Code/notApproved`` if it is one person, one proof, or two subjects.
  public init(_ first: Approval, _ second: Approval) throws(RetentionError) {
    guard first.subject == second.subject else {
      throw RetentionError(.notApproved, "the two approve different things")
    }
    guard first.person != second.person else {
      throw RetentionError(.notApproved, "two different people must approve")
    }
    guard first.proof != second.proof else {
      throw RetentionError(.notApproved, "two people cannot prove themselves by one token")
    }
    self.first = first
    self.second = second
  }
}
