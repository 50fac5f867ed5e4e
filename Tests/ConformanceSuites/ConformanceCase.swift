/// One promise of a protocol, checked against any driver of it.
///
/// A driver's test runs all cases of a suite with `@Test(arguments:)`, so that each promise is
/// reported by its name.
public struct ConformanceCase<Driver: Sendable>: Sendable, CustomStringConvertible {
  public let description: String
  /// Gets what opens the same storage, empty at first, as often as it is called.
  public let check: @Sendable (_ open: @Sendable () async throws -> Driver) async throws -> Void

  init(
    _ description: String,
    check: @escaping @Sendable (_ open: @Sendable () async throws -> Driver) async throws -> Void
  ) {
    self.description = description
    self.check = check
  }
}
