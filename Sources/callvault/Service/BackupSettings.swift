import YAML

/// Where backups go, and how old the last may be: `backup` in `callvault.yaml`.
struct BackupSettings: Sendable, Equatable {
  /// Also where damaged objects are fetched from; nil: none is configured.
  var folder: String?
  /// A backup that is older is an alarm.
  var limit: Duration = .seconds(48 * 3600)
  /// All objects are looked at within so many days; nil: never by itself.
  var scrubDays: Int64? = 30

  init() {}

  /// - Throws: `YAMLError` with file, line and column.
  init(_ node: YAMLNode, text: (YAMLNode) throws(YAMLError) -> String) throws(YAMLError) {
    let mapping = try node.mapping(of: ["folder", "limit", "scrub_days"])
    if let node = mapping["folder"], !node.isNull {
      let folder = try text(node)
      guard folder.hasPrefix("/") else {
        throw YAMLError(.wrongType, at: node.position, "a path from / on is expected here")
      }
      self.folder = folder
    }
    if let node = mapping["limit"], !node.isNull {
      guard let seconds = DurationText.seconds(try node.string()) else {
        throw YAMLError(.wrongType, at: node.position, "a time such as 48h is expected here")
      }
      limit = .seconds(seconds)
    }
    if let node = mapping["scrub_days"] {
      let days = node.isNull ? 0 : try node.integer(in: 0...366)
      scrubDays = days == 0 ? nil : days
    }
  }
}
