/// What a command says to the script that ran it.
///
/// A promise to users: codes change only with a version. `audit verify` has its own, the verdicts
/// of `Documentation/formats/audit-log.md`.
enum ExitCode: Int32, CaseIterable {
  case success = 0
  case `internal` = 1
  case usage = 2
  case notFound = 3
  case refused = 4
  case conflict = 5
  case sealed = 6
  case damaged = 7
  case locked = 8

  /// The word used in JSON output.
  var name: String {
    switch self {
    case .success: "ok"
    case .internal: "internal"
    case .usage: "usage"
    case .notFound: "not-found"
    case .refused: "refused"
    case .conflict: "conflict"
    case .sealed: "sealed"
    case .damaged: "damaged"
    case .locked: "locked"
    }
  }

  var meaning: String {
    switch self {
    case .success: "done"
    case .internal: "a fault of the program, the machine or the connection"
    case .usage: "wrong usage, or input that breaks a rule; nothing was done"
    case .notFound: "no such thing, or you may not know of it"
    case .refused: "not allowed: no token, or its role, scope or purpose does not suffice"
    case .conflict: "it exists already; the existing id is printed"
    case .sealed: "the root key is not in memory"
    case .damaged: "stored bytes are not those that were written"
    case .locked: "another process holds the data directory"
    }
  }
}
