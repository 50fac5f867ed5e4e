import Cryptography
import Durable
import Encoding
import Failover
import HTTPClient
import YAML

/// What the settings of several vendors have in common: section 2 of
/// `Documentation/formats/failover-actuators.md`.
enum VendorSettings {
  /// Bytes of a secret in a file, without the line's end.
  static let secretLimit = 512

  /// A secret from the first line of a file.
  ///
  /// - Throws: `YAMLError` where the file cannot be read, or holds no secret of printable ASCII.
  static func secret(_ node: YAMLNode) throws(YAMLError) -> SharedSecret {
    let path = try node.string()
    var bytes: [UInt8]
    do {
      bytes = try AtomicFile.read(path, limit: secretLimit + 2, on: LinuxFileSystem())
    } catch {
      throw YAMLError(.wrongType, at: node.position, "the file of a secret cannot be read")
    }
    while let last = bytes.last, last == 0x0A || last == 0x0D { bytes.removeLast() }
    guard (1...secretLimit).contains(bytes.count), bytes.allSatisfy({ (0x20...0x7E).contains($0) })
    else {
      throw YAMLError(
        .wrongType, at: node.position,
        "the file of a secret has one line of 1 to \(secretLimit) printable characters")
    }
    do {
      return SharedSecret(try SecretBytes(moving: &bytes))
    } catch {
      throw YAMLError(.wrongType, at: node.position, "there is no locked memory for a secret")
    }
  }

  /// An origin, and the authorities in `ca` beside it; the operating system's where there is none.
  static func endpoint(
    _ origin: YAMLNode, ca: YAMLNode?
  ) throws(YAMLError) -> (endpoint: Endpoint, origin: String) {
    let text = try origin.string()
    var trust = Endpoint.Trust.system
    if let ca { trust = .file(try ca.string()) }
    let endpoint = Endpoint.server(origin: text, trust: trust)
    do {
      try HTTPClient.check(endpoint)
    } catch {
      throw YAMLError(
        .wrongType, at: origin.position,
        "an origin such as https://pbx.example.org:5001 is expected here; http for this machine only"
      )
    }
    return (endpoint, text)
  }

  /// A path of an origin: from a slash on, printable, without a query.
  static func path(_ node: YAMLNode) throws(YAMLError) -> String {
    let path = try node.string()
    guard path.hasPrefix("/"), path.utf8.count <= 256,
      path.utf8.allSatisfy({ (0x21...0x7E).contains($0) && $0 != 0x23 && $0 != 0x3F })
    else {
      throw YAMLError(.wrongType, at: node.position, "a path such as /health is expected here")
    }
    return path
  }

  /// An address that a vendor is told to fetch from: https, printable, at most 512 bytes.
  static func url(_ node: YAMLNode) throws(YAMLError) -> String {
    let url = try node.string()
    guard url.hasPrefix("https://"), (9...512).contains(url.utf8.count),
      url.utf8.allSatisfy({
        (0x21...0x7E).contains($0) && $0 != 0x22 && $0 != 0x3C && $0 != 0x3E && $0 != 0x5C
      })
    else {
      throw YAMLError(.wrongType, at: node.position, "an https address is expected here")
    }
    return url
  }

  /// Whole milliseconds, or the default.
  static func milliseconds(
    _ node: YAMLNode?, in range: ClosedRange<Int64>, otherwise: Int64
  ) throws(YAMLError) -> Int64 {
    guard let node else { return otherwise }
    return try node.integer(in: range)
  }

  static func refuse(_ node: YAMLNode, _ detail: String) -> YAMLError {
    YAMLError(.wrongType, at: node.position, detail)
  }
}

/// What each route wants, keyed `ROUTE` or, where people are to answer instead of the AI engine, `ROUTE/people`.
struct RouteChoice<Value: Sendable>: Sendable {
  private let values: [String: Value]

  /// Values by keys that are known to be in order.
  init(_ values: [String: Value]) { self.values = values }

  init(
    _ node: YAMLNode, _ value: (YAMLNode) throws(YAMLError) -> Value
  ) throws(YAMLError) {
    var values: [String: Value] = [:]
    for entry in try node.entries() {
      let parts = entry.key.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
      guard RouteID(String(parts[0])) != nil, parts.count == 1 || parts[1] == "people" else {
        throw YAMLError(
          .wrongType, at: entry.position, "a route's name, or ROUTE/people, is expected here")
      }
      values[entry.key] = try value(entry.value)
    }
    self.values = values
  }

  /// The same for a key that may be left out.
  init(
    optional node: YAMLNode?, _ value: (YAMLNode) throws(YAMLError) -> Value
  ) throws(YAMLError) {
    guard let node else {
      self.init([:])
      return
    }
    try self.init(node, value)
  }

  /// In no particular order.
  var all: [Value] { Array(values.values) }

  /// Nil: the route is nothing to this actuator.
  func value(for plan: RoutePlan) -> Value? {
    value(for: plan.route.id, usesAI: plan.usesAI)
  }

  func value(for route: RouteID, usesAI: Bool) -> Value? {
    (usesAI ? nil : values["\(route)/people"]) ?? values["\(route)"]
  }
}
