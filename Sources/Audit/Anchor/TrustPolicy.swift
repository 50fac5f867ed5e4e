/// Who must have cosigned a head before it counts (c2sp.org/tlog-policy).
///
/// Given by whoever checks, never taken from beside the log. Specified in
/// `Documentation/formats/anchors.md`, 4.
public struct TrustPolicy: Hashable, Sendable {
  /// No policy is longer than this.
  public static let maximumByteCount = 65_536
  /// At most so many logs, witnesses and groups each.
  public static let maximumDefinitions = 64

  /// A log whose heads count.
  public struct Log: Hashable, Sendable {
    public let key: VerifierKey
    public let url: String?
  }

  /// A witness that the quorum may name.
  public struct Witness: Hashable, Sendable {
    /// Octets: what they spell is not looked at.
    public let name: [UInt8]
    public let key: VerifierKey
    /// The submission prefix, where it can be asked.
    public let url: String?
  }

  /// What the quorum comes to.
  indirect enum Rule: Hashable, Sendable {
    case always
    case witness(VerifierKey)
    case atLeast(Int, [Rule])

    func isMet(by keys: Set<VerifierKey>) -> Bool {
      switch self {
      case .always: true
      case .witness(let key): keys.contains(key)
      case .atLeast(let count, let rules): rules.count { $0.isMet(by: keys) } >= count
      }
    }
  }

  public private(set) var logs: [Log] = []
  public private(set) var witnesses: [Witness] = []
  let quorum: Rule

  /// Whether no witness is asked for: then no head is confirmed by this policy.
  public var isWithoutQuorum: Bool { quorum == .always }

  /// Whether cosignatures of these witnesses suffice.
  public func isMet(by keys: Set<VerifierKey>) -> Bool { quorum.isMet(by: keys) }

  /// Reads a policy file.
  ///
  /// - Throws: ``AuditError/Code/malformed``, with the line in ``AuditError/cause``.
  public init(parsing bytes: [UInt8]) throws(AuditError) {
    guard bytes.count <= Self.maximumByteCount,
      bytes.allSatisfy({ $0 == 0x09 || $0 == 0x0a || ($0 >= 0x20 && $0 != 0x7f) }),
      bytes.isEmpty || bytes.last == 0x0a
    else { throw AuditError(.malformed, during: "reading a policy that is not plain lines") }
    var reader = Reader()
    let lines = bytes.dropLast().split(separator: 0x0a, omittingEmptySubsequences: false)
    for (number, line) in lines.enumerated() {
      do throws(LineFault) {
        try reader.take(line.split { $0 == 0x20 || $0 == 0x09 }.map(Array.init))
      } catch {
        throw AuditError(
          .malformed, during: "reading a policy",
          cause: PolicyFault(line: number + 1, what: error.what))
      }
    }
    guard let quorum = reader.quorum else {
      throw AuditError(
        .malformed, during: "reading a policy",
        cause: PolicyFault(line: lines.count, what: "there is no quorum line"))
    }
    logs = reader.logs
    witnesses = reader.witnesses
    self.quorum = quorum
  }

  /// Whose cosignatures of a head hold.
  public struct Cosigned: Sendable {
    /// The head.
    public let head: VerifiedCheckpoint
    /// Each witness with the second it signed at.
    public let witnesses: [(key: VerifierKey, seconds: Int64)]
    /// Whether they are a quorum, and one is asked for.
    public let isConfirmed: Bool

    /// When the head was confirmed for the last time, in seconds; nil unless it is.
    ///
    /// The clock of any one witness may be wrong: the earliest of the lines counts.
    public var seconds: Int64? { isConfirmed ? witnesses.map(\.seconds).min() : nil }
  }

  /// Checks a head against this policy.
  ///
  /// - Parameters:
  ///   - note: the head.
  ///   - key: the log's, where the caller knows it; else one of the policy's.
  /// - Returns: the head and who cosigned it.
  /// - Throws: ``AuditError/Code/notAuthentic`` if no log's line holds or the line of a known key
  ///   does not; ``AuditError/Code/malformed`` if it is no checkpoint.
  public func check(
    _ note: SignedNote, key: VerifierKey? = nil
  ) throws(AuditError) -> Cosigned {
    let checkpoint = try Checkpoint(parsing: note.text)
    let own = key ?? logs.map(\.key).first { $0.name == checkpoint.origin }
    guard let own, logs.isEmpty || logs.contains(where: { $0.key == own }) else {
      throw AuditError(.notAuthentic, during: "looking for a log in the policy")
    }
    let keys = witnesses.map(\.key)
    let head = try VerifiedCheckpoint(note, key: own, witnesses: keys)
    var cosigners: [(key: VerifierKey, seconds: Int64)] = []
    for signature in note.signatures {
      guard
        let key = keys.first(where: {
          $0.name == signature.name && $0.keyID == signature.keyID && head.signers.contains($0)
        }), let cosignature = Cosignature(parsing: signature.bytes),
        !cosigners.contains(where: { $0.key == key })
      else { continue }
      cosigners.append((key, cosignature.seconds))
    }
    return Cosigned(
      head: head, witnesses: cosigners,
      isConfirmed: !isWithoutQuorum && isMet(by: Set(cosigners.map(\.key))))
  }
}

/// What is wrong with a line of a policy.
public struct PolicyFault: Error, Hashable, Sendable, CustomStringConvertible {
  /// Counted from 1.
  public let line: Int
  public let what: String

  public var description: String { "line \(line): \(what)" }
}

private struct LineFault: Error {
  let what: String

  init(_ what: String) { self.what = what }
}

/// The lines of a policy, one after another.
private struct Reader {
  var logs: [TrustPolicy.Log] = []
  var witnesses: [TrustPolicy.Witness] = []
  var quorum: TrustPolicy.Rule?
  private var rules: [[UInt8]: TrustPolicy.Rule] = [:]
  /// Names that are members of a group already.
  private var members: Set<[UInt8]> = []
  private var groups = 0

  private static let none = Array("none".utf8)

  mutating func take(_ words: [[UInt8]]) throws(LineFault) {
    guard let keyword = words.first, keyword.first != UInt8(ascii: "#") else { return }
    switch String(decoding: keyword, as: UTF8.self) {
    case "log": try log(words.dropFirst())
    case "witness": try witness(words.dropFirst())
    case "group": try group(words.dropFirst())
    case "quorum": try quorum(words.dropFirst())
    default: throw LineFault("it begins with none of log, witness, group, quorum")
    }
  }

  private mutating func log(_ words: ArraySlice<[UInt8]>) throws(LineFault) {
    guard (1...2).contains(words.count) else { throw LineFault("log <vkey> [<url>] is expected") }
    let key = try Self.key(words[words.startIndex], .ed25519)
    guard !logs.contains(where: { $0.key.publicKey == key.publicKey }) else {
      throw LineFault("this log's key is there twice")
    }
    guard logs.count < TrustPolicy.maximumDefinitions else { throw LineFault("too many logs") }
    logs.append(TrustPolicy.Log(key: key, url: try Self.url(words.dropFirst().first)))
  }

  private mutating func witness(_ words: ArraySlice<[UInt8]>) throws(LineFault) {
    guard (2...3).contains(words.count) else {
      throw LineFault("witness <name> <vkey> [<url>] is expected")
    }
    let name = words[words.startIndex]
    let key = try Self.key(words[words.startIndex + 1], .cosignature)
    guard !witnesses.contains(where: { $0.key.publicKey == key.publicKey }) else {
      throw LineFault("this witness's key is there twice")
    }
    guard witnesses.count < TrustPolicy.maximumDefinitions else {
      throw LineFault("too many witnesses")
    }
    try define(name, .witness(key))
    witnesses.append(
      TrustPolicy.Witness(name: name, key: key, url: try Self.url(words.dropFirst(2).first)))
  }

  private mutating func group(_ words: ArraySlice<[UInt8]>) throws(LineFault) {
    guard words.count >= 3 else {
      throw LineFault("group <name> all|any|<k> <name>... is expected")
    }
    let names = words.dropFirst(2)
    let threshold = String(decoding: words[words.startIndex + 1], as: UTF8.self)
    let count: Int
    switch threshold {
    case "all": count = names.count
    case "any": count = 1
    default:
      guard let number = Int(threshold), String(number) == threshold,
        (1...names.count).contains(number)
      else { throw LineFault("the threshold must be all, any or from 1 to the number of members") }
      count = number
    }
    var rules: [TrustPolicy.Rule] = []
    for name in names {
      guard let rule = self.rules[name] else {
        throw LineFault("a member is not defined above")
      }
      guard members.insert(name).inserted else {
        throw LineFault("a member is in a group already")
      }
      rules.append(rule)
    }
    groups += 1
    guard groups <= TrustPolicy.maximumDefinitions else { throw LineFault("too many groups") }
    try define(words[words.startIndex], .atLeast(count, rules))
  }

  private mutating func quorum(_ words: ArraySlice<[UInt8]>) throws(LineFault) {
    guard let name = words.first, words.count == 1 else {
      throw LineFault("quorum <name>|none is expected")
    }
    guard quorum == nil else { throw LineFault("there is a quorum line already") }
    if name == Self.none {
      quorum = .always
    } else if let rule = rules[name] {
      quorum = rule
    } else {
      throw LineFault("the quorum's name is not defined above")
    }
  }

  private mutating func define(_ name: [UInt8], _ rule: TrustPolicy.Rule) throws(LineFault) {
    guard name != Self.none else { throw LineFault("the name none is taken") }
    guard rules.updateValue(rule, forKey: name) == nil else {
      throw LineFault("this name is there twice")
    }
  }

  private static func key(
    _ word: [UInt8], _ type: SignatureType
  ) throws(LineFault) -> VerifierKey {
    guard let key = String(validating: word, as: UTF8.self).flatMap({ VerifierKey($0) }) else {
      throw LineFault("there is no verifier key where one is expected")
    }
    guard key.type == type else {
      throw LineFault("the key is of a type that this program does not check here")
    }
    return key
  }

  private static func url(_ word: [UInt8]?) throws(LineFault) -> String? {
    guard let word else { return nil }
    guard let url = String(validating: word, as: UTF8.self) else {
      throw LineFault("the address is not UTF-8")
    }
    return url
  }
}
