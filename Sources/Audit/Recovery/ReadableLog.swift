/// A log whose entries can be read, whether or not anybody may still write to it.
public protocol ReadableLog: Sendable {
  /// As ``AuditLog/contains(_:)``.
  func contains(_ position: LogPosition) async throws(AuditError) -> Bool

  /// As ``AuditLog/entries(matching:limit:)``.
  func entries(
    matching filter: EntryFilter, limit: Int
  ) async throws(AuditError) -> EntryPage
}

extension AuditLog: ReadableLog {}
