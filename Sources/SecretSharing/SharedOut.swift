public import Cryptography

extension Share {
  /// A random secret that can be shared out.
  ///
  /// - Throws: ``ShareError/Code/libraryFailure`` when no memory can be locked.
  public static func freshSecret(of count: Int) throws(ShareError) -> SecretBytes {
    do throws(CryptographyError) {
      return try SecretBytes.random(count: count)
    } catch {
      throw ShareError(.libraryFailure, cause: error)
    }
  }

  /// Shares a secret out among `count` persons, any `threshold` of whom can bring it back.
  ///
  /// One group, as SLIP-0039 calls it; the passphrase is empty.
  ///
  /// - Parameters:
  ///   - secret: 16, 18, … 64 bytes.
  ///   - threshold: 1…`count`; with 1 all shares say the same.
  ///   - count: 1…16.
  /// - Returns: the shares, by their numbers.
  /// - Throws: ``ShareError/Code/outOfBounds``, ``ShareError/Code/libraryFailure``.
  public static func split(
    _ secret: borrowing SecretBytes, threshold: Int, count: Int
  ) throws(ShareError) -> [Share] {
    // With a threshold of one every sheet would be the whole secret, and no digest would vouch for it.
    guard
      (1...16).contains(count), (1...count).contains(threshold), threshold > 1 || count == 1,
      (16...64).contains(secret.count), secret.count.isMultiple(of: 2)
    else { throw ShareError(.outOfBounds) }
    let random: [UInt8]
    do throws(CryptographyError) {
      random = try Random.bytes(2)
    } catch {
      throw ShareError(.libraryFailure, cause: error)
    }
    let ceremony = Ceremony(
      identifier: (UInt16(random[0]) << 8 | UInt16(random[1])) & 0x7FFF, isExtendable: true,
      iterationExponent: 1)
    let hidden = try ShareCipher(ceremony, passphrase: nil).encrypt(secret)
    return try Polynomials.share(SharedSecret(hidden), threshold: threshold, count: count)
      .enumerated().map { place, value in
        Share(
          ceremony, group: 0, member: UInt8(place), threshold: UInt8(threshold), value: value)
      }
  }

  /// Brings a secret back.
  ///
  /// More shares than needed may be given; all of them must fit.
  ///
  /// - Parameters:
  ///   - shares: of one ceremony.
  ///   - passphrase: printable ASCII; nil for none. A wrong one gives another secret, which nothing here notices.
  /// - Returns: the secret.
  /// - Throws: ``ShareError``: ``ShareError/Code/otherCeremony``, ``ShareError/Code/duplicate``,
  ///   ``ShareError/Code/tooFew(missing:)``, ``ShareError/Code/mismatch``.
  public static func combine(
    _ shares: [Share], passphrase: SharedSecret? = nil
  ) throws(ShareError) -> SecretBytes {
    guard let first = shares.first else { throw ShareError(.tooFew(missing: 1)) }
    guard
      shares.allSatisfy({
        $0.ceremony == first.ceremony && $0.value.count == first.value.count
      })
    else { throw ShareError(.otherCeremony) }
    var groups: [UInt8: [Share]] = [:]
    for share in shares {
      let group = groups[share.groupIndex, default: []]
      guard group.first.map({ $0.memberThreshold == share.memberThreshold }) ?? true else {
        throw ShareError(.otherCeremony)
      }
      guard !group.contains(where: { $0.memberIndex == share.memberIndex }) else {
        throw ShareError(.duplicate)
      }
      groups[share.groupIndex] = group + [share]
    }
    var points: [(x: UInt8, value: SharedSecret)] = []
    var missing = 0
    for (index, group) in groups.sorted(by: { $0.key < $1.key }) {
      let lacking = Int(group[0].memberThreshold) - group.count
      guard lacking <= 0 else {
        missing += lacking
        continue
      }
      let value = try Polynomials.secret(
        of: group.map { ($0.memberIndex, $0.value) }, threshold: Int(group[0].memberThreshold))
      points.append((index, value))
    }
    let threshold = Int(first.ceremony.groupThreshold)
    guard points.count >= threshold else {
      throw ShareError(.tooFew(missing: max(missing, threshold - points.count)))
    }
    let hidden = try Polynomials.secret(of: points, threshold: threshold)
    return try hidden.withSecret { (hidden) throws(ShareError) in
      try ShareCipher(first.ceremony, passphrase: passphrase).decrypt(hidden)
    }
  }

  /// Whether two shares are one, in time that depends on their lengths only.
  public func isSame(as other: Share) -> Bool {
    ceremony == other.ceremony && groupIndex == other.groupIndex
      && memberIndex == other.memberIndex && memberThreshold == other.memberThreshold
      && value.withBytes { value in other.value.withBytes { constantTimeEqual(value, $0) } }
  }
}
