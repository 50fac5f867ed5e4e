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

  /// How many entries through ``countedPosition()`` carry a tag of `subject`; 0 for one unknown.
  func countedEntries(of subject: Identifier) async throws -> Int64

  /// The subject that `alias` stands for among an entry's objects; itself if it is no alias.
  func subject(behind alias: Identifier) async throws -> Identifier

  /// Replaces the counts of these subjects, and the position.
  ///
  /// - Parameters:
  ///   - counts: absolute numbers; subjects not named keep theirs.
  ///   - position: at or after the stored one.
  /// - Throws: whatever kept it from storing all of it; then nothing is stored.
  func storeCounts(_ counts: [Identifier: Int64], through position: LogPosition) async throws
}

extension SubjectLedger {
  /// A ledger that keeps counts alone knows of no other place.
  public func knownPosition() async throws -> LogPosition? { nil }

  /// A ledger that keeps counts alone knows of no aliases.
  public func subject(behind alias: Identifier) async throws -> Identifier { alias }
}
