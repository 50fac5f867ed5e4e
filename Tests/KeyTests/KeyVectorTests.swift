import ConformanceSuites
import Cryptography
import Drivers
import Encoding
import Testing

@testable import Audit
@testable import Vault

/// An implementation of its own, made from the format pages, agrees to the byte.
struct KeyVectorTests {
  @Test func partKeysAgree() throws {
    let vectors = try KeyVectors.load().partKeys
    #expect(vectors.count == 14)
    for vector in vectors {
      let tenant = try #require(Identifier(vector.tenant))
      let call = try #require(Identifier(vector.call))
      let part = try #require(CallPart(vector.part))
      let address = try #require(
        PartAddress(tenant: tenant, call: call, part: part, generation: vector.generation))
      #expect(address.description == vector.aad)
      let key = try PartKey(
        derivedFrom: try SecretBytes(copying: try bytes(vector.dek)), id: .random(), at: address,
        mayLeave: true)
      #expect(Hex.encode(try key.exported()) == vector.pk)
    }
  }

  @Test func wrapRecordsAgree() throws {
    let vectors = try KeyVectors.load().wraps
    #expect(vectors.count == 10)
    for vector in vectors {
      let kek = KeyEncryptionKey(
        tenant: try #require(Identifier(vector.tenant)), id: try #require(Identifier(vector.kekId)),
        epoch: vector.epoch,
        secret: SharedSecret(try SecretBytes(copying: try bytes(vector.kek))))
      let record = try WrapRecord(parsing: try bytes(vector.record))
      #expect(Hex.encode(record.encoded) == vector.record)
      #expect(record.keyID.description == vector.keyId)
      let use = try #require(WrapRecord.Use(rawValue: vector.use))
      let key = try record.open(
        as: use, ownedBy: try #require(Identifier(vector.owner)), under: kek)
      #expect(Hex.encode(exposed(key)) == vector.key)
    }
  }

  @Test func indexTokensAgree() throws {
    let vectors = try KeyVectors.load().tokens
    #expect(vectors.count == 5)
    for vector in vectors {
      let key = RingState.LiveKey(
        id: .random(), secret: SharedSecret(try SecretBytes(copying: try bytes(vector.key))))
      let token = try KeyRing.lookupToken(
        try #require(LookupToken.Field(rawValue: vector.field)), of: try bytes(vector.value),
        under: key)
      #expect(Hex.encode(token.value) == vector.token)
      #expect(token.key == key.id)
    }
  }

  @Test func ringFilesAgree() throws {
    let vectors = try KeyVectors.load().rings
    #expect(vectors.count == 3)
    for vector in vectors {
      let custodian: any KeyCustodian =
        if let passphrase = vector.passphrase {
          KeyFileCustodian(passphrase: try SecretBytes(copying: Array(passphrase.utf8)))
        } else {
          GivenCustodian(try bytes(vector.root))
        }
      let file = try bytes(vector.file)
      let anchor = try vector.anchor.map { hex in
        try RingAnchor(parsing: try SecretBytes(copying: try bytes(hex)))
      }
      let ring = try KeyRing.open(
        custodian: custodian, store: RingInMemory(file),
        anchors: anchor.map { [GivenAnchor(anchor: $0)] } ?? [])
      let facts = try ring.facts()
      #expect(ring.tenant.description == vector.tenant)
      #expect(facts.generation == vector.generation)
      #expect(facts.kekID.description == vector.kekId)
      #expect(facts.tombstones == 1)
      #expect(Hex.encode(exposed(try ring.logSigningSeed())) == vector.keys["5"]?.key)
      #expect(try ring.lookupToken(.party, of: []).key.description == vector.keys["2"]?.id)
      let opening = vector.opening
      let address = OpeningAddress(
        entry: try #require(Identifier(opening.entry)),
        field: try #require(CommitField(rawValue: opening.field)),
        time: Timestamp(milliseconds: opening.time))
      let opened = try ring.open(try bytes(opening.sealed), at: address)
      #expect(Hex.encode(opened) == opening.value)

      // What is written from what was read is the same file.
      let keys = try RingKeys(
        root: SharedSecret(try SecretBytes(copying: try bytes(vector.root))), anchor: anchor,
        generation: vector.generation)
      let contents = try UnverifiedRing(parsing: file).verified(by: keys)
      #expect(try contents.sealed(by: keys) == file)
    }
  }
}

/// A place that holds one anchor for ever.
private struct GivenAnchor: RingAnchorStore {
  let anchor: RingAnchor
  var name: String { "given" }

  func standing() throws(VaultError) -> RingAnchorStanding { .dedicated(volume: 1) }
  func anchor(_ id: Identifier, of tenant: Identifier) throws(VaultError) -> RingAnchor? {
    anchor.id == id ? anchor : nil
  }
  func keep(_ anchor: RingAnchor) throws(VaultError) {}
  func destroyAll(but id: Identifier?, of tenant: Identifier) throws(VaultError) {}
  func holdsOnly(_ id: Identifier?, of tenant: Identifier) throws(VaultError) -> Bool {
    id == anchor.id
  }
}
