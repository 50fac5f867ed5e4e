/// The right to command, held by one supervisor at a time, with a number that grows each time it changes hands.
///
/// Whoever can refuses a lower number; the others are asked within the lease and put right by whoever comes next.
public struct Lease: Hashable, Sendable {
  /// From 1; in every plan.
  public let fencing: Int64

  public init(fencing: Int64) { self.fencing = fencing }
}

/// Where supervisors find out which of them commands: a lock on a folder here; with many nodes, a row of a database.
public protocol LeaseStore: Sendable {
  /// Takes the lease, with a number above every earlier one, durable when this returns.
  ///
  /// - Throws: ``FailoverError/Code/fenced`` while another holds it; ``FailoverError/Code/unavailable`` when the
  ///   number cannot be read or kept: then nothing may be commanded.
  func acquire() async throws(FailoverError) -> Lease

  /// Whether it is still held; called before each command.
  func holds(_ lease: Lease) async -> Bool
}
