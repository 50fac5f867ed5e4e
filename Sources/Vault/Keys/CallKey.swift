import Cryptography
public import Encoding

/// The key of a call that is being made: nothing has been sealed under it before.
///
/// Only ``KeyRing/createCallKey(for:)`` makes one. The key of a call that exists never leaves the
/// ring; of it a receipt opens one part (``KeyRing/partKey(at:wrapped:spending:for:by:)``).
public struct CallKey: ~Copyable, Sendable {
  public static let byteCount = 32

  public let call: Identifier
  public let id: Identifier
  /// What the catalog keeps.
  public let wrapped: WrapRecord
  /// The epoch under which it was first wrapped.
  public let epoch: UInt32
  let tenant: Identifier
  let secret: SecretBytes

  /// The key of one part of the new call.
  ///
  /// - Throws: ``VaultError/Code/invalid`` for a part or generation out of bounds,
  ///   ``VaultError/Code/unavailable`` when the library fails.
  public borrowing func partKey(
    _ part: CallPart, generation: Int = 1
  ) throws(VaultError) -> PartKey {
    guard
      let address = PartAddress(tenant: tenant, call: call, part: part, generation: generation)
    else { throw VaultError(.invalid, during: "naming a part of a call") }
    return try PartKey(derivedFrom: secret, id: id, at: address, mayLeave: false)
  }
}
