import ChildProcess
import Foundation
import Testing

@testable import AudioProbe

@Suite("Lockdown of the probe's child")
struct LockdownTests {
  /// The signal that the kernel ends a process with when its filter says no.
  static let badSystemCall: Int32 = SIGSYS

  @Test(
    "What a decoder has no business with ends the process",
    arguments: [
      "open-file", "open-socket", "start-program", "read-other-descriptor", "make-code",
      "signal-parent",
    ])
  func forbidden(_ attempt: String) throws {
    let outcome = try ChildProcess.run(childProgram, [attempt])
    #expect(outcome.ending == .signal(Self.badSystemCall))
  }

  @Test("Memory is bounded, and no file is found", arguments: ["take-memory", "read-file"])
  func refused(_ attempt: String) throws {
    #expect(try ChildProcess.run(childProgram, [attempt]).ending == .exit(42))
  }

  @Test("The kernel says the child is filtered, and it holds one descriptor and no environment")
  func status() throws {
    let child = try ProbeProcess.start(
      executable: childProgram, arguments: [AudioProbeChild.argument])
    let folder = "/proc/\(child.processID)"
    // The child waits for its order once it is locked; until then there is no filter to see.
    var fields: [String: String] = [:]
    for _ in 0..<6000 where fields["Seccomp"] != "2" {
      usleep(10_000)
      let text = try String(contentsOfFile: folder + "/status", encoding: .utf8)
      fields = Dictionary(
        text.split(separator: "\n").compactMap { line in
          let parts = line.split(separator: ":", maxSplits: 1)
          guard parts.count == 2 else { return nil }
          return (String(parts[0]), parts[1].trimmingCharacters(in: .whitespaces))
        }, uniquingKeysWith: { $1 })
    }
    #expect(fields["Seccomp"] == "2")
    #expect(fields["NoNewPrivs"] == "1")
    // Only root may look into a process that has made itself undumpable.
    if getuid() == 0 {
      #expect(try FileManager.default.contentsOfDirectory(atPath: folder + "/fd") == ["3"])
      #expect(try Data(contentsOf: URL(filePath: folder + "/environ")).isEmpty)
      let limits = try String(contentsOfFile: folder + "/limits", encoding: .utf8)
      #expect(limits.contains(/Max core file size +0 +0/))
      #expect(limits.contains(/Max open files +0 +0/))
    }
    child.end()
  }

  @Test(
    "A child that was taken over cannot make the parent wait, read wrongly or believe",
    .timeLimit(.minutes(30)))
  func hostileChildren() async throws {
    let endings: [(String, AudioProbeError.Code)] = [
      ("say-garbage", .probeDied), ("ask-outside", .probeDied), ("ask-forever", .probeDied),
      ("answer-nonsense", .probeDied), ("end-at-once", .probeDied), ("open-file", .probeDied),
      ("say-nothing", .timeout), ("stay-locked", .timeout),
    ]
    for (behaviour, code) in endings {
      // Garbage may begin like a question that is not yet whole, and on a slow machine the time is up
      // before the last question that is allowed.
      let mayTakeItsTime = ["say-garbage", "ask-forever"].contains(behaviour)
      // The time runs from before the child does: who is to be ended for what it does must come to it.
      var limits = AudioProbe.Limits()
      limits.total = mayTakeItsTime || code == .timeout ? .seconds(2) : .seconds(60)
      let error = await #expect(throws: AudioProbeError.self) {
        try await examine([UInt8](repeating: 7, count: 1000), as: behaviour, limits: limits)
      }
      #expect(
        error?.code == code || (mayTakeItsTime && error?.code == .timeout), "\(behaviour)")
    }
  }

  @Test("No child is left behind")
  func reaped() async throws {
    for _ in 0..<5 { _ = try await examine(Array("nothing".utf8)) }
    let mine = try FileManager.default.contentsOfDirectory(atPath: "/proc").filter { entry in
      guard let id = Int32(entry),
        let stat = try? String(contentsOfFile: "/proc/\(id)/stat", encoding: .utf8),
        let rest = stat.split(separator: ")").last?.split(separator: " "), rest.count > 1
      else { return false }
      return rest[0] == "Z" && rest[1] == "\(getpid())" && stat.contains("audio-probe")
    }
    // Other tests' children may be on their way out; a leak would leave all five.
    #expect(mine.count < 5)
  }
}
