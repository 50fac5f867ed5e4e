import Cryptography
import Encoding
import Testing
import Vault

struct TinkVectorTests {
  @Test(arguments: ["tink-4k.json", "tink-64k.json", "tink-1m.json"])
  func tinksObjectsAreOursToTheByte(file: String) throws {
    let vectors = try TinkVector.load(file)
    #expect(vectors.count >= 7)
    for vector in vectors {
      let key = try SecretBytes(copying: try #require(Hex.decode(vector.keyHex)))
      let aad = try #require(Hex.decode(vector.aadHex))
      let plaintext = try #require(vector.plainBytes())
      let header = try #require(vector.header)
      let salt = try #require(Hex.decode(header.saltHex))
      let noncePrefix = try #require(Hex.decode(header.noncePrefixHex))
      let object = try seal(
        plaintext, key: key, aad: aad, segmentSize: vector.segmentSize,
        header: try #require(EnvelopeHeader(salt: salt, noncePrefix: noncePrefix)))
      #expect(SHA256.hash(object).hex == vector.ciphertextSha256, "\(vector)")
      if let stored = vector.ciphertextHex { #expect(Hex.encode(object) == stored, "\(vector)") }
      let opened = try Envelope.open(
        object, key: key, associatedData: aad, segmentSize: vector.segmentSize)
      #expect(opened == plaintext, "\(vector)")
      #expect(SHA256.hash(opened).hex == vector.plaintextSha256, "\(vector)")
    }
  }

  /// The example of `Documentation/formats/envelope.md`.
  @Test func theFormatPagesExampleOpens() throws {
    let key = try SecretBytes(
      copying: try #require(
        Hex.decode("a1a5f3ff90415167b452e50bcc69cf8e4fe77209423eb43ff13ee3e89371b042")))
    let aad =
      "callvault/v1|tenant=64a96364-bc56-4c9f-921d-52942d3d89ae"
      + "|call=7c542a75-ccf3-49a9-ac9a-63939bdfd52c|part=recording-1/1"
    let object = try #require(
      Hex.decode(
        "289f81f52b6b5a2f84993346881ea0570e6837c646fe5c9801c246abfb1fc76b331e822b57cf1bd2"
          + "aa930ce7c2fe236eeaf0a133ac9651a6f546"))
    let opened = try Envelope.open(
      object, key: key, associatedData: Array(aad.utf8), segmentSize: 65_536)
    #expect(opened == Array("hi".utf8))
  }

  /// An empty segment after a full one opens in Tink, which never writes it: here it is refused like
  /// the rest, because one plaintext must not have two objects.
  @Test func damagedObjectsAreRefused() throws {
    let vectors = try TinkVector.load("tink-bad.json")
    #expect(vectors.count >= 32)
    for vector in vectors {
      let object = try #require(vector.ciphertextHex.flatMap { Hex.decode($0) })
      let key = try SecretBytes(copying: try #require(Hex.decode(vector.keyHex)))
      let aad = try #require(Hex.decode(vector.aadHex))
      #expect(vector.result == "invalid" || vector.id.contains("noncanonical"), "\(vector)")
      expectRefusal(.tampered, "\(vector)") {
        _ = try Envelope.open(
          object, key: key, associatedData: aad, segmentSize: vector.segmentSize)
      }
    }
  }
}

/// Seals in one feed with everything given.
func seal(
  _ plaintext: [UInt8], key: borrowing SecretBytes, aad: [UInt8], segmentSize: Int,
  header: EnvelopeHeader
) throws -> [UInt8] {
  var object: [UInt8] = []
  var sealer = try EnvelopeSealer(
    key: key, associatedData: aad, segmentSize: segmentSize, header: header)
  try sealer.seal(plaintext.span, into: &object)
  try sealer.finish(into: &object)
  return object
}

/// Expects a refusal with this code; for calls that lend a value with one owner.
func expectRefusal(
  _ code: VaultError.Code, _ comment: @autoclosure () -> Comment? = nil,
  sourceLocation: SourceLocation = #_sourceLocation, of body: () throws -> Void
) {
  do {
    try body()
    Issue.record(
      "expected \(code), but nothing was thrown: \(comment()?.description ?? "")",
      sourceLocation: sourceLocation)
  } catch {
    #expect(
      (error as? VaultError)?.code == code, comment() ?? "\(error)",
      sourceLocation: sourceLocation)
  }
}
