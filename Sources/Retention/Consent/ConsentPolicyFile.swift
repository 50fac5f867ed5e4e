import Cryptography
public import YAML

extension ConsentPolicy {
  /// Reads `Policies/consent.yaml`.
  ///
  /// - Parameters:
  ///   - bytes: the file; at most a MiB.
  ///   - file: its name in errors.
  /// - Throws: a ``YAMLError`` with file, line and column of the first thing that is wrong.
  public init(parsing bytes: [UInt8], file: String) throws(YAMLError) {
    let top = try YAMLNode(parsing: bytes, file: file).mapping(of: [
      "v", "version", "owner", "missing", "cut_short", "revoked", "states",
    ])
    _ = try top.required("v").integer(in: 1...1)
    version = try top.required("version").text(atMost: 64)
    _ = try top.required("owner").text(atMost: 128)
    missing = try Self.choice(top.required("missing"))
    cutShort = try Self.choice(top.required("cut_short"))
    revoked = try Self.choice(top.required("revoked"))
    var states: [USState: StateRule] = [:]
    for entry in try top.required("states").entries() {
      guard let state = USState(entry.key) else {
        throw YAMLError(
          .wrongType, at: entry.position, "a state's two letters are expected here, such as CA")
      }
      states[state] = try Self.stateRule(entry.value)
    }
    self.states = states
    hash = SHA256.hash(bytes)
  }

  private static func stateRule(_ node: YAMLNode) throws(YAMLError) -> StateRule {
    let mapping = try node.mapping(of: ["rule", "cite", "confirmed", "version", "effective"])
    return StateRule(
      rule: try choice(mapping.required("rule")),
      citation: try mapping.required("cite").text(atMost: 256),
      isConfirmed: try mapping.required("confirmed").boolean(),
      version: try mapping.required("version").text(atMost: 64),
      effective: try mapping.required("effective").date())
  }

  private static func choice<Value: RawRepresentable & CaseIterable>(
    _ node: YAMLNode
  ) throws(YAMLError) -> Value where Value.RawValue == String {
    guard let value = Value(rawValue: try node.string()) else {
      let known = Value.allCases.map(\.rawValue).joined(separator: ", ")
      throw YAMLError(.wrongType, at: node.position, "one of these is expected here: \(known)")
    }
    return value
  }
}
