import YAML

extension HealthMachine.Pace {
  /// What holds where the policy says nothing, for each way of looking.
  ///
  /// The fast ones are for machines of the practice's own; a carrier may ban fast OPTIONS, and the policy then says
  /// more. `Documentation/formats/routing.md` has the same table.
  static func standard(_ kind: SignalKind) -> HealthMachine.Pace {
    switch kind {
    case .sipOptions: Self(silenceMs: 600, probes: 12, dwellMs: 10_000, staleMs: 60_000)
    case .http, .ami: Self(silenceMs: 900, probes: 3, dwellMs: 10_000, staleMs: 60_000)
    case .uplink: Self(silenceMs: 1_500, probes: 4, dwellMs: 5_000, staleMs: 60_000)
    case .pbxAPI: Self(silenceMs: 6_000, probes: 3, dwellMs: 15_000, staleMs: 120_000)
    case .dns, .tls: Self(silenceMs: 3_000, probes: 4, dwellMs: 10_000, staleMs: 60_000)
    case .registration: Self(silenceMs: 4_000, probes: 3, dwellMs: 15_000, staleMs: 120_000)
    case .canary: Self(silenceMs: 15_000, probes: 2, dwellMs: 15_000, staleMs: 300_000)
    case .passive: Self(silenceMs: 5_000, probes: 5, dwellMs: 10_000, staleMs: 60_000)
    }
  }
}

extension Target {
  /// The targets of the policy with their probes.
  static func declared(
    _ node: YAMLNode
  ) throws(YAMLError) -> [(target: Target, probes: [RoutingPolicy.DeclaredProbe])] {
    var all: [(target: Target, probes: [RoutingPolicy.DeclaredProbe])] = []
    for entry in try node.entries() { all.append(try declared(entry)) }
    guard all.contains(where: { $0.target.role == .uplink }) else {
      throw YAMLError(
        .missingKey, at: node.position,
        "a target of the role uplink is missing: without one nobody can tell an outage from a fault here"
      )
    }
    guard all.count <= 32 else {
      throw YAMLError(.wrongType, at: node.position, "at most 32 targets are expected here")
    }
    return all
  }

  private static func declared(
    _ entry: YAMLEntry
  ) throws(YAMLError) -> (Target, [RoutingPolicy.DeclaredProbe]) {
    let id = try TargetID(policyName: entry)
    let fields = try entry.value.mapping(of: ["role", "quorum", "probes"])
    let role = try fields.required("role").word(TargetRole.self)
    let list = try fields.required("probes")
    var signals: [Signal] = []
    var probes: [RoutingPolicy.DeclaredProbe] = []
    for item in try list.sequence() {
      let (signal, settings) = try signal(item)
      guard !signals.contains(where: { $0.kind == signal.kind }) else {
        throw YAMLError(.duplicateKey, at: item.position, "two probes of a target are of one kind")
      }
      signals.append(signal)
      // What others report needs nobody who looks.
      if signal.kind != .passive {
        probes.append(
          RoutingPolicy.DeclaredProbe(target: id, signal: signal.kind, settings: settings))
      }
    }
    let quorumNode = fields["quorum"]
    let quorum = Int(try quorumNode?.integer(in: 1...8) ?? Int64(min(2, signals.count)))
    guard !probes.isEmpty, quorum <= signals.count else {
      throw YAMLError(
        .wrongType, at: quorumNode?.position ?? list.position,
        "a target needs a probe besides what others report, and at least as many as its quorum")
    }
    let hasDecisive = signals.contains { $0.isDecisive }
    guard quorum > 1 || role == .uplink || hasDecisive || signals.count == 1 else {
      throw YAMLError(
        .wrongType, at: quorumNode?.position ?? list.position,
        "one of several voices is no quorum; say `decisive: true` at the probe whose word is enough"
      )
    }
    return (Target(id: id, role: role, quorum: quorum, signals: signals), probes)
  }

  private static func signal(_ node: YAMLNode) throws(YAMLError) -> (Signal, YAMLNode) {
    let entries = try node.entries()
    let own = ["kind", "silence_ms", "probes", "dwell_ms", "stale_ms", "decisive"]
    let fields = try node.selecting(own).mapping(of: own)
    guard entries.count <= 64 else {
      throw YAMLError(.wrongType, at: node.position, "at most 64 keys are expected here")
    }
    let kind = try fields.required("kind").word(SignalKind.self)
    var pace = HealthMachine.Pace.standard(kind)
    if let value = try fields["silence_ms"]?.integer(in: 100...600_000) { pace.silenceMs = value }
    if let value = try fields["probes"]?.integer(in: 2...100) { pace.probes = Int(value) }
    if let value = try fields["dwell_ms"]?.integer(in: 0...3_600_000) { pace.dwellMs = value }
    if let value = try fields["stale_ms"]?.integer(in: 1000...3_600_000) { pace.staleMs = value }
    let isDecisive = try fields["decisive"]?.boolean() ?? false
    if isDecisive, kind == .passive, let node = fields["decisive"] {
      throw YAMLError(
        .wrongType, at: node.position, "what others report is one voice, and never decides alone")
    }
    guard pace.staleMs > pace.silenceMs else {
      throw YAMLError(
        .wrongType, at: node.position, "stale_ms must be longer than silence_ms")
    }
    return (Signal(kind: kind, pace: pace, isDecisive: isDecisive), node.removing(own))
  }
}
