public import Audit
public import Encoding

extension Vault: PruningHolds {
  /// A call that is younger than the log's retention keeps what was logged about it.
  public func objectThatMustStay(
    among objects: Set<Identifier>, youngerThan cutoff: Timestamp
  ) async throws -> Identifier? {
    for object in objects {
      if let call = try await catalog.call(object), call.created >= cutoff { return object }
    }
    return nil
  }
}
