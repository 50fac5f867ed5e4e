import Foundation
import FuzzTargets
import Mutation
import Testing

/// Promise P8 for every byte that is read from a disk, a network or a file of the operator.
///
/// The inputs in `Tests/Fuzz/Corpora` are samples (`seed-…`, which must be taken) and what libFuzzer
/// found to reach further or to break a promise once. Each is replayed and mutated, with the
/// promises of `FuzzTargets`; `make fuzz` looks for more.
@Suite("Fuzz corpora", .timeLimit(.minutes(30)))
struct CorpusTests {
  /// Bytes of a long input: a quadratic reader would take some hundred million steps.
  static let length = 16_384
  static let rounds = Mutation.rounds(otherwise: 2_000)

  static let folder = URL(filePath: #filePath).deletingLastPathComponent()
    .deletingLastPathComponent().appending(path: "Fuzz/Corpora")

  static func inputs(of target: FuzzTarget) throws -> [(name: String, bytes: [UInt8])] {
    let folder = folder.appending(path: target.name)
    return try FileManager.default.contentsOfDirectory(atPath: folder.path).sorted().map { name in
      // Not Data(contentsOf:), which leaks its buffer where a file is empty.
      let file = try FileHandle(forReadingFrom: folder.appending(path: name))
      return (name, [UInt8](try file.readToEnd() ?? Data()))
    }
  }

  /// Records a broken promise with what broke it.
  static func check(_ bytes: [UInt8], with target: FuzzTarget, _ origin: String) -> Bool {
    let finding = target.check(bytes)
    if case .broken(let promise) = finding {
      Issue.record("\(target.name), \(origin): \(promise): \(Data(bytes).base64EncodedString())")
    }
    return finding == .accepted
  }

  @Test func everyTargetHasItsInputsAndNoOthersAreKept() throws {
    let kept = try FileManager.default.contentsOfDirectory(atPath: Self.folder.path)
    #expect(Set(kept) == Set(FuzzTarget.all.map(\.name)).union(["README.md"]))
  }

  @Test("Inputs that were kept are read as promised", arguments: FuzzTarget.all)
  func replayed(_ target: FuzzTarget) throws {
    var samples = 0
    for (name, bytes) in try Self.inputs(of: target) {
      let isTaken = Self.check(bytes, with: target, name)
      guard name.hasPrefix("seed-") else { continue }
      #expect(isTaken, "\(target.name): \(name) must be taken")
      samples += 1
    }
    #expect(samples > 0, "\(target.name) has no sample that is taken")
  }

  @Test("Whatever happened to the bytes, a parser returns", arguments: FuzzTarget.all)
  func mutated(_ target: FuzzTarget) throws {
    let seeds = try Self.inputs(of: target).filter { $0.name.hasPrefix("seed-") }
    let spice = Set(seeds.flatMap(\.bytes)).union([0x00, 0x0A, 0x20, 0x7F, 0x80, 0xFF]).sorted()
    var dice = Dice(seed: UInt64(seeds.count))
    for round in 0..<Self.rounds {
      let seed = try #require(seeds.randomElement(using: &dice))
      let bytes = Mutation.change(seed.bytes, spice: spice, with: &dice)
      _ = Self.check(bytes, with: target, "round \(round)")
    }
  }

  // A parser whose time grows faster than its input would not end within the suite's limit.
  @Test("Long inputs end soon", arguments: FuzzTarget.all)
  func long(_ target: FuzzTarget) throws {
    let samples = try Self.inputs(of: target).filter { $0.name.hasPrefix("seed-") }
    let patterns =
      ["[", "{\"a\":", "a\n", ",", "? "].map { Array($0.utf8) }
      + samples.map(\.bytes).filter { !$0.isEmpty }.prefix(2)
    for pattern in patterns {
      let times = Self.length / pattern.count + 1
      let bytes = Array(repeatElement(pattern, count: times).joined().prefix(Self.length))
      _ = Self.check(bytes, with: target, "a repeated pattern")
    }
  }
}
