public import Encoding
public import Vault

/// A place of anchors that stands for a volume of its own, wherever it lies on the machine of a test.
public struct DedicatedAnchors: RingAnchorStore {
  private let place: any RingAnchorStore
  private let volume: UInt64

  public init(_ place: any RingAnchorStore, volume: UInt64) {
    self.place = place
    self.volume = volume
  }

  public var name: String { place.name }

  public func standing() throws(VaultError) -> RingAnchorStanding {
    // Still out of reach where the place is.
    _ = try place.standing()
    return .dedicated(volume: volume)
  }

  public func anchor(_ id: Identifier, of tenant: Identifier) throws(VaultError) -> RingAnchor? {
    try place.anchor(id, of: tenant)
  }

  public func keep(_ anchor: RingAnchor) throws(VaultError) { try place.keep(anchor) }

  public func destroyAll(but id: Identifier?, of tenant: Identifier) throws(VaultError) {
    try place.destroyAll(but: id, of: tenant)
  }

  public func holdsOnly(_ id: Identifier?, of tenant: Identifier) throws(VaultError) -> Bool {
    try place.holdsOnly(id, of: tenant)
  }
}
