public import Cryptography

/// Where the private keys of epochs lie, and what the root has signed.
///
/// A key is sealed where it lies, is never copied, and is gone when its epoch has closed: a place
/// that no backup reaches. Calls come one at a time.
public protocol EpochKeys: Sendable {
  /// The verifier key of the root; nil for a vault that was made without one.
  func rootKey() async throws -> VerifierKey?

  /// The key of an epoch; nil if it is not kept here.
  ///
  /// - Throws: if it is here and cannot be unsealed.
  func key(of epoch: Int64) async throws -> EpochKey?

  /// Keeps a new key durably, beside the one in use.
  func keep(_ key: EpochKey) async throws

  /// Wipes the keys of all other epochs.
  func wipeAll(but epoch: Int64) async throws

  /// What the root signed away from this log; nil if nothing is there.
  func certified() async throws -> Keyring?
}

/// The private key of one epoch.
public struct EpochKey: Sendable {
  public let number: Int64
  /// 32 bytes.
  public let seed: SharedSecret
  /// When the key was made, in milliseconds since 1970.
  public let made: Int64

  public init(number: Int64, seed: SharedSecret, made: Int64) {
    self.number = number
    self.seed = seed
    self.made = made
  }
}
