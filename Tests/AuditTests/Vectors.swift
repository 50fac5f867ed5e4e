import Foundation
import Testing

/// The transparency-log vectors: in `$CALLVAULT_VECTORS/tlog`, else in this repository.
enum Vectors {
  static let folder: URL = {
    let environment = ProcessInfo.processInfo.environment
    let root =
      environment["CALLVAULT_VECTORS"].map { URL(fileURLWithPath: $0, isDirectory: true) }
      ?? URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .appendingPathComponent("Vectors")
    return root.appendingPathComponent("tlog")
  }()

  /// Decodes one file; keys are snake case in the files and camel case here.
  static func load<Value: Decodable>(_ type: Value.Type, from file: String) throws -> Value {
    let decoder = JSONDecoder()
    decoder.keyDecodingStrategy = .convertFromSnakeCase
    return try decoder.decode(
      type, from: try Data(contentsOf: folder.appendingPathComponent(file)))
  }
}

/// What a vector says a verifier must do.
enum Expectation: String, Decodable {
  case accept, reject, either

  /// Fails the test if `accepted` is not what is expected.
  func check(_ accepted: Bool, _ name: String, sourceLocation: SourceLocation = #_sourceLocation) {
    guard self != .either else { return }
    #expect(accepted == (self == .accept), "\(name)", sourceLocation: sourceLocation)
  }
}

/// Whether `body` returns instead of throwing.
func succeeds(_ body: () throws -> Void) -> Bool {
  do {
    try body()
    return true
  } catch {
    return false
  }
}

struct Mismatch: Error {}

/// Returns what a test is sure to have.
func demand<Value>(_ value: Value?) throws -> Value {
  guard let value else { throw Mismatch() }
  return value
}

/// Makes a false statement an error, so that a vector's claim can be part of what is accepted.
func demand(_ condition: Bool) throws {
  if !condition { throw Mismatch() }
}
