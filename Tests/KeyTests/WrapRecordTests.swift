import Cryptography
import Encoding
import Testing

@testable import Vault

struct WrapRecordTests {
  private func kek(_ tenant: Identifier, epoch: UInt32 = 1) throws -> KeyEncryptionKey {
    KeyEncryptionKey(
      tenant: tenant, id: .random(), epoch: epoch,
      secret: SharedSecret(try SecretBytes.random(count: 32)))
  }

  @Test func aRecordOpensInItsOwnRowOnly() throws {
    let owner = Identifier.random()
    let kek = try kek(.random())
    let key = try SecretBytes.random(count: 32)
    let record = try WrapRecord(key, id: .random(), use: .call, ownedBy: owner, under: kek)
    let opened = try record.open(as: .call, ownedBy: owner, under: kek)
    let same = opened.equals(key)
    #expect(same)

    let otherEpoch = KeyEncryptionKey(
      tenant: kek.tenant, id: kek.id, epoch: 2, secret: kek.secret)
    let otherTenant = KeyEncryptionKey(
      tenant: .random(), id: kek.id, epoch: 1, secret: kek.secret)
    let otherKey = KeyEncryptionKey(
      tenant: kek.tenant, id: kek.id, epoch: 1,
      secret: SharedSecret(try SecretBytes.random(count: 32)))
    expectRefusal(.tampered) { _ = try record.open(as: .call, ownedBy: .random(), under: kek) }
    expectRefusal(.tampered) { _ = try record.open(as: .subject, ownedBy: owner, under: kek) }
    for other in [otherEpoch, otherTenant, otherKey, try self.kek(kek.tenant)] {
      expectRefusal(.tampered) { _ = try record.open(as: .call, ownedBy: owner, under: other) }
    }
  }

  @Test func eachChangedBitAndLengthIsRefused() throws {
    let owner = Identifier.random()
    let kek = try kek(.random())
    let record = try WrapRecord(
      try SecretBytes.random(count: 32), id: .random(), use: .call, ownedBy: owner, under: kek)
    let encoded = record.encoded
    #expect(encoded.count == 95)
    for index in encoded.indices {
      for bit in 0..<8 {
        var changed = encoded
        changed[index] ^= 1 << UInt8(bit)
        expectRefusal(.tampered, comment: "bit \(bit) of byte \(index)") {
          _ = try WrapRecord(parsing: changed).open(as: .call, ownedBy: owner, under: kek)
        }
      }
    }
    for count in 0..<encoded.count {
      expectRefusal(.tampered) { _ = try WrapRecord(parsing: Array(encoded[..<count])) }
    }
    expectRefusal(.tampered) { _ = try WrapRecord(parsing: encoded + [0]) }
  }

  @Test func twoWrapsOfOneKeyDiffer() throws {
    let kek = try kek(.random())
    let key = try SecretBytes.random(count: 32)
    let id = Identifier.random()
    let owner = Identifier.random()
    let one = try WrapRecord(key, id: id, use: .call, ownedBy: owner, under: kek)
    let two = try WrapRecord(key, id: id, use: .call, ownedBy: owner, under: kek)
    #expect(one != two)
  }
}
