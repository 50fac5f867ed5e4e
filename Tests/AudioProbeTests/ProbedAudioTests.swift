import AudioProbe
import Cryptography
import Encoding
import Testing
import Threading
import Vault

@testable import Drivers

/// What stands between an uploader whose recordings take for ever and everybody else.
@Suite("Probed audio", .timeLimit(.minutes(30)))
struct ProbedAudioTests {
  /// A recording whose bytes do not come until the gate opens.
  private final class Gate: Sendable {
    private let state = Lock((isOpen: false, waiting: [CheckedContinuation<Void, Never>]()))

    func open() {
      let waiting = state.withLock { state in
        state.isOpen = true
        defer { state.waiting = [] }
        return state.waiting
      }
      for waiter in waiting { waiter.resume() }
    }

    func pass() async {
      await withCheckedContinuation { continuation in
        let isOpen = state.withLock { state in
          if !state.isOpen { state.waiting.append(continuation) }
          return state.isOpen
        }
        if isOpen { continuation.resume() }
      }
    }
  }

  private let speech: [UInt8]

  init() throws { speech = try Speech.pcm16.bytes() }

  private func inspect(
    _ audio: ProbedAudio, from uploader: Identifier, behind gate: Gate? = nil
  ) async -> AudioFacts.Condition {
    await audio.inspect(length: Int64(speech.count), from: uploader) { offset, count in
      await gate?.pass()
      return Array(speech[Int(offset)..<Int(offset) + count])
    }.condition
  }

  @Test("Recordings that take for ever do not hold up those of another uploader")
  func fairness() async {
    let audio = ProbedAudio(probe: AudioProbe(executable: childProgram), patience: .seconds(600))
    let gate = Gate()
    let (eve, ann) = (Identifier.random(), Identifier.random())
    await withTaskGroup(of: AudioFacts.Condition.self) { group in
      for _ in 0..<20 { group.addTask { await inspect(audio, from: eve, behind: gate) } }
      for _ in 0..<5 { #expect(await inspect(audio, from: ann) == .sound) }
      gate.open()
      for await condition in group { #expect(condition == .sound) }
    }
  }

  @Test("Who waits too long is told nothing of the sound, and holds no place afterwards")
  func patience() async {
    let audio = ProbedAudio(
      probe: AudioProbe(executable: childProgram), patience: .milliseconds(50))
    let gate = Gate()
    let eve = Identifier.random()
    await withTaskGroup(of: AudioFacts.Condition.self) { group in
      for _ in 0..<5 { group.addTask { await inspect(audio, from: eve, behind: gate) } }
      // Two hold the places until the gate opens; the other three give up before.
      for _ in 0..<3 { #expect(await group.next() == .unexamined) }
      gate.open()
      for await condition in group { #expect(condition == .sound) }
    }
    #expect(await inspect(audio, from: eve) == .sound)
  }
}
