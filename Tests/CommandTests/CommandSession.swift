import Foundation
import Testing

/// The built program, its vault and its service, in a folder of their own.
final class CommandSession {
  let folder: URL
  var data: String { folder.appending(path: "data").path }
  var keys: String { folder.appending(path: "keys").path }
  private var service: Process?

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
    if let service, service.isRunning {
      service.terminate()
      service.waitUntilExit()
    }
    try? FileManager.default.removeItem(at: folder)
  }

  /// The program that the tests were built with.
  static var program: URL {
    URL(filePath: CommandLine.arguments[0]).deletingLastPathComponent().appending(
      path: "callvault")
  }

  private func process(_ words: [String], token: String?) -> Process {
    let process = Process()
    process.executableURL = Self.program
    process.arguments = words
    var environment = ProcessInfo.processInfo.environment
    environment["CALLVAULT_DATA"] = data
    environment["CALLVAULT_TOKEN"] = token
    process.environment = environment
    process.standardInput = FileHandle.nullDevice
    return process
  }

  func run(_ words: String..., token: String? = nil) throws -> Answer {
    try run(words, token: token)
  }

  func run(_ words: [String], token: String?) throws -> Answer {
    let process = process(words, token: token)
    // Files, not pipes: nothing here waits for a reader.
    let names = ["output", "errors"].map { folder.appending(path: "\($0)-\(UUID().uuidString)") }
    for name in names { try Data().write(to: name) }
    process.standardOutput = try FileHandle(forWritingTo: names[0])
    process.standardError = try FileHandle(forWritingTo: names[1])
    try process.run()
    process.waitUntilExit()
    let texts = try names.map { String(decoding: try Data(contentsOf: $0), as: UTF8.self) }
    for name in names { try FileManager.default.removeItem(at: name) }
    return Answer(code: process.terminationStatus, output: texts[0], errors: texts[1])
  }

  /// Runs a command with --json that must succeed.
  func json(_ words: String..., token: String? = nil) throws -> Answer {
    let answer = try run(words + ["--json"], token: token)
    #expect(answer.code == 0, "\(words): \(answer.output)\(answer.errors)")
    return answer
  }

  /// Starts the service on a free port and waits until it answers.
  func serve() throws {
    let process = process(["serve", "--listen", "127.0.0.1:0", "--keys", keys], token: nil)
    let output = folder.appending(path: "serve-output")
    try Data().write(to: output)
    process.standardOutput = try FileHandle(forWritingTo: output)
    process.standardError = FileHandle.nullDevice
    try process.run()
    service = process
    for _ in 0..<400 {
      if try Data(contentsOf: output).contains(UInt8(ascii: "\n")) { return }
      guard process.isRunning else { break }
      usleep(25_000)
    }
    Issue.record("the service did not start")
  }

  /// Asks the service to stop; its exit code.
  func stop() throws -> Int32 {
    let process = try #require(service)
    process.terminate()
    process.waitUntilExit()
    service = nil
    return process.terminationStatus
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
