import Cryptography
import Encoding

/// The sessions of this run: requests that came with one credential, and what each has read of the log.
///
/// A value; the vault keeps it behind a lock. Bounded: beyond ``limit`` the oldest sessions are forgotten, and
/// their credentials sign in anew.
struct Sessions: Sendable {
  static let limit = 10_000

  struct Session: Sendable {
    let id: Identifier
    /// The size of the log up to which this session's reading is accounted for; nil: it read nothing.
    var auditedSize: Int64?
  }

  private var byCredential: [Identifier: Session] = [:]
  private var order: [Identifier] = []
  private var ended: Set<Identifier> = []

  /// The session of a credential, and whether it began just now.
  mutating func enter(_ credential: Identifier) -> (session: Session, isNew: Bool) {
    if let session = byCredential[credential] { return (session, false) }
    if order.count >= Self.limit {
      for old in order.prefix(Self.limit / 2) { byCredential[old] = nil }
      order.removeFirst(Self.limit / 2)
    }
    let session = Session(id: .random())
    byCredential[credential] = session
    order.append(credential)
    return (session, true)
  }

  /// Forgets a session whose sign-in could not be recorded.
  mutating func abandon(_ credential: Identifier) {
    byCredential[credential] = nil
    order.removeAll { $0 == credential }
  }

  /// Ends a credential now: what streams under it stops at its next segment.
  mutating func end(_ credential: Identifier) {
    ended.insert(credential)
    abandon(credential)
  }

  func hasEnded(_ credential: Identifier) -> Bool { ended.contains(credential) }

  func auditedSize(of credential: Identifier) -> Int64? {
    byCredential[credential]?.auditedSize
  }

  mutating func audited(_ credential: Identifier, through size: Int64) {
    byCredential[credential]?.auditedSize = size
  }
}
