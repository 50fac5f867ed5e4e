extension KeyRing {
  /// What a ring says of its custodian, before anything vouches for it: enough to find the root key, or to
  /// say who must bring it.
  ///
  /// - Returns: nil where there is no ring.
  /// - Throws: ``VaultError/Code/tampered`` where it is no ring.
  public static func custodian(
    in store: any KeyRingStore
  ) throws(VaultError) -> CustodianRecord? {
    guard let bytes = try store.read() else { return nil }
    return try UnverifiedRing(parsing: bytes).custodian
  }
}
