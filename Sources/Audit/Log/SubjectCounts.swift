import Encoding

/// How many entries each subject has: what numbers the next tag.
///
/// Two views of one count. `assigned` runs ahead with what is staged; `durable` holds what batches on
/// disk have made true since the ledger last stored, and is what the ledger gets, in the order in which
/// the subjects came.
struct SubjectCounts: Sendable {
  private var assigned: [Identifier: Int64] = [:]
  private var durable: [Identifier: Int64] = [:]
  private var order: [Identifier] = []
  /// Raised whenever counts leave this memory for the ledger: a number read from the ledger before
  /// may be an old one.
  private(set) var generation = 0

  /// What is known here; nil means that the ledger knows.
  func count(of subject: Identifier) -> Int64? { assigned[subject] }

  /// Takes what the ledger said, unless something newer is here.
  mutating func learn(_ count: Int64, of subject: Identifier) {
    if assigned[subject] == nil { assigned[subject] = count }
  }

  /// Numbers the subject's next entry.
  ///
  /// - Precondition: the count is known.
  mutating func next(_ subject: Identifier) -> Int64 {
    advance(subject, by: 1)
  }

  private mutating func advance(_ subject: Identifier, by entries: Int64) -> Int64 {
    guard let count = assigned[subject] else {
      preconditionFailure("the count is read from the ledger first")
    }
    assigned[subject] = count + entries
    return count + entries
  }

  /// Takes back numbers of an entry that could not be staged.
  mutating func takeBack(_ counts: [(Identifier, Int64)]) {
    for (subject, count) in counts.reversed() { assigned[subject] = count - 1 }
  }

  /// Notes that entries with these numbers are durable.
  mutating func commit(_ counts: [(Identifier, Int64)]) {
    for (subject, count) in counts { commit(count, of: subject) }
  }

  private mutating func commit(_ count: Int64, of subject: Identifier) {
    if durable.updateValue(count, forKey: subject) == nil { order.append(subject) }
  }

  /// Counts entries found at start, of a subject whose stored count is known.
  mutating func replay(_ entries: Int64, of subject: Identifier) {
    commit(advance(subject, by: entries), of: subject)
  }

  /// What the ledger is to hold.
  var unstored: [SubjectCount] {
    order.compactMap { subject in durable[subject].map { SubjectCount(subject, $0) } }
  }

  /// Forgets what the ledger holds now.
  mutating func stored(_ counts: [SubjectCount]) {
    for count in counts {
      if durable[count.subject] == count.entries { durable[count.subject] = nil }
      if assigned[count.subject] == count.entries { assigned[count.subject] = nil }
    }
    order.removeAll { durable[$0] == nil }
    generation += 1
  }
}
