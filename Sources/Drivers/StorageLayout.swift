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
  public var tls: String { root + "/tls" }
  /// Up to where each sink has the log's entries.
  public var sinks: String { root + "/sinks" }
  public var policies: String { root + "/policies" }
  public var socket: String { root + "/run/callvault.sock" }
}
