import Audit
import Encoding

/// What happened in a range, in numbers; grows with the kinds of things, not with the entries.
struct RangeTally {
  struct Line {
    var entries = 0
    var refused = 0
    var failed = 0
  }
  /// More people than this are counted as one.
  private static let actorLimit = 10_000

  /// Names by id, as the log commits to them.
  let names: [String: String]
  private(set) var total = Line()
  private(set) var byAction: [String: Line] = [:]
  private(set) var byActor: [String: Line] = [:]
  private(set) var clockSteps = 0
  private(set) var presumed = 0

  init(names: [String: String]) {
    self.names = names
  }

  mutating func count(_ entry: Entry) {
    var line = Line()
    line.entries = 1
    switch entry.outcome {
    case .refused: line.refused = 1
    case .failed: line.failed = 1
    case .presumed: presumed += 1
    default: break
    }
    if entry.clock == .stepped { clockSteps += 1 }
    total.add(line)
    byAction[entry.action.rawValue, default: Line()].add(line)
    let actor = entry.actor.id.description
    let isKnown = byActor[actor] != nil || byActor.count < Self.actorLimit
    byActor[isKnown ? actor : "others", default: Line()].add(line)
  }

  /// How a report calls somebody.
  func name(_ id: String) -> String { names[id].map { "\($0) (\(id.prefix(8)))" } ?? id }
}

extension RangeTally.Line {
  mutating func add(_ other: Self) {
    entries += other.entries
    refused += other.refused
    failed += other.failed
  }
}
