import Cryptography
import Encoding
import Testing

struct AES256GCMTests {
  // McGrew and Viega, "The Galois/Counter Mode of Operation", test cases 13 to 16.
  static let published: [(key: String, nonce: String, aad: String, plain: String, sealed: String)] =
    [
      (
        String(repeating: "00", count: 32), String(repeating: "00", count: 12), "", "",
        "530f8afbc74536b9a963b4f1c4cb738b"
      ),
      (
        String(repeating: "00", count: 32), String(repeating: "00", count: 12), "",
        String(repeating: "00", count: 16),
        "cea7403d4d606b6e074ec5d3baf39d18d0d1c8a799996bf0265b98b5d48ab919"
      ),
      (
        "feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308",
        "cafebabefacedbaddecaf888", "",
        "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72"
          + "1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b391aafd255",
        "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa"
          + "8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662898015ad"
          + "b094dac5d93471bdec1a502270e3cc6c"
      ),
      (
        "feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308",
        "cafebabefacedbaddecaf888", "feedfacedeadbeeffeedfacedeadbeefabaddad2",
        "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72"
          + "1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39",
        "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa"
          + "8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662"
          + "76fc6ece0f4e1768cddf8853bb2d551b"
      ),
    ]

  @Test(arguments: 0..<4)
  func publishedCasesHold(index: Int) throws {
    let test = AES256GCMTests.published[index]
    let key = try secret(test.key)
    let (nonce, aad) = (try bytes(test.nonce), try bytes(test.aad))
    let sealed = try AES256GCM.seal(try bytes(test.plain), key: key, nonce: nonce, aad: aad)
    #expect(Hex.encode(sealed) == test.sealed)
    #expect(
      Hex.encode(try AES256GCM.open(sealed, key: key, nonce: nonce, aad: aad)) == test.plain)
  }

  @Test func eachChangedBitIsFound() throws {
    let key = try SecretBytes.random(count: 32)
    let nonce = try Random.bytes(12)
    let aad = Array("callvault".utf8)
    let plaintext = try Random.bytes(33)
    let sealed = try AES256GCM.seal(plaintext, key: key, nonce: nonce, aad: aad)
    for index in sealed.indices {
      for bit in 0..<8 {
        var changed = sealed
        changed[index] ^= 1 << UInt8(bit)
        expectRefusal(.notAuthentic) {
          try AES256GCM.open(changed, key: key, nonce: nonce, aad: aad)
        }
      }
    }
    for index in nonce.indices {
      var changed = nonce
      changed[index] ^= 0x80
      expectRefusal(.notAuthentic) {
        try AES256GCM.open(sealed, key: key, nonce: changed, aad: aad)
      }
    }
    for other in [[], Array("callvaulT".utf8), aad + [0], Array(aad.dropLast())] {
      expectRefusal(.notAuthentic) {
        try AES256GCM.open(sealed, key: key, nonce: nonce, aad: other)
      }
    }
    for count in 0..<sealed.count {
      expectRefusal(.notAuthentic) {
        try AES256GCM.open(Array(sealed[..<count]), key: key, nonce: nonce, aad: aad)
      }
    }
    expectRefusal(.notAuthentic) {
      try AES256GCM.open(sealed + [0], key: key, nonce: nonce, aad: aad)
    }
    let otherKey = try SecretBytes.random(count: 32)
    expectRefusal(.notAuthentic) {
      try AES256GCM.open(sealed, key: otherKey, nonce: nonce, aad: aad)
    }
  }

  // GCM allows other lengths; this project does not, because they change the counter's start.
  @Test(arguments: [0, 1, 8, 11, 13, 16, 64])
  func anotherNonceLengthIsRefused(count: Int) throws {
    let key = try SecretBytes.random(count: 32)
    let nonce = [UInt8](repeating: 1, count: count)
    expectRefusal(.invalidInput) { try AES256GCM.seal([1], key: key, nonce: nonce) }
    expectRefusal(.invalidInput) {
      try AES256GCM.open([UInt8](repeating: 0, count: 17), key: key, nonce: nonce)
    }
  }

  @Test(arguments: [1, 16, 24, 31, 33, 64])
  func anotherKeyLengthIsRefused(count: Int) throws {
    let key = try SecretBytes.random(count: count)
    expectRefusal(.invalidInput) {
      try AES256GCM.seal([], key: key, nonce: [UInt8](repeating: 0, count: 12))
    }
  }

  @Test func aRefusedBufferHoldsNoPlaintext() throws {
    let key = try SecretBytes.random(count: 32)
    let nonce = try Random.bytes(12)
    var buffer = try AES256GCM.seal(
      [UInt8](repeating: 0x41, count: 100), key: key, nonce: nonce)
    buffer[100] ^= 1
    var cipher = try AES256GCM(key: key)
    do throws(CryptographyError) {
      var span = buffer.mutableSpan
      try cipher.openInPlace(&span, nonce: nonce.span)
      Issue.record("a changed tag was accepted")
    } catch {
      #expect(error.code == .notAuthentic)
    }
    #expect(buffer.allSatisfy { $0 == 0 })
  }

  @Test func oneContextServesManySegmentsBothWays() throws {
    let key = try SecretBytes.random(count: 32)
    var cipher = try AES256GCM(key: key)
    for index in 0..<50 {
      var nonce = [UInt8](repeating: 0, count: 12)
      nonce[11] = UInt8(index)
      let plaintext = try Random.bytes(index * 7)
      var buffer = plaintext + [UInt8](repeating: 0, count: 16)
      var span = buffer.mutableSpan
      try cipher.sealInPlace(&span, nonce: nonce.span)
      #expect(buffer == (try AES256GCM.seal(plaintext, key: key, nonce: nonce)))

      // A refusal in between must not spoil the context.
      var changed = buffer
      changed[0] ^= 1
      do throws(CryptographyError) {
        var changedSpan = changed.mutableSpan
        try cipher.openInPlace(&changedSpan, nonce: nonce.span)
        Issue.record("a changed byte was accepted")
      } catch {
        #expect(error.code == .notAuthentic)
      }
      var again = buffer.mutableSpan
      try cipher.openInPlace(&again, nonce: nonce.span)
      #expect(Array(buffer.dropLast(16)) == plaintext)
    }
  }

  @Test func aKeyTravelsFromSecretToSecret() throws {
    let wrapping = try SecretBytes.random(count: 32)
    let key = try SecretBytes.random(count: 32)
    let nonce = try Random.bytes(12)
    var cipher = try AES256GCM(key: wrapping)
    let sealed = try key.withBytes { (bytes: RawSpan) throws(CryptographyError) in
      try cipher.seal(bytes, nonce: nonce.span)
    }
    let opened = try SecretBytes(count: 32) {
      (output: inout MutableRawSpan) throws(CryptographyError) in
      try cipher.open(sealed.span, nonce: nonce.span, into: &output)
    }
    let same = opened.equals(key)
    #expect(same)
  }
}
