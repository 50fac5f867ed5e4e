public import Encoding

/// Which object a sealed part is: tenant, call, part and how often the part was rewritten.
///
/// Its text is the object's associated data (`Documentation/formats/envelope.md`, section 3). It is
/// made from the catalog and never read from the object, so an object moved to another place does
/// not open there.
public struct PartAddress: Hashable, Sendable {
  public let tenant: Identifier
  public let call: Identifier
  public let part: CallPart
  /// From 1, raised at every rewrite of the part.
  public let generation: Int

  /// Is nil where the part's number or name, or the generation, is out of bounds
  /// (1…999 999 999, 1 to 32 of `a-z`).
  public init?(tenant: Identifier, call: Identifier, part: CallPart, generation: Int = 1) {
    guard part.isValid, (1...999_999_999).contains(generation) else { return nil }
    self.tenant = tenant
    self.call = call
    self.part = part
    self.generation = generation
  }

  /// The text as bytes: what an outside program gives as associated data.
  public var associatedData: [UInt8] { Array(description.utf8) }
}

extension PartAddress: LosslessStringConvertible {
  /// Reads `callvault/v1|tenant=T|call=C|part=P/G`; nil for any other spelling.
  public init?(_ description: String) {
    let fields = description.split(separator: "|", omittingEmptySubsequences: false)
    guard
      fields.count == 4, fields[0] == "callvault/v1", fields[1].hasPrefix("tenant="),
      fields[2].hasPrefix("call="), fields[3].hasPrefix("part="),
      let tenant = Identifier(String(fields[1].dropFirst(7))),
      let call = Identifier(String(fields[2].dropFirst(5)))
    else { return nil }
    let halves = fields[3].dropFirst(5).split(separator: "/", omittingEmptySubsequences: false)
    guard
      halves.count == 2, let part = CallPart(String(halves[0])),
      let generation = CallPart.number(halves[1])
    else { return nil }
    self.init(tenant: tenant, call: call, part: part, generation: generation)
  }

  public var description: String {
    "callvault/v1|tenant=\(tenant)|call=\(call)|part=\(part)/\(generation)"
  }
}
