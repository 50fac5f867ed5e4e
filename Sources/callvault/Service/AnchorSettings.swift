import YAML

/// Section `anchors` of `callvault.yaml`, as `Documentation/formats/anchors.md` section 5 has it.
struct AnchorSettings: Sendable {
  /// How often an anchor is asked, and from which age on its silence is an alarm.
  struct Pace: Sendable {
    var every: Duration
    var limit: Duration

    fileprivate init(
      _ fields: YAMLMapping?, at position: YAMLPosition, every: Int64, limit: Int64
    ) throws(YAMLError) {
      let every = try seconds(fields?["every"], within: 1...86_400) ?? every
      let limitNode = fields?["limit"]
      let limit = try seconds(limitNode, within: 1...2_592_000) ?? max(limit, every)
      guard limit >= every else {
        throw YAMLError(
          .wrongType, at: limitNode?.position ?? position,
          "`limit` must not be shorter than `every`")
      }
      self.every = .seconds(every)
      self.limit = .seconds(limit)
    }
  }

  struct Timestamps: Sendable {
    var url: String
    var authority: String
    var renewal: Duration
    var pace: Pace
  }

  struct Copies: Sendable {
    var path: String
    var pace: Pace
  }

  /// The file of the policy; nil without witnesses.
  var policy: String?
  var witness: Pace
  /// Certificates that witnesses may show, in PEM.
  var witnessAuthority: String?
  var timestamps: Timestamps?
  var copies: Copies?

  /// Reads the value of `anchors`.
  ///
  /// - Throws: `YAMLError` with file, line and column.
  init(
    _ node: YAMLNode, text: (YAMLNode) throws(YAMLError) -> String
  ) throws(YAMLError) {
    let top = try node.mapping(of: ["policy", "witness", "timestamp", "copy"])
    policy = try top["policy"].map(text)
    let witness = try top["witness"]?.mapping(of: ["every", "limit", "ca"])
    self.witness = try Pace(witness, at: node.position, every: 600, limit: 3600)
    witnessAuthority = try witness?["ca"].map(text)
    if let node = top["timestamp"] {
      let fields = try node.mapping(of: ["url", "ca", "every", "limit", "renew"])
      timestamps = Timestamps(
        url: try text(fields.required("url")), authority: try text(fields.required("ca")),
        renewal: .seconds(
          try seconds(fields["renew"], within: 86_400...31_536_000) ?? 2_592_000),
        pace: try Pace(fields, at: node.position, every: 3600, limit: 10_800))
    }
    if let node = top["copy"] {
      let fields = try node.mapping(of: ["path", "every", "limit"])
      copies = Copies(
        path: try text(fields.required("path")),
        pace: try Pace(fields, at: node.position, every: 600, limit: 3600))
    }
  }
}

private func seconds(
  _ node: YAMLNode?, within range: ClosedRange<Int64>
) throws(YAMLError) -> Int64? {
  guard let node else { return nil }
  guard let seconds = DurationText.seconds(try node.string()), range.contains(seconds) else {
    throw YAMLError(
      .wrongType, at: node.position,
      "a time of \(range.lowerBound) to \(range.upperBound) seconds is expected here, such as 10m")
  }
  return seconds
}
