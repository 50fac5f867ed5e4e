/// Bytes from outside of one kind, and what holds whatever they are.
///
/// The same table serves libFuzzer (`make fuzz`), the replay of kept inputs in every test run, and
/// the mutations of those inputs.
public struct FuzzTarget: Sendable, CustomStringConvertible {
  /// What a parser made of an input.
  public enum Finding: Sendable, Equatable {
    case refused
    case accepted
    /// The promise that does not hold, in words.
    case broken(String)
  }

  /// The name of its folder in `Tests/Fuzz/Corpora`.
  public let name: String
  public var description: String { name }
  /// Never traps and ends soon, for any input.
  public let check: @Sendable ([UInt8]) -> Finding

  init(_ name: String, check: @escaping @Sendable ([UInt8]) -> Finding) {
    self.name = name
    self.check = check
  }

  public static let all: [FuzzTarget] =
    text + http + service + intake + envelope + keys + content + policies + entries + notes + tiles
    + journal + anchors + audio + views + custody + backups + sip + telephony + failover
    + cardData

  public static func named(_ name: String) -> FuzzTarget? {
    all.first { $0.name == name }
  }
}

extension FuzzTarget {
  /// For a format in which one thing has one spelling: what parses is written as it was read.
  static func oneSpelling<Value>(
    _ name: String,
    parse: @escaping @Sendable ([UInt8]) throws -> Value?,
    encode: @escaping @Sendable (Value) throws -> [UInt8]
  ) -> FuzzTarget {
    FuzzTarget(name) { bytes in
      guard let value = try? parse(bytes) else { return .refused }
      guard let encoded = try? encode(value) else { return .broken("what parses does not encode") }
      return encoded == bytes ? .accepted : .broken("what parses has a second spelling")
    }
  }

  /// For a format with many spellings: what was understood is understood the same once written.
  static func settled<Value>(
    _ name: String,
    parse: @escaping @Sendable ([UInt8]) throws -> Value?,
    encode: @escaping @Sendable (Value) throws -> [UInt8]
  ) -> FuzzTarget {
    FuzzTarget(name) { bytes in
      guard let value = try? parse(bytes) else { return .refused }
      guard let once = try? encode(value) else { return .broken("what parses does not encode") }
      guard let again = try? parse(once) else { return .broken("what is written is refused") }
      guard let twice = try? encode(again) else { return .broken("what parses does not encode") }
      return twice == once ? .accepted : .broken("writing and reading changes the meaning")
    }
  }
}

/// Text of a format whose bytes are compared: two strings may be equal and not the same bytes.
func utf8(_ text: String) -> [UInt8] { Array(text.utf8) }

/// The input as text, where it is UTF-8.
func string(_ bytes: [UInt8]) -> String? { String(validating: bytes, as: UTF8.self) }
