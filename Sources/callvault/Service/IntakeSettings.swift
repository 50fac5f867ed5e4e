import Encoding
import Host
import Intake
import Vault
import YAML

/// One folder under `intake` in `callvault.yaml`, as `Documentation/formats/intake.md` section 1 has it.
struct IntakeSettings: Sendable {
  var path: String
  var source: String
  var location: String?
  /// An IANA zone: what times in file names follow.
  var timeZone: String
  var settle: Duration
  var isRecursive: Bool
  var quarantine: String
  var sidecar: IntakeRules.SidecarUse
  /// The rules of ``timeZone``, read when the settings were.
  var zone: TimeZoneRules

  /// Reads the value of `intake`.
  ///
  /// - Parameters:
  ///   - node: a mapping with the one key `folders`.
  ///   - zones: those of the locations, by name.
  ///   - text: fills variables in.
  /// - Returns: the folders in their order.
  /// - Throws: `YAMLError` with file, line and column.
  static func folders(
    _ node: YAMLNode, zones: [String: String],
    text: (YAMLNode) throws(YAMLError) -> String
  ) throws(YAMLError) -> [IntakeSettings] {
    var folders: [IntakeSettings] = []
    let list = try node.mapping(of: ["folders"]).required("folders")
    for entry in try list.sequence() {
      let folder = try IntakeSettings(entry, zones: zones, text: text)
      // Two that look at one file would take it from each other.
      guard !folders.contains(where: { folder.overlaps($0) }) else {
        throw YAMLError(
          .wrongType, at: entry.position, "this folder and one above lie within each other")
      }
      guard folders.count < 64 else {
        throw YAMLError(.wrongType, at: entry.position, "there are more than 64 folders")
      }
      folders.append(folder)
    }
    return folders
  }

  private init(
    _ node: YAMLNode, zones: [String: String],
    text: (YAMLNode) throws(YAMLError) -> String
  ) throws(YAMLError) {
    let fields = try node.mapping(of: [
      "path", "source", "location", "time_zone", "settle", "recursive", "quarantine", "sidecar",
    ])
    path = try Self.path(try fields.required("path"), text)
    let sourceNode = try fields.required("source")
    source = try sourceNode.string()
    guard (1...NewCall.Limits.source).contains(source.utf8.count), Scope("source=\(source)") != nil
    else {
      throw YAMLError(
        .wrongType, at: sourceNode.position,
        "a name of 1 to \(NewCall.Limits.source) bytes is expected here")
    }
    location = try fields["location"]?.string()
    if let location, zones[location] == nil, let node = fields["location"] {
      throw YAMLError(.wrongType, at: node.position, "`locations` above has no such name")
    }
    guard let zoneNode = fields["time_zone"] ?? fields["location"] else {
      throw YAMLError(
        .missingKey, at: fields.position,
        "the key 'location' or 'time_zone' is missing here: times in file names have no zone")
    }
    timeZone = try fields["time_zone"]?.string() ?? location.flatMap { zones[$0] } ?? ""
    guard let zone = TimeZoneDatabase.file(of: timeZone).flatMap({ TimeZoneRules(parsing: $0) })
    else {
      throw YAMLError(
        .wrongType, at: zoneNode.position,
        "its time zone is none that this machine knows, such as America/Detroit (Debian: tzdata)")
    }
    self.zone = zone
    settle = .seconds(10)
    if let node = fields["settle"] {
      let text = try node.string()
      guard let seconds = text == "0s" ? 0 : DurationText.seconds(text), seconds <= 3600 else {
        throw YAMLError(
          .wrongType, at: node.position, "a time of at most an hour is expected here, such as 10s")
      }
      settle = .seconds(seconds)
    }
    isRecursive = try fields["recursive"]?.boolean() ?? false
    quarantine = path + "/.quarantine"
    if let node = fields["quarantine"] {
      quarantine = try Self.path(node, text)
      // Below the folder it would be listed, unless a name with a dot hides it.
      guard
        !quarantine.hasPrefix(path + "/")
          || quarantine.dropFirst(path.utf8.count).contains("/.")
      else {
        throw YAMLError(
          .wrongType, at: node.position,
          "a quarantine within the folder needs a name that begins with a dot")
      }
    }
    sidecar = .optional
    if let node = fields["sidecar"] {
      guard let use = IntakeRules.SidecarUse(rawValue: try node.string()) else {
        throw YAMLError(
          .wrongType, at: node.position, "one of none, optional, required is expected here")
      }
      sidecar = use
    }
  }

  /// An absolute path with one spelling.
  private static func path(
    _ node: YAMLNode, _ text: (YAMLNode) throws(YAMLError) -> String
  ) throws(YAMLError) -> String {
    let path = try text(node)
    let names = path.split(separator: "/", omittingEmptySubsequences: false).dropFirst()
    guard path.hasPrefix("/"), path.utf8.count <= 1024, !path.utf8.contains(0),
      names.allSatisfy({ !$0.isEmpty && $0 != "." && $0 != ".." })
    else {
      throw YAMLError(
        .wrongType, at: node.position,
        "a path from / on is expected here, without '.', '..' or a slash at its end")
    }
    return path
  }

  private func overlaps(_ other: IntakeSettings) -> Bool {
    path == other.path || isRecursive && other.path.hasPrefix(path + "/")
      || other.isRecursive && path.hasPrefix(other.path + "/")
  }

  func configuration(recordingLimit: Int64) -> Intake.Configuration {
    Intake.Configuration(
      source: source, location: location,
      rules: IntakeRules(settle: settle, sidecar: sidecar, recordingLimit: recordingLimit),
      zone: zone)
  }
}
