import ChildProcess
import Foundation
import Threading

@testable import HTTP

/// Lets one side wait until the other has come to a point.
final class Gate: Sendable {
  private struct State {
    var isOpen = false
    var waiters: [CheckedContinuation<Void, Never>] = []
  }

  private let state = Lock(State())

  func open() {
    let waiters = state.withLock { state in
      state.isOpen = true
      defer { state.waiters = [] }
      return state.waiters
    }
    for waiter in waiters { waiter.resume() }
  }

  func wait() async {
    await withCheckedContinuation { continuation in
      let isOpen = state.withLock { state in
        if !state.isOpen { state.waiters.append(continuation) }
        return state.isOpen
      }
      if isOpen { continuation.resume() }
    }
  }
}

/// Answers in every way that the tests need.
struct TestHandler: Handler {
  struct Fault: Error {}

  let arrived = Gate()
  let release = Gate()
  let cancelled = Gate()

  func handle(_ request: Request, body: RequestBody, response: ResponseWriter) async throws {
    switch request.path.first {
    case "hello":
      try await response.send(200, headers: ["X-Test": "1"], body: Array("hello".utf8))
    case "echo":
      try await response.start(200, length: nil)
      while let piece = try await body.next() { try await response.write(piece) }
      try await response.finish()
    case "count":
      var count = 0
      while let piece = try await body.next() { count += piece.count }
      try await response.send(200, body: Array("counted \(count).".utf8))
    case "ignore":
      try await response.send(200, body: Array("ignored.".utf8))
    case "small":
      _ = try await body.collect(upTo: 10)
      try await response.send(200, body: Array("small.".utf8))
    case "keep":
      // As a route that reads JSON does; then it answers, or fails, or never ends.
      let whole = try await body.collect(upTo: 1_000_000)
      switch request.path.last {
      case "throw": throw Fault()
      case "sleep":
        arrived.open()
        try await Task.sleep(for: .seconds(3600))
      default: try await response.send(200, body: Array("kept \(whole.count).".utf8))
      }
    case "bytes":
      let count = Int(request.path.last ?? "") ?? 0
      try await response.start(200, length: Int64(count))
      var left = count
      while left > 0 {
        let piece = min(left, 65_536)
        try await response.write([UInt8](repeating: 0x78, count: piece))
        left -= piece
      }
      try await response.finish()
    case "wait":
      arrived.open()
      await release.wait()
      try await response.send(200, body: Array("waited.".utf8))
    case "stream":
      // Writes for ever, until the client is gone.
      try await response.start(200, length: nil)
      arrived.open()
      do {
        while true { try await response.write([UInt8](repeating: 0x78, count: 65_536)) }
      } catch {
        cancelled.open()
        throw error
      }
    case "drip":
      // Never silent for long, and never done.
      try await response.start(200, length: nil)
      while true {
        try await response.write([0x78])
        try await Task.sleep(for: .milliseconds(50))
      }
    case "sleep":
      arrived.open()
      try await withTaskCancellationHandler {
        await cancelled.wait()
        try Task.checkCancellation()
      } onCancel: {
        cancelled.open()
      }
    case "throw": throw Fault()
    case "silent": return
    case "short":
      try await response.start(200, length: 10)
      try await response.write(Array("short".utf8))
      try await response.finish()
    case "long":
      try await response.start(200, length: 3)
      try await response.write(Array("long".utf8))
    case "torn":
      try await response.start(200, length: nil)
      try await response.write(Array("torn".utf8))
      throw Fault()
    case "split":
      try await response.send(200, headers: ["X": request.queryValues("v").first ?? "a\r\nB: c"])
    case "peer":
      try await response.send(200, body: Array("\(request.peer)".utf8))
    default:
      try await response.send(404)
    }
  }
}

/// A server on a free port, in clear, under TLS and on a unix socket, for the time of a test.
struct TestSite {
  static let folder: String = {
    let folder = NSTemporaryDirectory() + "http-tests-\(UUID().uuidString.prefix(8))"
    do {
      try FileManager.default.createDirectory(
        atPath: folder, withIntermediateDirectories: true,
        attributes: [.posixPermissions: 0o700])
      let made = try SelfSignedCertificate.make(hosts: ["localhost", "127.0.0.1", "::1"])
      try Data(made.certificate).write(to: URL(fileURLWithPath: folder + "/certificate.pem"))
      try Data(made.key).write(to: URL(fileURLWithPath: folder + "/key.pem"))
    } catch {
      preconditionFailure("\(error)")
    }
    return folder
  }()

  static let certificate = folder + "/certificate.pem"
  static let key = folder + "/key.pem"

  let handler: TestHandler
  let server: Server
  let port: UInt16
  let securePort: UInt16
  let socketPath: String

  /// Runs `body` against a server, then stops the server and waits until it has.
  static func serve(
    limits: ServerLimits = ServerLimits(), clientCA: String? = nil, tls: TLSContext? = nil,
    report: @escaping @Sendable (ServerConfiguration.Event) -> Void = { _ in },
    _ body: @Sendable (TestSite) async throws -> Void
  ) async throws {
    let site = try TestSite(limits: limits, clientCA: clientCA, tls: tls, report: report)
    try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask { try await site.server.run() }
      do {
        try await body(site)
      } catch {
        group.cancelAll()
        throw error
      }
      group.cancelAll()
      try await group.waitForAll()
    }
  }

  init(
    limits: ServerLimits = ServerLimits(), clientCA: String? = nil, tls given: TLSContext? = nil,
    report: @escaping @Sendable (ServerConfiguration.Event) -> Void = { _ in }
  ) throws {
    let tls =
      try given
      ?? TLSContext(certificateFile: Self.certificate, keyFile: Self.key, clientCA: clientCA)
    socketPath = Self.folder + "/\(UUID().uuidString.prefix(8)).sock"
    let configuration = ServerConfiguration(
      listeners: [
        .tcp(address: "127.0.0.1", port: 0, tls: nil),
        .tcp(address: "127.0.0.1", port: 0, tls: tls),
        .unix(path: socketPath, mode: 0o600),
      ], hosts: ["127.0.0.1", "localhost", "vault", "::1"], limits: limits, report: report)
    handler = TestHandler()
    server = try Server(configuration, handler: handler)
    let ports = server.addresses.map { address -> UInt16 in
      if case .tcp(_, let port) = address { port } else { 0 }
    }
    port = ports[0]
    securePort = ports[1]
  }

  func connect() async throws -> WireClient {
    let client = try WireClient()
    try await client.connect(port: port)
    return client
  }

  /// Sends one text on a new connection and returns all that comes until the server closes.
  func exchange(_ text: String) async throws -> String {
    let client = try await connect()
    try await client.send(text)
    return try await client.receiveToEnd()
  }
}

/// Runs a program and returns what it printed, with its exit status.
func run(
  _ program: String, _ arguments: [String], input: String? = nil
) async throws -> (status: Int32, output: String) {
  let outcome = try await ChildProcess(
    program, arguments, input: input.map { .text($0) } ?? .nothing
  )
  .ended()
  return (outcome.status, outcome.output + outcome.errors)
}
