import Cryptography
import Encoding
import Failover
import Testing
import YAML

/// The shipped policy and changes of it.
enum PolicyFiles {
  /// `Policies/routing.yaml`, of the repository that holds this file.
  static let shipped: String = {
    let root = #filePath.split(separator: "/").dropLast(3).joined(separator: "/")
    return (try? text("/" + root + "/Policies/routing.yaml")) ?? ""
  }()

  /// A zone of the machine's database.
  static func zone(_ name: String) -> [UInt8]? {
    guard name.utf8.allSatisfy({ $0 > 0x20 && $0 != 0x2e }) else { return nil }
    return try? bytes("/usr/share/zoneinfo/" + name)
  }

  static func policy(_ text: String = shipped) throws(YAMLError) -> RoutingPolicy {
    try RoutingPolicy(
      parsing: Array(text.utf8), file: "routing.yaml", zoneFile: zone)
  }

  /// The shipped policy with one text replaced by another.
  static func changed(_ from: String, _ to: String) throws -> String {
    try #require(shipped.contains(from), "the shipped policy has no \(from)")
    return shipped.replacing(from, with: to)
  }

  private static func text(_ path: String) throws -> String {
    String(decoding: try bytes(path), as: UTF8.self)
  }

  private static func bytes(_ path: String) throws -> [UInt8] {
    try FileReader.read(path)
  }
}

extension String {
  fileprivate func replacing(_ from: String, with to: String) -> String {
    guard let range = firstRange(of: from) else { return self }
    return String(self[..<range.lowerBound]) + to + String(self[range.upperBound...])
  }
}
