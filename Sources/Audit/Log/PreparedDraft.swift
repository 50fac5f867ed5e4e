import Encoding

/// A draft with all that can be made before its place in the log is known: its commitments, and
/// their sealed openings.
///
/// Made by whoever records, beside the log, so that many callers hash and seal at once and the log
/// itself only gives each entry its place.
struct PreparedDraft: Sendable {
  let draft: EntryDraft
  let commits: [CommitField: CommitmentDigest]
  let openings: [SealedOpening]

  /// - Parameters:
  ///   - draft: what a caller asks the log to record.
  ///   - sealer: seals what the commitments stand for.
  ///   - time: now; the openings expire by it.
  /// - Throws: ``AuditError/Code/invalidDraft`` for a value that is too long,
  ///   ``AuditError/Code/unavailable`` when it cannot be hashed or sealed.
  init(
    _ draft: EntryDraft, sealedBy sealer: any OpeningSealer, at time: Timestamp
  ) throws(AuditError) {
    var commits: [CommitField: CommitmentDigest] = [:]
    var openings: [SealedOpening] = []
    for (field, value) in draft.commits {
      let commitment = try Commitment(to: value, as: field)
      commits[field] = try commitment.digest()
      let address = OpeningAddress(entry: draft.id, field: field, time: time)
      do {
        let sealed = try sealer.seal(commitment.opening, at: address)
        openings.append(SealedOpening(entry: draft.id, field: field, sealed: sealed))
      } catch {
        throw AuditError(.unavailable, during: "sealing what an entry commits to", cause: error)
      }
    }
    self.draft = draft
    self.commits = commits
    self.openings = openings
  }
}
