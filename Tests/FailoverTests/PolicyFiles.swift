import Cryptography
import Encoding
import Failover
import Foundation
import Testing
import YAML

/// The shipped policy and changes of it.
enum PolicyFiles {
  /// `Policies/routing.yaml`, of the repository that holds this file.
  private static let shipped = Result {
    let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .deletingLastPathComponent()
    return try String(contentsOf: root.appending(path: "Policies/routing.yaml"), encoding: .utf8)
  }

  /// A zone of the machine's database.
  static func zone(_ name: String) -> [UInt8]? {
    guard name.utf8.allSatisfy({ $0 > 0x20 && $0 != 0x2e }) else { return nil }
    return (try? Data(contentsOf: URL(filePath: "/usr/share/zoneinfo/" + name))).map { [UInt8]($0) }
  }

  /// What a text says; nil: the shipped policy's.
  static func policy(_ text: String? = nil) throws -> RoutingPolicy {
    try RoutingPolicy(
      parsing: Array((text ?? shipped.get()).utf8), file: "routing.yaml", zoneFile: zone)
  }

  /// The shipped policy with one text replaced by another.
  static func changed(_ from: String, _ to: String) throws -> String {
    let shipped = try shipped.get()
    try #require(shipped.contains(from), "the shipped policy has no \(from)")
    return shipped.replacing(from, with: to)
  }
}

extension String {
  fileprivate func replacing(_ from: String, with to: String) -> String {
    guard let range = firstRange(of: from) else { return self }
    return String(self[..<range.lowerBound]) + to + String(self[range.upperBound...])
  }
}
