import Cryptography
import Encoding
import Testing

struct KeyDerivationTests {
  // RFC 5869 appendix A, test cases 1 to 3.
  @Test(arguments: [
    (
      String(repeating: "0b", count: 22), "000102030405060708090a0b0c", "f0f1f2f3f4f5f6f7f8f9",
      "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865"
    ),
    (
      Hex.encode(0x00...0x4F), Hex.encode(0x60...0xAF), Hex.encode(0xB0...0xFF),
      "b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c59045a99cac7827271cb41c65e"
        + "590e09da3275600c2f09b8367793a9aca3db71cc30c58179ec3e87c14c01d5c1f3434f1d87"
    ),
    (
      String(repeating: "0b", count: 22), "", "",
      "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8"
    ),
  ])
  func publishedKeysAreDerived(input: String, salt: String, info: String, key: String) throws {
    let derived = try HKDFSHA256.derive(
      input: try secret(input), salt: try bytes(salt), info: try bytes(info),
      count: key.utf8.count / 2)
    #expect(Hex.encode(exposed(derived)) == key)
  }

  @Test func boundsOfDerivationHold() throws {
    let input = try SecretBytes.random(count: 32)
    for count in [0, -1, 8161, Int.max] {
      expectRefusal(.invalidInput) {
        _ = try HKDFSHA256.derive(input: input, salt: [], info: [], count: count)
      }
    }
    #expect(try HKDFSHA256.derive(input: input, salt: [], info: [], count: 8160).count == 8160)
    expectRefusal(.invalidInput) {
      let long = [UInt8](repeating: 0, count: 1025)
      _ = try HKDFSHA256.derive(input: input, salt: [], info: long, count: 32)
    }
    let longest = [UInt8](repeating: 0, count: 1024)
    _ = try HKDFSHA256.derive(input: input, salt: longest, info: longest, count: 32)
  }

  // Made with another program's Argon2id (python cryptography 48.0.0 over OpenSSL): one lane.
  @Test(arguments: [
    (
      "password", "736f6d6573616c74736f6d6573616c74", 2, 65_536,
      "fc33b78139231d34b71626bd6245c1d72efa190ad605c3d8166a72adcedfa2c2"
    ),
    (
      "correct horse", "000102030405060708090a0b0c0d0e0f", 3, 256,
      "928e845e2b0856fa38132425b2bb84d01eb207423aa1d9e72d4f33608481c2e5"
        + "1208ec6b8ae94a301b5dc35040a5f15986f8c572311b468a044fc517438584dc"
    ),
  ])
  func knownPassphrasesGiveKnownKeys(
    passphrase: String, salt: String, operations: Int, memoryKiB: Int, key: String
  ) throws {
    let derived = try Argon2id.derive(
      passphrase: try SecretBytes(copying: Array(passphrase.utf8)), salt: try bytes(salt),
      operations: operations, memoryKiB: memoryKiB, count: key.utf8.count / 2)
    #expect(Hex.encode(exposed(derived)) == key)
  }

  @Test(arguments: [
    (15, 1, 8, 32), (17, 1, 8, 32), (16, 0, 8, 32), (16, 17, 8, 32), (16, 1, 7, 32),
    (16, 1, 1_048_577, 32), (16, 1, .max, 32), (16, .max, 8, 32), (16, 1, 8, 15), (16, 1, 8, 65),
  ])
  func aCostBeyondTheBoundsIsRefused(
    salt: Int, operations: Int, memoryKiB: Int, count: Int
  ) throws {
    let passphrase = try SecretBytes(copying: [1])
    expectRefusal(.invalidInput) {
      _ = try Argon2id.derive(
        passphrase: passphrase, salt: [UInt8](repeating: 0, count: salt),
        operations: operations, memoryKiB: memoryKiB, count: count)
    }
  }
}
