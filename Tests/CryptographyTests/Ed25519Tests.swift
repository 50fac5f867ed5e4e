import Cryptography
import Encoding
import Testing

struct Ed25519Tests {
  // RFC 8032 section 7.1, tests 1 to 3.
  static let published: [(seed: String, key: String, message: String, signature: String)] = [
    (
      "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
      "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", "",
      "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555"
        + "fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b"
    ),
    (
      "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
      "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c", "72",
      "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
        + "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"
    ),
    (
      "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
      "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025", "af82",
      "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac"
        + "18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a"
    ),
  ]

  @Test(arguments: 0..<3)
  func publishedSignaturesHold(index: Int) throws {
    let test = Ed25519Tests.published[index]
    let key = try Ed25519.SigningKey(seed: try secret(test.seed))
    #expect(Hex.encode(key.publicKey.bytes) == test.key)
    let message = try bytes(test.message)
    let signature = try key.sign(message)
    #expect(Hex.encode(signature) == test.signature)
    #expect(key.publicKey.verify(signature: signature, message: message))
  }

  @Test func eachChangedBitIsFound() throws {
    let key = try Ed25519.SigningKey(seed: try SecretBytes.random(count: 32))
    let message = Array("the head of a log".utf8)
    let signature = try key.sign(message)
    for index in signature.indices {
      for bit in 0..<8 {
        var changed = signature
        changed[index] ^= 1 << UInt8(bit)
        #expect(!key.publicKey.verify(signature: changed, message: message))
      }
    }
    #expect(!key.publicKey.verify(signature: signature, message: message + [0]))
    #expect(!key.publicKey.verify(signature: signature, message: Array(message.dropLast())))
    for count in [0, 1, 32, 63] {
      #expect(!key.publicKey.verify(signature: Array(signature[..<count]), message: message))
    }
    #expect(!key.publicKey.verify(signature: signature + [0], message: message))
    let other = try Ed25519.SigningKey(seed: try SecretBytes.random(count: 32))
    #expect(!other.publicKey.verify(signature: signature, message: message))
  }

  /// A signature has one spelling: S + L signs the same message where a reader forgets to check.
  @Test func aSecondSpellingOfSIsRefused() throws {
    let order = try bytes("edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010")
    for test in Ed25519Tests.published {
      let key = try #require(Ed25519.PublicKey(bytes: try bytes(test.key)))
      var signature = try bytes(test.signature)
      var carry = 0
      for index in 0..<32 {
        let sum = Int(signature[32 + index]) + Int(order[index]) + carry
        signature[32 + index] = UInt8(truncatingIfNeeded: sum)
        carry = sum >> 8
      }
      #expect(carry == 0)
      #expect(!key.verify(signature: signature, message: try bytes(test.message)))
    }
  }

  // With A of small order, R = B and S = 1 satisfies the equation for eight messages in eight or one.
  @Test(arguments: [
    "0100000000000000000000000000000000000000000000000000000000000000",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0000000000000000000000000000000000000000000000000000000000000080",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
    // The same points spelled with y ≥ p.
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
  ])
  func aKeyOrRThatFitsAnyMessageIsRefused(point: String) throws {
    let base = try bytes("5866666666666666666666666666666666666666666666666666666666666666")
    let one = [1] + [UInt8](repeating: 0, count: 31)
    let weak = try bytes(point)
    let key = try #require(Ed25519.PublicKey(bytes: weak))
    for message in 0..<16 as Range<UInt8> {
      #expect(!key.verify(signature: base + one, message: [message]))
      #expect(
        !key.verify(signature: weak + [UInt8](repeating: 0, count: 32), message: [message]))
    }
    let sound = try Ed25519.SigningKey(seed: try SecretBytes.random(count: 32)).publicKey
    #expect(!sound.verify(signature: weak + one, message: []))
  }

  @Test func otherLengthsAreRefused() throws {
    #expect(Ed25519.PublicKey(bytes: [UInt8](repeating: 0, count: 31)) == nil)
    #expect(Ed25519.PublicKey(bytes: [UInt8](repeating: 0, count: 33)) == nil)
    for count in [31, 33, 64] {
      let seed = try SecretBytes.random(count: count)
      expectRefusal(.invalidInput) { _ = try Ed25519.SigningKey(seed: seed) }
    }
  }
}
