public import Cryptography
public import Encoding

/// What the genesis of a log says that goes on for another one.
///
/// `Documentation/formats/recovery.md`, 3.
public struct LogContinuation: Sendable {
  /// SHA-256 of the text of the recovery note.
  public let evidence: SHA256Digest
  /// Why, in the words of whoever held the ceremony; the entry only commits to it.
  public let reason: String
  /// Who held it.
  public let person: Identifier

  public init(evidence: SHA256Digest, reason: String, person: Identifier) {
    self.evidence = evidence
    self.reason = reason
    self.person = person
  }

  func fill(_ genesis: inout EntryDraft) {
    genesis.flags.insert(.restarted)
    genesis.evidence = evidence
    genesis.behalf = person
    genesis.commits[.reason] = Array(reason.utf8)
  }
}
