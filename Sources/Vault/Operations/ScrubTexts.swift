import Audit
import Cryptography
import Encoding

/// The second part of a scrub: caller details, transcripts and notes, which lie in the catalog.
///
/// A page of the database that decays is found by nobody before somebody asks for that call.
extension Vault {
  /// Looks at the texts of the next calls, or ends the pass.
  func scrubTexts(
    _ state: inout ScrubState, _ level: ScrubLevel, limit: Int, run: Identifier,
    as caller: Caller?
  ) async throws(VaultError) {
    let cursor = state.callCursor.map { WrappedKeyRow(owner: .call, id: $0, record: []) }
    // That a text is there shows when it is read: at the lowest level there is nothing to look at.
    let rows =
      level == .presence
      ? [] : try await catalog.wrappedKeys(after: cursor, limit: limit).filter { $0.owner == .call }
    guard let last = rows.last else {
      state.isFinished = true
      state.lastPass = now
      return try await catalog.setFact(.scrub, to: state.encoded, at: nil)
    }
    let (intent, batch) = try await beginExamination(
      .scrubRun, of: rows.map(\.id), run: run, by: caller)
    let level = keys.isSealed ? .digest : level
    try await concluding(intent) { () throws(VaultError) -> [Identifier] in
      var damaged: [Identifier] = []
      for row in rows {
        for (part, isWhole) in try await examineTexts(of: row.id, level, in: batch) {
          state.note(part, isWhole: isWhole)
          guard !isWhole else { continue }
          counters.count(.tampered)
          damaged.append(part)
        }
        state.calls += 1
      }
      return damaged
    }
    state.callCursor = last.id
    try await catalog.setFact(.scrub, to: state.encoded, at: nil)
  }

  /// Looks at the details of a call and at each of its texts.
  ///
  /// - Returns: the call, for its details, and the texts, and whether each is what was sealed; nothing for a call
  ///   that was purged meanwhile.
  private func examineTexts(
    of id: Identifier, _ level: ScrubLevel, in batch: ExaminationBatch
  ) async throws(VaultError) -> [(part: Identifier, isWhole: Bool)] {
    var found: [(part: Identifier, isWhole: Bool)] = []
    var present: CallRow?
    let isReadable = try await isWhole { () throws(VaultError) in
      present = try await self.catalog.call(id)
    }
    guard isReadable else { return [(id, false)] }
    guard let call = present else { return [] }
    // The details have no digest: only their tags tell.
    if level == .tags {
      let isWhole = try await isWhole { () throws(VaultError) in
        try batch.examine(
          call.details, of: id,
          at: self.address(id, .details, call.detailsGeneration), wrapped: call.wrappedKey)
      }
      found.append((id, isWhole))
    }
    for kind in TextRow.Kind.allCases {
      for listed in try await catalog.texts(kind, of: id, sealed: false) {
        var isThere = true
        let isWhole = try await isWhole { () throws(VaultError) in
          guard let text = try await self.catalog.text(listed.id) else { return isThere = false }
          guard Int64(text.sealed.count) == text.length, SHA256.hash(text.sealed) == text.digest
          else { throw VaultError(.tampered, during: "comparing a text's digest") }
          guard level == .tags else { return }
          try batch.examine(
            text.sealed, of: id,
            at: self.textPart(
              kind, of: call, version: text.version, generation: text.generation),
            wrapped: call.wrappedKey)
        }
        if isThere { found.append((listed.id, isWhole)) }
      }
    }
    return found
  }

  /// Whether what is looked at is what was stored; only damage is an answer.
  private func isWhole(
    _ look: () async throws(VaultError) -> Void
  ) async throws(VaultError) -> Bool {
    do throws(VaultError) {
      try await look()
      return true
    } catch {
      guard error.code == .tampered else { throw error }
      return false
    }
  }
}
