import Encoding
import Threading

extension AuditLog {
  /// Publishes what is durable; returns when the published checkpoint covers everything that was
  /// recorded before the call.
  ///
  /// - Throws: ``AuditError/Code/unavailable`` if the store cannot; it may be tried again.
  public func publish() async throws(AuditError) {
    await settleIfPossible()
    let target = head.size
    while publishing.edge.size < target {
      if publishing.isPublishing {
        await withCheckedContinuation { publishing.waiting.append($0) }
      } else {
        publishing.isPublishing = true
        defer {
          publishing.isPublishing = false
          for caller in publishing.waiting { caller.resume() }
          publishing.waiting = []
        }
        try await publishOnce()
      }
    }
  }

  private func publishOnce() async throws(AuditError) {
    let (head, keyring) = (head, epochs.keyring)
    let entries = publishing.entries.prefix(Int(head.size - publishing.edge.size))
    let (edge, made) = try await Self.publication(of: entries, after: publishing.edge)
    var publication = made
    let month = Timestamp(milliseconds: clock.read().milliseconds).rfc3339.prefix(7)
    publication.history = "checkpoints/\(month)"
    publication.checkpoint = head.note
    if keyring != publishing.keyring { publication.keyring = keyring?.encoded }
    do {
      try await store.publish(publication)
    } catch {
      upkeepFailures[.publishing] = error
      throw AuditError(.unavailable, during: "publishing the log", cause: error)
    }
    upkeepFailures[.publishing] = nil
    publishing.advance(to: edge, note: head.note, keyring: keyring)
  }

  /// Makes the tiles and bundles of a second's entries: many milliseconds in which callers need
  /// not wait.
  @concurrent private static func publication(
    of entries: ArraySlice<UnpublishedEntry>, after published: PublishedEdge
  ) async throws(AuditError) -> (PublishedEdge, Publication) {
    var edge = published
    let publication = try edge.add(entries)
    return (edge, publication)
  }
}
