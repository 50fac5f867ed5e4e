public import Cryptography
public import Encoding
public import Retention
public import Vault

/// What a phone system says of a recording in a file beside it, `NAME.json` beside `NAME`.
///
/// The members are those of `POST /v1/calls` but `source`, which the folder fixes, and `sha256` of the
/// recording; see `Documentation/formats/intake.md` section 3.
public struct Sidecar: Sendable, Equatable {
  /// Bytes of a sidecar at most.
  public static let byteLimit = 65_536

  public var sourceID: String?
  public var started: OffsetTime?
  public var direction: Direction?
  public var from: String?
  public var to: String?
  public var callExtension: String?
  public var agent: String?
  public var location: String?
  public var digest: SHA256Digest?
  /// Where the phone system paused or muted the recording.
  public var pauses: [TimeSpan]
  /// Who agreed to it.
  public var consent: [ConsentRecord]

  private static let members = [
    "v", "source_id", "started", "direction", "from", "to", "extension", "agent", "location",
    "sha256", "pauses", "consent",
  ]

  /// Reads a sidecar: one JSON object, no member twice, none that is not known, none of another type.
  ///
  /// - Throws: ``IntakeError/Code/malformed``. What a field may hold is the vault's to judge.
  public init(parsing bytes: [UInt8]) throws(IntakeError) {
    let malformed = IntakeError(.malformed, during: "reading a sidecar")
    let value: JSONValue
    do {
      value = try JSONValue(
        parsing: bytes, limits: JSONLimits(byteCount: Self.byteLimit, depth: 4))
    } catch {
      throw IntakeError(.malformed, during: "reading a sidecar", cause: error)
    }
    guard case .object(let object) = value, object.keys.allSatisfy(Self.members.contains),
      object["v"] == .integer(1)
    else { throw malformed }
    func text(_ name: String) throws(IntakeError) -> String? {
      switch object[name] {
      case nil: return nil
      case .string(let text): return text
      default: throw malformed
      }
    }
    func parsed<Value>(
      _ name: String, _ parse: (String) -> Value?
    ) throws(IntakeError) -> Value? {
      guard let text = try text(name) else { return nil }
      guard let value = parse(text) else { throw malformed }
      return value
    }
    sourceID = try text("source_id")
    started = try parsed("started") { OffsetTime($0) }
    direction = try parsed("direction") { Direction(rawValue: $0) }
    from = try text("from")
    to = try text("to")
    callExtension = try text("extension")
    agent = try text("agent")
    location = try text("location")
    digest = try parsed("sha256") { SHA256Digest(hex: $0) }
    guard let pauses = CallDetails.pauses(object["pauses"]) else { throw malformed }
    self.pauses = pauses
    consent = []
    if let value = object["consent"] {
      guard case .array(let items) = value else { throw malformed }
      for item in items {
        guard case .object(let record) = item else { throw malformed }
        do throws(ConsentRecordError) {
          consent.append(try ConsentRecord(record))
        } catch {
          throw IntakeError(.malformed, during: "reading a sidecar", cause: error)
        }
      }
    }
  }
}
