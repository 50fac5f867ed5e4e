public import Encoding

/// What is known of one field: that it is not known, that there is nothing, or its value.
public enum Fact<Value: Hashable & Sendable>: Hashable, Sendable {
  case unknown
  case absent
  case known(Value)
}

/// A number as the catalog has it: a keyed digest under one index key.
public struct PartyToken: Hashable, Sendable {
  /// The index key's id.
  public let key: Identifier
  public let value: [UInt8]

  public init(key: Identifier, value: [UInt8]) {
    self.key = key
    self.value = value
  }
}

/// What is known of a call, as far as holds ask.
///
/// Starts as nothing known, which every hold holds.
public struct HoldFacts: Hashable, Sendable {
  public let call: Identifier
  /// The patient it is linked to; absent: linked to nobody.
  public var patient = Fact<Identifier>.unknown
  /// The numbers of both sides; nil: not known.
  public var parties: [PartyToken]?
  /// Whether one side kept its number to itself: it may be any.
  public var hasWithheldParty = true
  public var source = Fact<String>.unknown
  public var location = Fact<String>.unknown
  public var callExtension = Fact<String>.unknown
  public var direction = Fact<String>.unknown
  /// The date of service; nil: not known.
  public var served: CivilDate?

  public init(call: Identifier) {
    self.call = call
  }
}
