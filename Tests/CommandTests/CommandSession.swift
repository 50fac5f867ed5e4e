import ChildProcess
import Foundation
import Testing

/// The built program, its vault and its service, in a folder of their own.
final class CommandSession {
  let folder: URL
  var data: String { folder.appending(path: "data").path }
  var keys: String { folder.appending(path: "keys").path }
  private var service: ChildProcess?

  /// What one command came to.
  struct Answer {
    let code: Int32
    let output: String
    let errors: String

    /// The JSON document on standard output.
    func document() throws -> [String: Any] {
      let value = try JSONSerialization.jsonObject(with: Data(output.utf8))
      return try #require(value as? [String: Any], "no document: \(output)\(errors)")
    }

    func text(_ name: String) throws -> String {
      try #require(try document()[name] as? String, "no \(name): \(output)\(errors)")
    }
  }

  init() throws {
    folder = FileManager.default.temporaryDirectory.appending(
      path: "callvault-commands-\(UUID().uuidString.prefix(8))")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
  }

  deinit {
    if let service {
      service.signal(SIGTERM)
      _ = service.wait()
    }
    try? FileManager.default.removeItem(at: folder)
  }

  /// The program that the tests were built with.
  static var program: URL {
    URL(filePath: CommandLine.arguments[0]).deletingLastPathComponent().appending(
      path: "callvault")
  }

  private func process(_ words: [String], token: String?) throws -> ChildProcess {
    try ChildProcess(
      Self.program.path, words, environment: ["CALLVAULT_DATA": data, "CALLVAULT_TOKEN": token])
  }

  func run(_ words: String..., token: String? = nil) throws -> Answer {
    try run(words, token: token)
  }

  func run(_ words: [String], token: String?) throws -> Answer {
    let outcome = try process(words, token: token).wait()
    return Answer(code: outcome.status, output: outcome.output, errors: outcome.errors)
  }

  /// Runs a command with --json that must succeed.
  func json(_ words: String..., token: String? = nil) throws -> Answer {
    let answer = try run(words + ["--json"], token: token)
    #expect(answer.code == 0, "\(words): \(answer.output)\(answer.errors)")
    return answer
  }

  /// Starts the service on a free port and waits until it answers.
  func serve() throws {
    let service = try process(["serve", "--listen", "127.0.0.1:0", "--keys", keys], token: nil)
    self.service = service
    try #require(service.hasWrittenLine(), "the service did not start: \(service.errorText)")
  }

  /// Asks the service to stop; its exit code.
  func stop() throws -> Int32 {
    let service = try #require(service)
    service.signal(SIGTERM)
    self.service = nil
    return service.wait().status
  }

  func token(_ role: String, _ scopes: String...) throws -> String {
    var words = ["token", "create", "--name", "test \(role)", "--role", role, "--json"]
    for scope in scopes { words += ["--scope", scope] }
    return try run(words, token: nil).text("token")
  }

  /// A file in the folder.
  func file(_ name: String, _ bytes: [UInt8]) throws -> String {
    let url = folder.appending(path: name)
    try Data(bytes).write(to: url)
    return url.path
  }
}
