public import Encoding

/// Where the number of entries of each subject is kept, with the place in the log it counts to.
///
/// The log counts in memory and stores now and then; after a crash it counts the entries after
/// ``countedPosition()`` again. So the ledger may lag, but what it stores must be stored whole:
/// counts and position in one transaction.
public protocol SubjectLedger: Sendable {
  /// An entry that was durable when the ledger heard of it, as late as possible; nil for none.
  func knownPosition() async throws -> LogPosition?

  /// The last entry that the stored counts include; nil when nothing was ever stored.
  func countedPosition() async throws -> LogPosition?

  /// How many entries through ``countedPosition()`` carry a tag of each subject; one that no entry is about may lack.
  ///
  /// Of many at once, because whoever asks waits for the answer: a page of a search is about up to a
  /// hundred subjects, and a start about all that were seen since.
  func countedEntries(of subjects: [Identifier]) async throws -> [Identifier: Int64]

  /// The subjects that aliases stand for among an entry's objects; one that is no alias lacks.
  func subjects(behind aliases: [Identifier]) async throws -> [Identifier: Identifier]

  /// Replaces the counts of these subjects, and the position.
  ///
  /// - Parameters:
  ///   - counts: absolute numbers, in the order in which the log came upon the subjects; those not
  ///     named keep theirs. Calls that a search finds together were mostly made together, so a
  ///     ledger that keeps new subjects in this order touches few places at once.
  ///   - position: at or after the stored one.
  /// - Throws: whatever kept it from storing all of it; then nothing is stored.
  func storeCounts(_ counts: [SubjectCount], through position: LogPosition) async throws
}

/// How many entries carry a tag of a subject.
public struct SubjectCount: Hashable, Sendable {
  public let subject: Identifier
  public let entries: Int64

  public init(_ subject: Identifier, _ entries: Int64) {
    self.subject = subject
    self.entries = entries
  }
}

extension SubjectLedger {
  /// A ledger that keeps counts alone knows of no other place.
  public func knownPosition() async throws -> LogPosition? { nil }

  /// A ledger that keeps counts alone knows of no aliases.
  public func subjects(behind aliases: [Identifier]) async throws -> [Identifier: Identifier] {
    [:]
  }
}
