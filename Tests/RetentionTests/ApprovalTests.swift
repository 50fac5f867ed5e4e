import Cryptography
import Encoding
import Mutation
import Retention
import Testing

@Suite struct ApprovalTests {
  static let subject = ApprovalSubject.plan(SHA256.hash(Array("plan".utf8)))

  @Test func anApprovalIsTheTextOfThePage() throws {
    let digest = SHA256.hash([])
    let full = Approval(
      subject: .plan(digest), person: id(1), role: .recordsManager,
      time: try time("2033-12-01T15:12:40Z"), proof: .token(id(2)), typedDay: try day("2033-12-01"),
      allowsBeyondCaps: true)
    #expect(
      String(decoding: full.encoded, as: UTF8.self) == """
        callvault/retention-approval/v1
        plan \(digest.hex)
        person \(id(1))
        role records-manager
        time 2033-12-01T15:12:40.000Z
        proof token \(id(2))
        date 2033-12-01
        beyond-caps yes

        """)
    #expect(try Approval(parsing: full.encoded) == full)
    let least = Approval(
      subject: .policy(digest), person: id(1), role: .privacyOfficer, time: full.time,
      proof: .assertion(digest))
    #expect(try Approval(parsing: least.encoded) == least)
  }

  @Test func aChangedApprovalIsRefusedOrAnother() throws {
    let approval = approval(of: Self.subject, by: 1, typed: try day("2033-12-01"), beyondCaps: true)
    var dice = Dice(seed: 3)
    for _ in 0..<Mutation.rounds(otherwise: 3_000) {
      let bytes = Mutation.change(approval.encoded, spice: Array(" \n-0y".utf8), with: &dice)
      guard let read = try? Approval(parsing: bytes) else { continue }
      #expect(read.encoded == bytes)
    }
  }

  @Test func twoDifferentPeopleMakeAPair() throws {
    let first = approval(of: Self.subject, by: 1)
    #expect(throws: Never.self) { try ApprovalPair(first, approval(of: Self.subject, by: 2)) }
    #expect(throws: RetentionError.self) { try ApprovalPair(first, first) }
    // The same person with another token, and another person with the same token.
    let again = Approval(
      subject: Self.subject, person: id(1), role: .recordsManager, time: first.time,
      proof: .token(id(77)))
    #expect(throws: RetentionError.self) { try ApprovalPair(first, again) }
    let borrowed = Approval(
      subject: Self.subject, person: id(2), role: .recordsManager, time: first.time,
      proof: first.proof)
    #expect(throws: RetentionError.self) { try ApprovalPair(first, borrowed) }
    let other = approval(of: .policy(SHA256.hash([])), by: 2)
    #expect(throws: RetentionError.self) { try ApprovalPair(first, other) }
  }
}
