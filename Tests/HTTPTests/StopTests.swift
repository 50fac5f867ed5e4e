import Foundation
import Testing

@testable import HTTP

@Suite(.timeLimit(.minutes(30))) struct StopTests {
  private static let wait = "GET /wait HTTP/1.1\r\nHost: vault\r\n\r\n"

  @Test func stoppingLetsARunningRequestFinish() async throws {
    let site = try TestSite()
    let running = Task { try await site.server.run() }
    let idle = try await site.connect()
    try await idle.send("GET /hello HTTP/1.1\r\nHost: vault\r\n\r\n")
    try await idle.receive(until: "hello")
    let busy = try await site.connect()
    try await busy.send(Self.wait)
    await site.handler.arrived.wait()
    running.cancel()
    // The idle connection ends while the other is still being answered.
    _ = try await idle.receiveToEnd()
    await #expect(throws: WireClient.Failure.self) { _ = try await site.connect() }
    site.handler.release.open()
    #expect(try await busy.receiveToEnd().hasSuffix("waited."))
    try await running.value
  }

  @Test func stoppingDoesNotWaitForEver() async throws {
    var limits = ServerLimits()
    limits.stopGrace = .milliseconds(50)
    let site = try TestSite(limits: limits)
    let running = Task { try await site.server.run() }
    let busy = try await site.connect()
    try await busy.send("GET /sleep HTTP/1.1\r\nHost: vault\r\n\r\n")
    await site.handler.arrived.wait()
    running.cancel()
    #expect(try await busy.receiveToEnd() == "")
    try await running.value
  }

  @Test func aServerThatIsCancelledBeforeItRunsStops() async throws {
    let site = try TestSite()
    let running = Task {
      unsafe withUnsafeCurrentTask { unsafe $0?.cancel() }
      try await site.server.run()
    }
    try await running.value
  }

  /// In a process of its own, where nothing else opens files.
  @Test func everyDescriptorIsGivenBack() async {
    await #expect(processExitsWith: .success) {
      func descriptors() throws -> Int {
        try FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd").count
      }
      func round() async throws {
        try await TestSite.serve { site in
          for text in [
            "GET /hello HTTP/1.1\r\nHost: vault\r\nConnection: close\r\n\r\n", "", "GET",
            "GET / HTTP/1.1\n", "GET /torn HTTP/1.1\r\nHost: vault\r\n\r\n",
            "POST /count HTTP/1.1\r\nHost: vault\r\nContent-Length: 100\r\n\r\nabc",
          ] {
            for port in [site.port, site.securePort] {
              let client = try WireClient()
              try await client.connect(port: port)
              try await client.send(text)
              await client.finishSending()
              _ = try await client.receiveToEnd()
              let gone = try WireClient()
              try await gone.connect(port: port)
              try await gone.send(text)
              await gone.vanish()
            }
          }
        }
      }
      try await round()  // The runtime opens some of its own the first time.
      let before = try descriptors()
      for _ in 0..<3 { try await round() }
      let after = try descriptors()
      guard before == after else { exit(1) }
      exit(0)
    }
  }
}
