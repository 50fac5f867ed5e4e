import ConformanceSuites
import Cryptography
import Encoding
import Foundation
import Testing

@testable import Audit
@testable import Vault

struct KeyRingTests {
  @Test func aRingOpensWithTheKeysItWasMadeWith() throws {
    let store = RingInMemory()
    let made = try newRing(store)
    let again = try KeyRing.open(custodian: GivenCustodian(), store: store)
    #expect(again.tenant == made.tenant)
    #expect(try again.facts().generation == 1)
    let same = try again.logSigningSeed().equals(made.logSigningSeed())
    #expect(same)
    #expect(
      try again.lookupToken(.party, of: [1]) == made.lookupToken(.party, of: [1]))
    let key = try made.createCallKey(for: .random())
    let call = key.call
    let person = Identifier.random()
    let address = try #require(PartAddress(tenant: made.tenant, call: call, part: .details))
    let object = try Envelope.seal([1, 2, 3], with: try key.partKey(.details))
    let opened = try again.partKey(
      at: address, wrapped: key.wrapped.encoded,
      spending: try receipt(.callOpened, by: person, on: [call], parts: ["details"]),
      for: .callOpened, by: person)
    let plaintext = try Envelope.open(object, with: opened)
    #expect(plaintext == [1, 2, 3])
    #expect(opened.callKeyID == key.id)
  }

  @Test func aSecondRingIsNotMadeOverAnother() throws {
    let store = RingInMemory()
    _ = try newRing(store)
    let before = store.bytes
    expectRefusal(.conflict) { _ = try newRing(store) }
    #expect(store.bytes == before)
    expectRefusal(.notFound) {
      _ = try KeyRing.open(custodian: GivenCustodian(), store: RingInMemory())
    }
  }

  @Test func anotherRootKeyIsToldFromADamagedFile() throws {
    let store = RingInMemory()
    _ = try newRing(store)
    let error = expectRefusal(.sealed) {
      _ = try KeyRing.open(
        custodian: GivenCustodian([UInt8](repeating: 8, count: 32)), store: store)
    }
    #expect(error?.detail?.contains("passphrase or root key") == true)
  }

  /// Whatever byte is changed, and wherever the file is cut, it is refused with a sentence.
  @Test func eachChangedByteOfTheFileIsRefused() throws {
    let store = RingInMemory()
    _ = try newRing(store)
    let file = try #require(store.bytes)
    for index in file.indices {
      for change in [0x01, 0x80, 0xFF] as [UInt8] {
        var changed = file
        changed[index] ^= change
        let error = expectRefusal(.tampered, .sealed, comment: "byte \(index)") {
          _ = try KeyRing.open(custodian: GivenCustodian(), store: RingInMemory(changed))
        }
        #expect(error?.code == .sealed || index < 8 || error?.detail != nil || index > 100)
      }
    }
    for count in file.indices {
      expectRefusal(.tampered, comment: "cut to \(count)") {
        _ = try KeyRing.open(
          custodian: GivenCustodian(), store: RingInMemory(Array(file[..<count])))
      }
    }
    expectRefusal(.tampered) {
      _ = try KeyRing.open(custodian: GivenCustodian(), store: RingInMemory(file + [0]))
    }
  }

  /// Magic 8, generation 8, tenant 16, custodian 2: then derivation, passes and memory.
  @Test(
    arguments: [
      (1, 0, 1024), (1, 17, 1024), (1, .max, 1024), (1, 3, 7), (1, 3, 1_048_577), (1, 3, .max),
      (2, 3, 1024), (255, 0, 0), (0, 1, 0), (0, 0, 1),
    ] as [(UInt8, UInt32, UInt32)])
  func aHostileCostIsRefusedBeforeAnybodyObeysIt(
    derivation: UInt8, operations: UInt32, memoryKiB: UInt32
  ) throws {
    let store = RingInMemory()
    _ = try newRing(store)
    var file = try #require(store.bytes)
    file[34] = derivation
    for (offset, value) in [(35, operations), (39, memoryKiB)] {
      for byte in 0..<4 {
        file[offset + byte] = UInt8(truncatingIfNeeded: value >> UInt32(24 - 8 * byte))
      }
    }
    let custodian = GivenCustodian()
    expectRefusal(.tampered) {
      _ = try KeyRing.open(custodian: custodian, store: RingInMemory(file))
    }
    #expect(custodian.asked == 0)
  }

  @Test func randomFilesAreRefused() throws {
    for _ in 0..<500 {
      let tail = (0..<Int.random(in: 0..<600)).map { _ in UInt8.random(in: .min ... .max) }
      for file in [tail, UnverifiedRing.magic + tail] {
        expectRefusal(.tampered, .sealed) {
          _ = try KeyRing.open(custodian: GivenCustodian(), store: RingInMemory(file))
        }
      }
    }
    expectRefusal(.tampered) {
      _ = try KeyRing.open(
        custodian: GivenCustodian(),
        store: RingInMemory([UInt8](repeating: 0, count: UnverifiedRing.largestFile + 1)))
    }
  }

  @Test func noKeyLiesInTheFileInClear() throws {
    let store = RingInMemory()
    let ring = try newRing(store)
    let file = try #require(store.bytes)
    let seed = exposed(try ring.logSigningSeed())
    let root = [UInt8](repeating: 7, count: 32)
    for secret in [seed, root] {
      #expect(Data(file).range(of: Data(secret)) == nil)
    }
  }

  @Test func aSealedRingGivesNothing() throws {
    let ring = try newRing()
    let key = try ring.createCallKey(for: .random())
    let call = key.call
    let address = try #require(PartAddress(tenant: ring.tenant, call: call, part: .details))
    let at = OpeningAddress(entry: .random(), field: .via, time: noon)
    let sealed = try ring.seal([1], at: at)
    let subject = try ring.createSubjectKey(for: .random())
    #expect(!ring.isSealed)
    ring.seal()
    #expect(ring.isSealed)
    let person = Identifier.random()
    expectRefusal(.sealed) { _ = try ring.createCallKey(for: .random()) }
    expectRefusal(.sealed) { _ = try ring.createSubjectKey(for: .random()) }
    expectRefusal(.sealed) {
      _ = try ring.subjectKey(
        SubjectRow(id: subject.key.id, wrappedKey: subject.wrapped.encoded))
    }
    expectRefusal(.sealed) {
      _ = try ring.partKey(
        at: address, wrapped: key.wrapped.encoded,
        spending: try receipt(.callOpened, by: person, on: [call], parts: ["details"]),
        for: .callOpened, by: person)
    }
    expectRefusal(.sealed) { _ = try ring.lookupToken(.party, of: [1]) }
    expectRefusal(.sealed) { _ = try ring.lookupTokens(.party, of: [1]) }
    expectRefusal(.sealed) { _ = try ring.logSigningSeed() }
    expectRefusal(.sealed) { _ = try ring.facts() }
    expectRefusal(.sealed) { _ = try ring.seal([1], at: at) }
    expectRefusal(.sealed) { _ = try ring.open(sealed, at: at) }
  }

  @Test func aSubjectsKeyIsThatSubjects() throws {
    let ring = try newRing()
    let made = try ring.createSubjectKey(for: .random())
    let found = try ring.subjectKey(
      SubjectRow(id: made.key.id, wrappedKey: made.wrapped.encoded))
    #expect(try found.tag(1, in: "log") == made.key.tag(1, in: "log"))
    expectRefusal(.tampered) {
      _ = try ring.subjectKey(SubjectRow(id: .random(), wrappedKey: made.wrapped.encoded))
    }
    let call = try ring.createCallKey(for: made.key.id)
    expectRefusal(.tampered) {
      _ = try ring.subjectKey(SubjectRow(id: made.key.id, wrappedKey: call.wrapped.encoded))
    }
  }
}

struct OpeningTests {
  @Test func anOpeningOpensAtItsOwnEntryAndField() throws {
    let ring = try newRing()
    let at = OpeningAddress(entry: .random(), field: .via, time: noon)
    let sealed = try ring.seal(Array("192.0.2.7".utf8), at: at)
    #expect(try ring.open(sealed, at: at) == Array("192.0.2.7".utf8))
    for other in [
      OpeningAddress(entry: .random(), field: .via, time: noon),
      OpeningAddress(entry: at.entry, field: .details, time: noon),
    ] {
      expectRefusal(.tampered) { _ = try ring.open(sealed, at: other) }
    }
    for index in sealed.indices {
      var changed = sealed
      changed[index] ^= 1
      expectRefusal(.tampered, .notFound) { _ = try ring.open(changed, at: at) }
    }
    for count in sealed.indices {
      expectRefusal(.tampered) { _ = try ring.open(Array(sealed[..<count]), at: at) }
    }
    #expect(try ring.open(try ring.seal([], at: at), at: at).isEmpty)
  }

  @Test func eachMonthHasAKeyThatIsDurableBeforeItIsUsed() throws {
    let store = RingInMemory()
    let ring = try newRing(store)
    var openings: [(OpeningAddress, [UInt8])] = []
    for month in 0..<14 as Range<Int64> {
      let time = Timestamp(milliseconds: noon.milliseconds + month * 31 * 86_400_000)
      let at = OpeningAddress(entry: .random(), field: .via, time: time)
      openings.append((at, try ring.seal([UInt8(month)], at: at)))
      let reopened = try KeyRing.open(custodian: GivenCustodian(), store: store)
      #expect(try reopened.open(openings[Int(month)].1, at: at) == [UInt8(month)])
    }
    #expect(Set(openings.map { Array($0.1[1..<17]) }).count == 14)
    #expect(try ring.facts().generation == 14)
    for (at, sealed) in openings { _ = try ring.open(sealed, at: at) }
  }

  @Test func aMonthThatIsOverIsDestroyedForGood() throws {
    let store = RingInMemory()
    let ring = try newRing(store)
    let at = OpeningAddress(entry: .random(), field: .via, time: noon)
    let sealed = try ring.seal([7], at: at)
    let id = try #require(Identifier(bytes: Array(sealed[1..<17])))
    let years = { (count: Int64) in
      Timestamp(milliseconds: noon.milliseconds + count * 366 * 86_400_000)
    }
    // Not before ten years are over, and not in the last month of them.
    #expect(try ring.expiredOpeningKeys(at: noon).isEmpty)
    #expect(try ring.expiredOpeningKeys(at: years(9)).isEmpty)
    #expect(try ring.expiredOpeningKeys(at: years(11)).map(\.key) == [id])
    #expect(try !ring.isErased(sealed, at: at))
    try ring.destroyOpeningKey(id, at: years(11))
    try ring.destroyOpeningKey(id, at: years(11))
    for ring in [ring, try KeyRing.open(custodian: GivenCustodian(), store: store)] {
      #expect(try ring.isErased(sealed, at: at))
      #expect(try ring.expiredOpeningKeys(at: years(11)).isEmpty)
      expectRefusal(.notFound) { _ = try ring.open(sealed, at: at) }
    }
    // What names a key that never was is damage, and no erasure.
    let foreign = [1] + Identifier.random().bytes + sealed[17...]
    #expect(try !ring.isErased(foreign, at: at))
    expectRefusal(.tampered) { _ = try ring.open(foreign, at: at) }
    #expect(try ring.facts().tombstones == 1)
  }

  @Test func manyAtOnceMakeOneKey() async throws {
    let ring = try newRing()
    let later = Timestamp(milliseconds: noon.milliseconds + 90 * 86_400_000)
    let keys = try await withThrowingTaskGroup(of: [UInt8].self) { group in
      for _ in 0..<32 {
        group.addTask {
          let at = OpeningAddress(entry: .random(), field: .via, time: later)
          return Array(try ring.seal([1], at: at)[1..<17])
        }
      }
      return try await group.reduce(into: Set<[UInt8]>()) { $0.insert($1) }
    }
    #expect(keys.count == 1)
    #expect(try ring.facts().generation == 2)
  }

  /// A ring that does not read back as it was written is not used.
  @Test func aKeyThatIsNotDurableSealsNothing() throws {
    let store = ForgetfulStore()
    let ring = try KeyRing.create(
      tenant: .random(), custodian: GivenCustodian(), store: store, at: noon)
    store.forgets = true
    let later = Timestamp(milliseconds: noon.milliseconds + 90 * 86_400_000)
    let at = OpeningAddress(entry: .random(), field: .via, time: later)
    expectRefusal(.unavailable) { _ = try ring.seal([1], at: at) }
    store.forgets = false
    let sealed = try ring.seal([1], at: at)
    let reopened = try KeyRing.open(custodian: GivenCustodian(), store: store)
    #expect(try reopened.open(sealed, at: at) == [1])
  }

  @Test(arguments: [
    ("2026-11-20T00:00:00Z", "2036-11"), ("2026-12-31T23:59:59.999Z", "2036-12"),
    ("2024-02-29T12:00:00Z", "2034-02"), ("1999-01-01T00:00:00Z", "2009-01"),
  ])
  func anOpeningLivesTenYears(time: String, month: String) throws {
    #expect(try KeyRing.expiryMonth(of: try #require(Timestamp(rfc3339: time))) == month)
  }

  @Test(arguments: [Int64.min, -1, .max, 253_402_300_799_999])
  func aClockThatIsOutOfItsMindMakesNoKey(milliseconds: Int64) {
    expectRefusal(.invalid) {
      _ = try KeyRing.expiryMonth(of: Timestamp(milliseconds: milliseconds))
    }
  }

  private final class ForgetfulStore: KeyRingStore, @unchecked Sendable {
    // One task.
    var forgets = false
    private var bytes: [UInt8]?

    func read() throws(VaultError) -> [UInt8]? { bytes }

    func replace(with bytes: [UInt8]) throws(VaultError) {
      if !forgets { self.bytes = bytes }
    }
  }
}

struct TombstoneTests {
  /// A key that was taken away does not come back with an old row.
  @Test func aKeyWithATombstoneOpensNothing() throws {
    let store = RingInMemory()
    let ring = try newRing(store)
    let subject = try ring.createSubjectKey(for: .random())
    let row = SubjectRow(id: subject.key.id, wrappedKey: subject.wrapped.encoded)
    _ = try ring.subjectKey(row)

    let root = SharedSecret(try GivenCustodian().root(for: try ring.facts().custodian))
    let keys = try RingKeys(root: root, generation: 1)
    var contents = try UnverifiedRing(parsing: try #require(store.bytes)).verified(by: keys)
    contents.tombstones.append(
      RingContents.Tombstone(keyID: subject.wrapped.keyID, removed: noon))
    store.bytes = try contents.sealed(by: keys)
    let after = try KeyRing.open(custodian: GivenCustodian(), store: store)
    expectRefusal(.notFound) { _ = try after.subjectKey(row) }
    _ = try after.createSubjectKey(for: row.id)
  }
}
