import ChildProcess
import Foundation
import Testing
import Threading

@testable import HTTP

/// What many clients at once do; each test in a process of its own, whose descriptors it owns.
@Suite(.timeLimit(.minutes(30))) struct CrowdTests {
  private static let hello = "GET /hello HTTP/1.1\r\nHost: vault\r\nConnection: close\r\n\r\n"

  /// Connects without saying anything; the kernel does that before the server accepts.
  private static func idleConnection(to port: UInt16) -> Int32? {
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = port.bigEndian
    unsafe inet_pton(AF_INET, "127.0.0.1", &address.sin_addr)
    let socket = Glibc.socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    guard socket >= 0 else { return nil }
    let result = unsafe withUnsafePointer(to: address) {
      unsafe $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        unsafe connect(socket, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
      }
    }
    if result == 0 { return socket }
    close(socket)
    return nil
  }

  @Test func aThousandIdleClientsHinderNobody() async {
    await #expect(processExitsWith: .success) {
      var limits = ServerLimits()
      limits.connectionsPerAddress = 2_000
      try await TestSite.serve(limits: limits) { site in
        var idle: [Int32] = []
        for port in [site.port, site.securePort] {
          for _ in 0..<500 {
            guard let socket = CrowdTests.idleConnection(to: port) else { exit(1) }
            idle.append(socket)
          }
        }
        for _ in 0..<10 {
          guard try await site.exchange(CrowdTests.hello).hasSuffix("hello") else { exit(2) }
        }
        for socket in idle { close(socket) }
        guard try await site.exchange(CrowdTests.hello).hasSuffix("hello") else { exit(3) }
      }
      exit(0)
    }
  }

  /// Clients of another process take all that they can get.
  private static let crowd = """
    import socket, sys
    sys.stdin.readline()
    held = [socket.create_connection(("127.0.0.1", int(sys.argv[1]))) for _ in range(150)]
    print("held", flush=True)
    sys.stdin.readline()
    """

  @Test func runningOutOfDescriptorsPasses() async {
    await #expect(processExitsWith: .success) {
      let isOut = Gate()
      try await TestSite.serve(report: { if case .cannotAccept = $0 { isOut.open() } }) { site in
        let last = try await site.connect()
        let clients = try ChildProcess(
          "/usr/bin/python3", ["-c", CrowdTests.crowd, String(site.port)], input: .written)
        // What the runtime opens at its first sleep it must have before there are few left.
        try await Task.sleep(for: .milliseconds(1))
        var few = rlimit(rlim_cur: 64, rlim_max: 64)
        guard unsafe setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &few) == 0 else {
          exit(1)
        }
        try clients.say("go\n")
        await isOut.wait()
        // Those who are served are served on.
        try await last.send(CrowdTests.hello)
        guard try await last.receiveToEnd().hasSuffix("hello") else { exit(2) }
        clients.closeInput()
        _ = clients.wait()
        while true {
          // The places come back as the server sees that they went.
          if let answer = try? await site.exchange(CrowdTests.hello), answer.hasSuffix("hello") {
            break
          }
        }
      }
      exit(0)
    }
  }
}
