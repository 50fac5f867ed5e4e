public import Encoding
public import Retention

/// A hold as a person asks for it, and as it is told to whoever may see holds.
public struct HoldRequest: Sendable, Equatable {
  public var matter: String
  public var reason: String
  /// Who answers for what is held.
  public var custodian: String
  public var kind: LegalHold.Kind
  /// Numbers as they were typed; they are normalised when the hold is placed.
  public var scope: HoldScope

  public init(
    matter: String, reason: String, custodian: String, kind: LegalHold.Kind = .legal,
    scope: HoldScope
  ) {
    self.matter = matter
    self.reason = reason
    self.custodian = custodian
    self.kind = kind
    self.scope = scope
  }
}

/// A hold as the vault knows it: what it says, unsealed, and how it stands.
public struct KnownHold: Sendable {
  public let matter: Matter
  public let hold: LegalHold
  /// Who asked for its release; nil: nobody, or nobody lately.
  public let releaseAsked: Identifier?
  public let released: Timestamp?
  public let decided: Timestamp?
}

/// The plaintext of a hold's sealed record: `Documentation/formats/destruction.md`, 2.
struct HoldContents: Equatable {
  let matter: Matter
  let hold: LegalHold

  var encoded: [UInt8] {
    JSONValue.object([
      "custodian": .string(matter.custodian),
      "hold": .string(String(decoding: hold.encoded, as: UTF8.self)),
      "matter": .string(matter.name), "reason": .string(matter.reason), "v": 1,
    ]).encoded()
  }

  init(matter: Matter, hold: LegalHold) {
    self.matter = matter
    self.hold = hold
  }

  /// - Throws: ``VaultError/Code/tampered`` for what this program would not write.
  init(parsing bytes: [UInt8]) throws(VaultError) {
    do {
      let object = try JSONValue(parsing: bytes).object
      guard let object, object["v"] == 1, let name = object["matter"]?.string,
        let reason = object["reason"]?.string, let custodian = object["custodian"]?.string,
        let text = object["hold"]?.string
      else { throw RetentionError(.malformed, "this is not a hold") }
      let hold = try LegalHold(parsing: Array(text.utf8))
      self.hold = hold
      matter = Matter(
        id: hold.matter, name: name, reason: reason, custodian: custodian, opened: hold.placed,
        openedBy: hold.placedBy)
    } catch {
      throw VaultError(.tampered, during: "reading a hold", cause: error)
    }
  }
}
