import Adapters
import Audit
import Drivers
import Durable
import Host
import TLSClient
import Threading
import Vault
import Views
import YAML

/// One of `sinks` in `callvault.yaml`, as `Documentation/formats/views.md` section 6 has it.
struct SinkSettings: Sendable {
  enum Receiver: Sendable {
    case syslog(
      TLSClientSettings, facility: Int, enterprise: UInt32?, confirmation: SyslogSink.Confirmation)
    case json(folder: String)
  }

  /// More sinks than this are refused.
  static let limit = 8

  let name: String
  let receiver: Receiver
  let ageLimit: Duration

  /// Reads the value of `sinks`, in its order.
  ///
  /// - Parameters:
  ///   - node: a mapping of names to sinks.
  ///   - text: fills variables in.
  /// - Returns: the sinks.
  /// - Throws: `YAMLError` with file, line and column.
  static func sinks(
    _ node: YAMLNode, text: (YAMLNode) throws(YAMLError) -> String
  ) throws(YAMLError) -> [SinkSettings] {
    var sinks: [SinkSettings] = []
    for entry in try node.entries() {
      guard sinks.count < limit else {
        throw YAMLError(
          .wrongType, at: entry.value.position, "there are more than \(limit) sinks")
      }
      sinks.append(try SinkSettings(entry.key, entry.value, text: text))
    }
    return sinks
  }

  private init(
    _ name: String, _ node: YAMLNode, text: (YAMLNode) throws(YAMLError) -> String
  ) throws(YAMLError) {
    // The name is a file's.
    guard (1...32).contains(name.utf8.count), NodeName(name) != nil else {
      throw YAMLError(
        .wrongType, at: node.position,
        "a sink's name is 1 to 32 lower-case letters, digits and inner hyphens")
    }
    self.name = name
    let fields = try node.mapping(of: ["syslog", "json", "age_limit"])
    switch (fields["syslog"], fields["json"]) {
    case (let node?, nil): receiver = try Self.syslog(node, text: text)
    case (nil, let node?):
      let folder = try node.mapping(of: ["folder"]).required("folder")
      receiver = .json(folder: try Self.path(folder, text: text))
    default:
      throw YAMLError(.missingKey, at: node.position, "one of `syslog` and `json` is expected here")
    }
    var age: Int64 = 300
    if let node = fields["age_limit"] {
      guard let seconds = DurationText.seconds(try node.string()), (10...604_800).contains(seconds)
      else {
        throw YAMLError(
          .wrongType, at: node.position, "a time from 10s to 7d is expected here, such as 5m")
      }
      age = seconds
    }
    ageLimit = .seconds(age)
  }

  private static func syslog(
    _ node: YAMLNode, text: (YAMLNode) throws(YAMLError) -> String
  ) throws(YAMLError) -> Receiver {
    let fields = try node.mapping(of: [
      "host", "port", "ca", "certificate", "key", "facility", "enterprise", "confirm",
    ])
    let hostNode = try fields.required("host")
    let host = try text(hostNode)
    guard (1...253).contains(host.utf8.count), host.utf8.allSatisfy({ (0x21...0x7E).contains($0) })
    else {
      throw YAMLError(
        .wrongType, at: hostNode.position, "a host's name or address is expected here")
    }
    var settings = TLSClientSettings(
      host: host, port: UInt16(clamping: try fields["port"]?.integer(in: 1...65_535) ?? 6514),
      authorities: try path(fields.required("ca"), text: text))
    if let node = fields["certificate"] { settings.certificate = try path(node, text: text) }
    if let node = fields["key"] { settings.key = try path(node, text: text) }
    guard (settings.certificate == nil) == (settings.key == nil) else {
      throw YAMLError(.missingKey, at: node.position, "`certificate` and `key` go together here")
    }
    var confirmation = SyslogSink.Confirmation.closeNotify
    if let node = fields["confirm"] {
      guard let given = SyslogSink.Confirmation(rawValue: try node.string()) else {
        throw YAMLError(
          .wrongType, at: node.position, "one of close-notify, close is expected here")
      }
      confirmation = given
    }
    return .syslog(
      settings, facility: Int(try fields["facility"]?.integer(in: 0...23) ?? 13),
      enterprise: try fields["enterprise"].map(enterprise), confirmation: confirmation)
  }

  /// A private enterprise number; not the one that RFC 5612 sets aside for examples.
  private static func enterprise(_ node: YAMLNode) throws(YAMLError) -> UInt32 {
    let number = UInt32(clamping: try node.integer(in: 1...Int64(UInt32.max)))
    guard number != 32_473 else {
      throw YAMLError(
        .wrongType, at: node.position,
        "32473 is for examples; leave `enterprise` out, or give your own number from IANA")
    }
    return number
  }

  private static func path(
    _ node: YAMLNode, text: (YAMLNode) throws(YAMLError) -> String
  ) throws(YAMLError) -> String {
    let path = try text(node)
    guard path.hasPrefix("/"), path.utf8.count <= 1024, !path.utf8.contains(0) else {
      throw YAMLError(.wrongType, at: node.position, "a path from / on is expected here")
    }
    return path.count > 1 && path.hasSuffix("/") ? String(path.dropLast()) : path
  }

  /// Where entries go, in words for an entry and for the operator.
  var destination: String {
    switch receiver {
    case .syslog(let settings, _, _, _): "syslog over TLS to \(settings.host) port \(settings.port)"
    case .json(let folder): "JSON lines to \(folder)"
    }
  }

  /// The file of the sink's position.
  func positionFile(_ layout: StorageLayout) -> String { "\(layout.sinks)/\(name).position" }

  /// Makes what delivers, after the vault has put on record that it will.
  func forwarder(of opened: OpenedVault) async throws -> Forwarder {
    let clock = SystemClock()
    let sink: any EntrySink
    switch receiver {
    case .syslog(let settings, let facility, let enterprise, let confirmation):
      sink = try SyslogSink(
        settings, facility: facility, enterprise: enterprise, confirmation: confirmation)
    case .json(let folder): sink = try LineFileSink(folder, clock: clock)
    }
    try Directory.make(
      opened.layout.sinks, below: opened.layout.root, on: LinuxFileSystem())
    try await opened.vault.announceSink("\(name): \(destination)")
    return Forwarder(
      Forwarder.Configuration(name: name, ageLimit: ageLimit), log: opened.log, sink: sink,
      positions: try SinkPositionFile(positionFile(opened.layout)), clock: clock)
  }
}
