/// Where each thing lies below the data directory.
///
/// Specified in `Documentation/Operations.md`; commands that open files themselves (`init`,
/// `doctor`, `audit verify`) and the service must agree on it.
public struct StorageLayout: Sendable {
  /// The data directory, without a trailing slash.
  public let root: String

  public init(root: String) {
    self.root = root
  }

  public var configuration: String { root + "/callvault.yaml" }
  public var catalog: String { root + "/catalog.sqlite" }
  public var objects: String { root + "/objects" }
  public var journal: String { root + "/journal" }
  public var log: String { root + "/log" }
  public var anchors: String { root + "/anchors" }
  public var openings: String { root + "/openings" }
  public var keys: String { root + "/keys" }
  /// Live epoch keys of the log, which nothing copies.
  public var epochKeys: String { keys + "/epochs" }
  /// The verifier key of the log's root.
  public var logRoot: String { keys + "/log-root" }
  /// What the log's root signed away from here.
  public var certified: String { keys + "/certified" }
  /// The log of attempts to unseal, laid out as here: `Documentation/formats/audit-log.md`, 9a.
  public var unsealing: StorageLayout { StorageLayout(root: root + "/unsealing") }
  static let logNameFile = "log-name"
  /// The log's name since a recovery.
  public var logName: String { root + "/" + Self.logNameFile }
  /// Where a recovery makes a new log, laid out as here.
  public var recovery: StorageLayout { StorageLayout(root: root + "/recovery") }
  /// What is left of the earlier log of that number, laid out as here.
  public func earlier(_ number: Int64) -> StorageLayout {
    StorageLayout(root: root + "/earlier/\(number)")
  }
  /// Of an earlier log, the head that an anchor held.
  public var anchored: String { root + "/anchored" }
  /// That a ceremony is not at its end: `Documentation/formats/shares.md`, 5.
  public var ceremony: String { root + "/ceremony" }
  public var tls: String { root + "/tls" }
  /// Up to where each sink has the log's entries.
  public var sinks: String { root + "/sinks" }
  public var policies: String { root + "/policies" }
  /// The backup that this directory was restored from, until a start has put it on record.
  public var restored: String { root + "/restored" }
  /// The lists of purge plans.
  public var plans: String { root + "/plans" }
  /// Certificates of drills.
  public var drills: String { root + "/drills" }
  public var socket: String { root + "/run/callvault.sock" }
}
