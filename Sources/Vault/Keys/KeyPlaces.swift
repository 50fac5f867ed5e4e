import Cryptography
import Encoding
import Threading

/// Everywhere a ring lies, and everywhere its anchor does.
///
/// One unreadable place does not stop a start, two copies are there for that; what destroys keys wants
/// every place.
struct KeyPlaces: Sendable {
  /// The ring's own place first, then its copies.
  let rings: [any KeyRingStore]
  let anchors: [any RingAnchorStore]
  private let found = Lock<[KeyPlaceTrouble]>([])

  init(_ store: any KeyRingStore, copies: [any KeyRingStore], anchors: [any RingAnchorStore]) {
    rings = [store] + copies
    self.anchors = anchors
  }

  /// What is wrong with places now.
  var troubles: [KeyPlaceTrouble] { found.withLock { $0 } }

  func note(_ troubles: [KeyPlaceTrouble]) { found.withLock { $0 = troubles } }

  /// A trouble with one of the ring's places.
  func ringTrouble(_ number: Int, _ error: VaultError) -> KeyPlaceTrouble {
    KeyPlaceTrouble(place: name(ofRing: number), error: error)
  }

  private func name(ofRing number: Int) -> String {
    number == 0 ? "ring" : "ring copy \(number)"
  }

  // MARK: Rings

  /// What lies in each place, in their order; nil where a place has no ring or does not answer.
  func read() -> (found: [[UInt8]?], troubles: [KeyPlaceTrouble]) {
    var found: [[UInt8]?] = []
    var troubles: [KeyPlaceTrouble] = []
    for (number, store) in rings.enumerated() {
      do throws(VaultError) {
        found.append(try store.read())
      } catch {
        found.append(nil)
        troubles.append(ringTrouble(number, error))
      }
    }
    if found.contains(where: { $0 != nil }) {
      for (number, bytes) in found.enumerated() where bytes == nil {
        guard !troubles.contains(where: { $0.place == name(ofRing: number) }) else { continue }
        troubles.append(
          ringTrouble(
            number,
            VaultError(
              .notFound, during: "reading the key ring", detail: "no key ring lies there")))
      }
    }
    return (found, troubles)
  }

  /// Puts back what was there before a write that did not reach every place.
  ///
  /// What cannot be put back is a newer ring in one place: the next start takes that, and it is whole.
  func putBack(_ bytes: [UInt8]) {
    var troubles: [KeyPlaceTrouble] = []
    for (number, store) in rings.enumerated() {
      do throws(VaultError) {
        if try store.read() != bytes { try store.replace(with: bytes) }
      } catch {
        troubles.append(ringTrouble(number, error))
      }
    }
    note(troubles)
  }

  /// Writes and reads back: a ring that cannot be read is worth nothing, and this is the last
  /// moment at which the keys are still in memory.
  ///
  /// - Parameters:
  ///   - bytes: the ring.
  ///   - everywhere: whether every place must have it; else one is enough, and the others are troubles.
  /// - Throws: ``VaultError/Code/unavailable`` or ``VaultError/Code/noSpace``.
  func write(_ bytes: [UInt8], everywhere: Bool) throws(VaultError) {
    var troubles: [KeyPlaceTrouble] = []
    for (number, store) in rings.enumerated() {
      do throws(VaultError) {
        try store.replace(with: bytes)
        guard try store.read() == bytes else {
          throw VaultError(.unavailable, during: "reading back the key ring")
        }
      } catch {
        guard !everywhere, rings.count > 1 else { throw error }
        troubles.append(ringTrouble(number, error))
      }
    }
    guard troubles.count < rings.count else { throw troubles[0].error }
    note(troubles)
  }

  // MARK: Anchors

  /// A fresh anchor in every place, beside what is there; nil where none is configured.
  ///
  /// - Parameters:
  ///   - tenant: whose.
  ///   - isConfined: whether no anchor has lain beside the data until now; then none comes to.
  /// - Returns: the anchor, read back in every place.
  /// - Throws: ``VaultError/Code/unavailable``: nothing may be sealed with it.
  func freshAnchor(
    for tenant: Identifier, isConfined: Bool
  ) throws(VaultError) -> RingAnchor? {
    guard !anchors.isEmpty else { return nil }
    if isConfined {
      for place in anchors { try checkMounted(place) }
    }
    let anchor = try RingAnchor(tenant: tenant)
    for place in anchors { try keep(anchor, in: place) }
    return anchor
  }

  /// Refuses a place that has come to lie beside the data: its volume is not mounted, and what would be
  /// written there is in the next backup.
  ///
  /// - Throws: ``VaultError/Code/unavailable``.
  func checkMounted(_ place: any RingAnchorStore) throws(VaultError) {
    guard try place.standing() != .besideTheData else {
      throw VaultError(
        .unavailable, during: "looking at a place of anchors",
        detail: "anchor place \(place.name) lies on the volume of the data: is its own mounted?")
    }
  }

  func keep(_ anchor: RingAnchor, in place: any RingAnchorStore) throws(VaultError) {
    try place.keep(anchor)
    guard let kept = try place.anchor(anchor.id, of: anchor.tenant), kept.isSame(as: anchor) else {
      throw VaultError(.unavailable, during: "reading back a ring's anchor")
    }
  }

  /// The anchor of a ring, from each place that has it.
  func candidates(
    _ id: Identifier, of tenant: Identifier
  ) -> (anchors: [RingAnchor], troubles: [KeyPlaceTrouble]) {
    var found: [RingAnchor] = []
    var troubles: [KeyPlaceTrouble] = []
    for place in anchors {
      do throws(VaultError) {
        guard let anchor = try place.anchor(id, of: tenant) else {
          throw VaultError(
            .notFound, during: "looking for a ring's anchor",
            detail: "the place does not hold the anchor of this ring")
        }
        guard anchor.id == id, anchor.tenant == tenant else {
          throw VaultError(.tampered, during: "looking for a ring's anchor")
        }
        found.append(anchor)
      } catch {
        troubles.append(KeyPlaceTrouble(place: "anchor \(place.name)", error: error))
      }
    }
    return (found, troubles)
  }

  /// Destroys every anchor but one in every place, and looks that it is so.
  ///
  /// - Throws: ``VaultError/Code/unavailable``: then nothing may be called erased.
  func destroyAnchors(but id: Identifier?, of tenant: Identifier) throws(VaultError) {
    for place in anchors {
      try place.destroyAll(but: id, of: tenant)
      guard try place.holdsOnly(id, of: tenant) else {
        throw VaultError(
          .unavailable, during: "destroying a ring's anchor",
          detail: "anchor \(place.name) still holds what should be gone")
      }
    }
  }

  /// Whether keys made under this custodian's root cannot be kept by a backup.
  ///
  /// - Throws: ``VaultError/Code/unavailable`` where a place does not answer.
  func confines(_ record: CustodianRecord) throws(VaultError) -> Bool {
    if record.destruction != .file, anchors.isEmpty { return true }
    return try confinement() == .proven
  }

  /// Whether destroying the anchors destroys what backups hold, and else why not.
  ///
  /// - Throws: ``VaultError/Code/unavailable`` where a place does not answer.
  func confinement() throws(VaultError) -> KeyConfinement {
    guard anchors.count > 1 else {
      return .notProven(
        anchors.isEmpty
          ? "no anchor places are configured" : "only one anchor place is configured")
    }
    var volumes: Set<UInt64> = []
    for place in anchors {
      switch try place.standing() {
      case .dedicated(let volume): volumes.insert(volume)
      case .besideTheData:
        return .notProven("anchor place \(place.name) lies on the volume of the data")
      }
    }
    return volumes.count > 1 ? .proven : .notProven("the anchor places are on one volume")
  }
}

/// Whether a key that is destroyed is gone from backups too.
public enum KeyConfinement: Hashable, Sendable {
  case proven
  /// Why not, in words for an operator.
  case notProven(String)
}

/// A place of the ring or its anchor that is not as it should be.
public struct KeyPlaceTrouble: Sendable {
  /// Such as `ring copy 1` or `anchor /mnt/a`.
  public let place: String
  public let error: VaultError
}

extension RingAnchor {
  func isSame(as other: RingAnchor) -> Bool {
    id == other.id && tenant == other.tenant
      && secret.withSecret { mine in other.secret.withSecret { mine.equals($0) } }
  }
}
