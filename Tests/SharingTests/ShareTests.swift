import Cryptography
import Testing

@testable import SecretSharing

struct ShareTests {
  @Test(arguments: [(2, 3), (3, 5), (5, 5), (1, 1), (16, 16)])
  func anyThresholdOfThemBringsItBack(threshold: Int, count: Int) throws {
    let secret = try SecretBytes.random(count: 32)
    let shares = try Share.split(secret, threshold: threshold, count: count)
    #expect(shares.count == count)
    // By their words, as they come from paper.
    let read = try shares.map { try share(text($0.text())) }
    for start in 0...count - threshold {
      let some = Array(read[start..<start + threshold].reversed())
      let back = try Share.combine(some)
      let same = back.equals(secret)
      #expect(same)
      guard threshold > 1 else { continue }
      #expect(refusal { _ = try Share.combine(Array(some.dropLast())) } == .tooFew(missing: 1))
    }
    let all = try Share.combine(read)
    let same = all.equals(secret)
    #expect(same)
  }

  @Test func aShareOfAnotherCeremonyIsNotMixedIn() throws {
    let secret = try SecretBytes.random(count: 32)
    let one = try Share.split(secret, threshold: 2, count: 3)
    var other = try Share.split(secret, threshold: 2, count: 3)
    while other[0].ceremony == one[0].ceremony {
      other = try Share.split(secret, threshold: 2, count: 3)
    }
    #expect(refusal { _ = try Share.combine([one[0], other[1]]) } == .otherCeremony)
    #expect(refusal { _ = try Share.combine([one[0], one[0]]) } == .duplicate)
    #expect(refusal { _ = try Share.combine([]) } == .tooFew(missing: 1))
    // Forged to look like one of the ceremony: the digest tells.
    let forged = Share(
      one[0].ceremony, group: 0, member: 1, threshold: 2,
      value: SharedSecret(try SecretBytes.random(count: 32)))
    #expect(refusal { _ = try Share.combine([one[0], forged]) } == .mismatch)
    #expect(refusal { _ = try Share.combine([one[0], one[2], forged]) } == .mismatch)
  }

  @Test func everyMisreadWordIsNoticed() throws {
    let made = try Share.split(try SecretBytes.random(count: 32), threshold: 2, count: 2)
    let words = text(try made[0].text()).split(separator: " ").map(String.init)
    for place in words.indices {
      var wrong = words
      wrong[place] = words[place] == "academic" ? "acid" : "academic"
      #expect(refusal { _ = try share(wrong.joined(separator: " ")) } == .checksum)
      wrong[place] = "callvault"
      #expect(
        refusal { _ = try share(wrong.joined(separator: " ")) } == .unknownWord(place + 1))
      var swapped = words
      if place > 0, words[place] != words[place - 1] {
        swapped.swapAt(place, place - 1)
        #expect(refusal { _ = try share(swapped.joined(separator: " ")) } == .checksum)
      }
    }
    let shown = words.joined(separator: "\r\n\t ").uppercased()
    #expect(try share(shown).isSame(as: made[0]))
    #expect(try !share(shown).isSame(as: made[1]))
  }

  @Test(arguments: [(0, 1), (1, 2), (3, 2), (2, 17), (17, 17)])
  func numbersOutOfBoundsAreRefused(threshold: Int, count: Int) throws {
    let secret = try SecretBytes.random(count: 32)
    #expect(
      refusal { _ = try Share.split(secret, threshold: threshold, count: count) } == .outOfBounds)
  }

  @Test func theFieldIsRijndaels() {
    #expect(GaloisField.multiply(0x57, 0x83) == 0xC1)
    #expect(GaloisField.multiply(0x57, 0x13) == 0xFE)
    for value in 1...UInt8.max {
      #expect(GaloisField.multiply(value, GaloisField.inverse(value)) == 1)
    }
    #expect(GaloisField.inverse(0) == 0)
  }

  /// RFC 7914, 11, and 4096 rounds that Python's hashlib gave.
  @Test func passwordsAreDerivedAsPublished() throws {
    let derive = { (password: String, salt: String, rounds: Int, count: Int) throws in
      hex(
        try PBKDF2.derive(
          password: try SecretBytes(copying: Array(password.utf8)),
          salt: try SecretBytes(copying: Array(salt.utf8)), iterations: rounds, count: count))
    }
    #expect(
      try derive("passwd", "salt", 1, 32)
        == "55ac046e56e3089fec1691c22544b605f94185216dde0465e68b9d57c20dacbc")
    #expect(
      try derive("password", "salt", 4096, 32)
        == "c5e478d59288c841aa530db6845c4c8d962893a001ce4e11a4963873aa98134a")
  }

  private func refusal(_ body: () throws -> Void) -> ShareError.Code? {
    do {
      try body()
      return nil
    } catch {
      return (error as? ShareError)?.code
    }
  }
}
