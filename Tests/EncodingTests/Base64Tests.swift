import Encoding
import Testing

struct Base64Tests {
  // RFC 4648 section 10, and the two alphabets' last digits.
  @Test(arguments: [
    ("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg=="),
    ("fooba", "Zm9vYmE="), ("foobar", "Zm9vYmFy"),
  ])
  func theRFCsExamplesReadBothWays(plain: String, encoded: String) {
    #expect(Base64.encode(plain.utf8) == encoded)
    #expect(Base64.decode(encoded) == Array(plain.utf8))
    let unpadded = String(encoded.prefix { $0 != "=" })
    #expect(Base64.encodeURL(plain.utf8) == unpadded)
    #expect(Base64.decodeURL(unpadded) == Array(plain.utf8))
  }

  @Test func eachAlphabetKeepsToItself() {
    let bytes: [UInt8] = [0xFB, 0xEF, 0xFF]
    #expect(Base64.encode(bytes) == "++//")
    #expect(Base64.encodeURL(bytes) == "--__")
    #expect(Base64.decode("--__") == nil)
    #expect(Base64.decodeURL("++//") == nil)
  }

  @Test(arguments: [
    "Zg", "Zg=", "Zg===", "Z===", "====", "=", "Zh==", "Zm9=", "Zm9v====", "Zm 9v", "Zm9v\n",
    " Zm9v", "Zg==Zg==", "Z=g=", "Zm9vé", "Zm9v=",
  ])
  func aSecondSpellingIsRefused(text: String) {
    #expect(Base64.decode(text) == nil)
  }

  @Test(arguments: ["Z", "Zg==", "Zh", "Zm9", "Zm9vY", "Zm9v\n"])
  func aSecondURLSpellingIsRefused(text: String) {
    #expect(Base64.decodeURL(text) == nil)
  }

  @Test func everyLengthComesBack() {
    for count in 0..<100 {
      let bytes = (0..<count).map { _ in UInt8.random(in: .min ... .max) }
      #expect(Base64.decode(Base64.encode(bytes)) == bytes)
      #expect(Base64.decodeURL(Base64.encodeURL(bytes)) == bytes)
    }
  }
}

struct HexTests {
  @Test func bytesComeBack() {
    let bytes = (0...255).map { UInt8($0) }
    #expect(Hex.decode(Hex.encode(bytes)) == bytes)
    #expect(Hex.encode([0x00, 0x0F, 0xA0, 0xFF]) == "000fa0ff")
  }

  @Test(arguments: ["0", "0G", "FF", "0x", " 00", "00 ", "é0"])
  func aSecondSpellingIsRefused(text: String) {
    #expect(Hex.decode(text) == nil)
  }
}
