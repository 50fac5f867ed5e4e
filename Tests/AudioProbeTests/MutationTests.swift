import Mutation
import Testing

@testable import AudioProbe

@Suite("Audio mutation")
struct MutationTests {
  /// Each round starts a process, so a hundredth of what is asked for must do.
  static let rounds = max(12, Mutation.rounds(otherwise: 0) / 100)

  @Test("Whatever happened to the bytes, there is a finding in time", arguments: Speech.allCases)
  func mutated(_ speech: Speech) async throws {
    let original = Array(try speech.bytes().prefix(60_000))
    var limits = AudioProbe.Limits()
    limits.total = .seconds(20)
    limits.decoding = .seconds(2)
    for round in 0..<Self.rounds {
      let seed = UInt64(round) &* 1000 &+ UInt64(speech.rawValue.utf8.reduce(0) { $0 + Int($1) })
      var dice = Dice(seed: seed)
      let bytes = Mutation.change(original, with: &dice)
      do {
        let finding = try await examine(bytes, limits: limits)
        if case .intact(let format) = finding { #expect(format.durationMilliseconds >= 0) }
      } catch let error as AudioProbeError {
        // A decoder's fault: the kernel ended the child, and the vault lives on.
        #expect(error.code == .probeDied || error.code == .timeout, "seed \(seed): \(error)")
      }
    }
  }
}
