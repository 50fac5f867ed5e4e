import Encoding

/// An intent without an outcome.
///
/// Found at start it was interrupted: whatever it asked for may have happened.
public struct OpenIntent: Hashable, Sendable {
  /// The intent as it stands in the log.
  public let entry: Entry

  /// Makes the draft of the outcome that closes it, marked as written in recovery.
  ///
  /// - Parameters:
  ///   - outcome: what is taken to have happened, such as ``OutcomeCode/presumed`` where content may have left.
  ///   - reason: why nobody knows.
  ///   - actor: the program, not the person whose intent it was: that one did not write this.
  ///   - subjects: the keys of those the intent was about.
  /// - Returns: a draft with a fresh id.
  public func recovery(
    _ outcome: OutcomeCode, because reason: Reason? = .interrupted,
    by actor: Actor, about subjects: [SubjectKey] = []
  ) -> EntryDraft {
    var draft = EntryDraft(
      entry.action, .outcome, by: actor, on: entry.objects, parts: entry.parts)
    draft.ref = entry.id
    draft.outcome = outcome
    draft.reason = reason
    draft.behalf = entry.actor.id
    draft.session = entry.session
    draft.request = entry.request
    draft.subjects = subjects
    draft.purpose = entry.purpose
    draft.entryClass = entry.entryClass
    draft.flags = [.recovered]
    if entry.action == .keyDestroy {
      // By these a verifier tells which openings may be gone.
      draft.keyID = entry.keyID
      draft.count = entry.count
      draft.first = entry.first
      draft.last = entry.last
    }
    return draft
  }
}

/// The intents that no outcome has closed, in memory and in the snapshot.
struct OpenIntents: Sendable {
  private struct Intent {
    let index: Int64
    let bytes: [UInt8]
  }

  private var entries: [Identifier: Intent] = [:]

  /// Takes an entry in the order of the log.
  mutating func apply(_ entry: Entry, bytes: [UInt8]) {
    switch entry.phase {
    case .intent: entries[entry.id] = Intent(index: entry.index, bytes: bytes)
    case .outcome:
      if let reference = entry.reference { entries[reference] = nil }
    case .single: break
    }
  }

  /// The entries' own bytes, in order of index.
  ///
  /// Cheap, because a snapshot is made of them while callers wait.
  var encoded: [[UInt8]] {
    entries.values.sorted { $0.index < $1.index }.map(\.bytes)
  }

  /// In order of index.
  func list() throws(AuditError) -> [OpenIntent] {
    var list: [OpenIntent] = []
    for bytes in encoded { list.append(OpenIntent(entry: try Entry(parsing: bytes))) }
    return list
  }

  var count: Int { entries.count }

  /// The index of the oldest.
  var first: Int64? { entries.values.map(\.index).min() }
}
