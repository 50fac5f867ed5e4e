import Audit
import Cryptography
import Encoding
import Foundation
import Testing

@Suite struct CommitmentTests {
  @Test(arguments: [false, true])
  func anOpeningOpensWhatWasCommittedAndNothingElse(published: Bool) async throws {
    let harness = try Harness()
    let log = try await harness.open()
    var draft = harness.draft()
    draft.commits = [.via: Array("203.0.113.7".utf8), .name: [], .filter: Array("Müller".utf8)]
    let index = try await log.record(draft).index
    if published { try await log.publish() }
    let entry = try await log.entries(matching: EntryFilter(indices: index..<(index + 1)))
      .entries[0].entry
    #expect(entry.commits.count == 3)
    #expect(try await log.openings(of: entry) == draft.commits)

    // The same openings asked for as if they were another entry's commitments are refused.
    var forged = entry
    forged.commits[.via] = entry.commits[.filter]
    await #expect(throws: AuditError.self) { try await log.openings(of: forged) }

    harness.sealer.erase(entry.id)
    #expect(try await log.openings(of: entry).isEmpty)
  }

  @Test func equalValuesDoNotLookEqual() async throws {
    let harness = try Harness()
    let log = try await harness.open()
    for _ in 0..<20 { _ = try await log.record(harness.draft()) }
    let entries = try await log.entries(matching: EntryFilter(indices: 2..<22)).entries
    #expect(Set(entries.map { $0.entry.commits[.via] }).count == 20)
  }

  /// A plain or unkeyed hash of a number would be found by trying all of them.
  @Test func aDictionaryOfNumbersMatchesNothing() async throws {
    let harness = try Harness()
    let log = try await harness.open()
    for number in 0..<20 {
      var draft = harness.draft()
      draft.commits = [.source: Array("+1212555\(1000 + number * 37)".utf8)]
      _ = try await log.record(draft)
    }
    let logged = try await log.entries(matching: EntryFilter()).entries
    let commitments = Set(logged.flatMap { $0.entry.commits.values.map(\.bytes) })
    #expect(commitments.count == 22)
    let zeros = [UInt8](repeating: 0, count: 32)
    for number in 0..<740 {
      let value = Array("+1212555\(1000 + number)".utf8)
      let digest = SHA256.hash(value).bytes
      #expect(!commitments.contains(digest))
      #expect(!logged.contains { $0.bytes.contains(value) })
      let guess = try Commitment(opening: [1] + zeros + value, of: .source)
      #expect(!commitments.contains(try guess.digest().bytes))
    }
  }

  /// The bytes of the format page, computed outside: Python's hmac over the same message.
  @Test func aCommitmentIsTheOneOfTheFormat() throws {
    let key = [UInt8](0..<32)
    let commitment = try Commitment(opening: [1] + key + Array("203.0.113.7".utf8), of: .via)
    #expect(
      Hex.encode(try commitment.digest().bytes)
        == "771e192d296d977432f70870ce5e4af7e3ad5f56d7990e9960315db1020da90f")
    let subject = SubjectKey(
      id: .random(), key: SharedSecret(try SecretBytes(copying: unsafe key.span.bytes)))
    let origin = "vault.example.org/callvault"
    #expect(Hex.encode(try subject.tag(1, in: origin).bytes) == "70d7954a3244350187b267bcff3446bf")
    #expect(
      Hex.encode(try subject.tag(258, in: origin).bytes) == "b9d723b585d21c81bfd84638132a8fb7")
  }

  @Test(arguments: [0, 1, 32, 4130])
  func anOpeningOfAnotherFormIsRefused(length: Int) {
    #expect(throws: AuditError.self) {
      try Commitment(opening: [UInt8](repeating: 1, count: length), of: .via)
    }
    #expect(throws: AuditError.self) {
      try Commitment(opening: [UInt8](repeating: 2, count: 40), of: .via)
    }
  }
}
