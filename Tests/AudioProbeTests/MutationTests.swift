import Foundation
import Testing

@testable import AudioProbe

@Suite("Audio mutation")
struct MutationTests {
  /// Each round starts a process, so `CALLVAULT_ROUNDS` counts a hundredth here.
  static let rounds: Int = {
    guard let asked = ProcessInfo.processInfo.environment["CALLVAULT_ROUNDS"].flatMap(Int.init)
    else { return 12 }
    return max(12, asked / 100)
  }()

  @Test("Whatever happened to the bytes, there is a finding in time", arguments: Speech.allCases)
  func mutated(_ speech: Speech) async throws {
    let original = Array(try speech.bytes().prefix(60_000))
    var limits = AudioProbe.Limits()
    limits.total = .seconds(20)
    limits.decoding = .seconds(2)
    for round in 0..<Self.rounds {
      let seed = UInt64(round) &* 1000 &+ UInt64(speech.rawValue.utf8.reduce(0) { $0 + Int($1) })
      var dice = Dice(seed: seed)
      let bytes = Self.mutate(original, with: &dice)
      do {
        let finding = try await examine(bytes, limits: limits)
        if case .intact(let format) = finding { #expect(format.durationMilliseconds >= 0) }
      } catch let error as AudioProbeError {
        // A decoder's fault: the kernel ended the child, and the vault lives on.
        #expect(error.code == .probeDied || error.code == .timeout, "seed \(seed): \(error)")
      }
    }
  }

  /// One to eight changes; headers are hit more often than the middle, for there the numbers are.
  static func mutate(_ original: [UInt8], with dice: inout Dice) -> [UInt8] {
    var bytes = original
    for _ in 0..<Int.random(in: 1...8, using: &dice) where !bytes.isEmpty {
      let reach = Bool.random(using: &dice) ? min(128, bytes.count) : bytes.count
      let place = Int.random(in: 0..<reach, using: &dice)
      switch Int.random(in: 0..<6, using: &dice) {
      case 0: bytes[place] ^= 1 << UInt8.random(in: 0..<8, using: &dice)
      case 1: bytes[place] = [0x00, 0x7F, 0x80, 0xFF].randomElement(using: &dice) ?? 0
      case 2: bytes[place] = UInt8.random(in: .min ... .max, using: &dice)
      case 3: bytes.removeLast(bytes.count - place)
      case 4: bytes.insert(contentsOf: bytes.prefix(16), at: place)
      default:
        for index in place..<min(place + 4, bytes.count) { bytes[index] = 0xFF }
      }
    }
    return bytes
  }
}
