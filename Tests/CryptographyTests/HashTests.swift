import Cryptography
import Encoding
import Testing

struct HashTests {
  // The examples of RFC 6234, its million a's among them.
  @Test(arguments: [
    ("", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
    ("abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
    (
      "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
      "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"
    ),
    (
      String(repeating: "a", count: 1_000_000),
      "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"
    ),
  ])
  func publishedDigestsHold(message: String, digest: String) {
    #expect(SHA256.hash(Array(message.utf8)).hex == digest)
    #expect(SHA256Digest(hex: digest)?.hex == digest)
  }

  @Test func everySplitGivesTheSameDigest() throws {
    let message = (0..<200).map { UInt8($0) }
    let whole = SHA256.hash(message)
    for split in 0...message.count {
      var hasher = try SHA256Hasher()
      hasher.update(Array(message[..<split]))
      hasher.update(message.span.extracting(split..<message.count))
      #expect(hasher.finalize() == whole)
    }
    var byByte = try SHA256Hasher()
    for byte in message { byByte.update([byte]) }
    #expect(byByte.finalize() == whole)
    #expect(try SHA256Hasher().finalize() == SHA256.hash([UInt8]()))
  }

  @Test func aDigestHasThirtyTwoBytesInLowerCase() {
    #expect(SHA256Digest(bytes: [UInt8](repeating: 0, count: 31)) == nil)
    #expect(SHA256Digest(bytes: [UInt8](repeating: 0, count: 33)) == nil)
    #expect(SHA256Digest(hex: String(repeating: "AB", count: 32)) == nil)
  }

  // RFC 4231 sections 4.2 to 4.8, without 4.6, which truncates.
  static let messageCodes: [(key: [UInt8], message: String, code: String)] = [
    (
      [UInt8](repeating: 0x0B, count: 20), "Hi There",
      "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"
    ),
    (
      Array("Jefe".utf8), "what do ya want for nothing?",
      "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
    ),
    (
      [UInt8](repeating: 0xAA, count: 131),
      "Test Using Larger Than Block-Size Key - Hash Key First",
      "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"
    ),
    (
      [UInt8](repeating: 0xAA, count: 131),
      "This is a test using a larger than block-size key and a larger than block-size data. "
        + "The key needs to be hashed before being used by the HMAC algorithm.",
      "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2"
    ),
  ]

  @Test(arguments: 0..<4)
  func publishedMessageCodesHold(index: Int) throws {
    let test = HashTests.messageCodes[index]
    #expect(Hex.encode(try code(of: Array(test.message.utf8), key: test.key)) == test.code)
  }

  @Test func publishedMessageCodesOfBytesHold() throws {
    let ddd = try code(
      of: [UInt8](repeating: 0xDD, count: 50), key: [UInt8](repeating: 0xAA, count: 20))
    #expect(
      Hex.encode(ddd) == "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe")
    let counted = try code(
      of: [UInt8](repeating: 0xCD, count: 50), key: (1...25).map { UInt8($0) })
    #expect(
      Hex.encode(counted) == "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b")
  }

  private func code(of message: [UInt8], key: [UInt8]) throws -> [UInt8] {
    let key = try SecretBytes(copying: key)
    return try key.withBytes { (key: RawSpan) throws(CryptographyError) in
      try HMACSHA256.authenticate(message, key: key)
    }
  }

  @Test func comparisonLooksAtEveryByte() {
    let bytes = (0..<32).map { UInt8($0) }
    #expect(constantTimeEqual(bytes, bytes))
    #expect(constantTimeEqual([UInt8](), []))
    #expect(!constantTimeEqual(bytes, Array(bytes.dropLast())))
    for index in bytes.indices {
      var other = bytes
      other[index] ^= 1
      #expect(!constantTimeEqual(bytes, other))
    }
  }
}
