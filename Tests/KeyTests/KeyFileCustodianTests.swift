import Audit
import ConformanceSuites
import Cryptography
import Drivers
import Durable
import Encoding
import FaultInjection
import Foundation
import Testing
import Vault

struct KeyFileCustodianTests {
  static let cheap = KeyFileCustodian.Cost(operations: 1, memoryKiB: 64)

  @Test(arguments: KeyCustodianConformance.cases)
  func aRootKeyFileIsACustodian(promise: ConformanceCase<any KeyCustodian>) async throws {
    let directory = try TemporaryDirectory()
    try await promise.check { KeyFileCustodian(rootKeyFile: directory.path + "/root.key") }
  }

  @Test(arguments: KeyCustodianConformance.cases)
  func aPassphraseIsACustodian(promise: ConformanceCase<any KeyCustodian>) async throws {
    try await promise.check {
      KeyFileCustodian(
        passphrase: try SecretBytes(copying: Array("correct horse".utf8)),
        cost: KeyFileCustodianTests.cheap)
    }
  }

  @Test func theRootKeyIsItsOwnersAlone() throws {
    let directory = try TemporaryDirectory()
    let path = directory.path + "/root.key"
    let custodian = KeyFileCustodian(rootKeyFile: path)
    let record = try custodian.enrol()
    let attributes = try FileManager.default.attributesOfItem(atPath: path)
    #expect(attributes[.posixPermissions] as? Int == 0o600)
    #expect(attributes[.size] as? Int == 32)
    #expect(try directory.names() == ["root.key"])
    for mode in [0o640, 0o604, 0o660, 0o644] {
      try FileManager.default.setAttributes([.posixPermissions: mode], ofItemAtPath: path)
      let error = expectRefusal(.sealed) { _ = try custodian.root(for: record) }
      #expect(error?.detail?.contains("chmod 600") == true)
    }
    try FileManager.default.setAttributes([.posixPermissions: 0o400], ofItemAtPath: path)
    _ = try custodian.root(for: record)
  }

  @Test(arguments: [0, 1, 31, 33, 34, 1000])
  func aRootKeyOfAnotherLengthIsRefused(count: Int) throws {
    let directory = try TemporaryDirectory()
    let path = directory.path + "/root.key"
    try Data(repeating: 1, count: count).write(to: URL(fileURLWithPath: path))
    try FileManager.default.setAttributes([.posixPermissions: 0o600], ofItemAtPath: path)
    let record = CustodianRecord(kind: .file, destruction: .file, derivation: .none)
    expectRefusal(.sealed) {
      _ = try KeyFileCustodian(rootKeyFile: path).root(for: record)
    }
  }

  @Test func eachChangedByteOfARootKeyIsNoticed() throws {
    let directory = try TemporaryDirectory()
    let path = directory.path + "/root.key"
    let custodian = KeyFileCustodian(rootKeyFile: path)
    let store = RingInMemory()
    _ = try KeyRing.create(tenant: .random(), custodian: custodian, store: store, at: noon)
    let before = store.bytes
    let whole = try Data(contentsOf: URL(fileURLWithPath: path))
    for place in whole.indices {
      var changed = whole
      changed[place] ^= 1
      try changed.write(to: URL(fileURLWithPath: path))
      let error = expectRefusal(.sealed) {
        _ = try KeyRing.open(custodian: custodian, store: store)
      }
      #expect(error?.detail?.contains("not the one") == true)
    }
    try whole.write(to: URL(fileURLWithPath: path))
    _ = try KeyRing.open(custodian: custodian, store: store)
    #expect(store.bytes == before)
  }

  @Test func aRootKeyThatIsNotThereIsNamedAsSuch() throws {
    let directory = try TemporaryDirectory()
    let record = CustodianRecord(kind: .file, destruction: .file, derivation: .none)
    for path in ["/root.key", "", "/no/such/folder"] {
      let error = expectRefusal(.sealed) {
        _ = try KeyFileCustodian(rootKeyFile: directory.path + path).root(for: record)
      }
      #expect(error?.detail != nil)
    }
  }

  @Test func onePassphraseIsNotAnother() throws {
    let store = RingInMemory()
    let custodian = { (text: String) throws in
      KeyFileCustodian(
        passphrase: try SecretBytes(copying: Array(text.utf8)),
        cost: KeyFileCustodianTests.cheap)
    }
    _ = try KeyRing.create(
      tenant: .random(), custodian: try custodian("open sesame"), store: store,
      at: Timestamp(milliseconds: 0))
    _ = try KeyRing.open(custodian: try custodian("open sesame"), store: store)
    for wrong in ["open sesamE", "open sesame ", "x"] {
      expectRefusal(.sealed) {
        _ = try KeyRing.open(custodian: try custodian(wrong), store: store)
      }
    }
    let directory = try TemporaryDirectory()
    let file = KeyFileCustodian(rootKeyFile: directory.path + "/root.key")
    let error = expectRefusal(.sealed) { _ = try KeyRing.open(custodian: file, store: store) }
    #expect(error?.detail?.contains("--passphrase-file") == true)
  }

  @Test(arguments: [
    ("secret", "secret"), ("secret\n", "secret"), ("secret\r\n", "secret"),
    ("two words\nsecond line\n", "two words"), (" spaces stay \n", " spaces stay "),
    ("Zoë", "Zoë"),
  ])
  func thePassphraseIsTheFirstLine(contents: String, passphrase: String) throws {
    let directory = try TemporaryDirectory()
    let path = directory.path + "/passphrase"
    try write(contents, to: path)
    let read = try KeyFileCustodian.passphrase(in: path)
    let expected = try SecretBytes(copying: Array(passphrase.utf8))
    let same = read.equals(expected)
    #expect(same)
  }

  @Test(arguments: ["", "\n", "\r\n", String(repeating: "a", count: 1025)])
  func aPassphraseThatIsNoneIsRefused(contents: String) throws {
    let directory = try TemporaryDirectory()
    let path = directory.path + "/passphrase"
    try write(contents, to: path)
    let error = expectRefusal(.sealed) { _ = try KeyFileCustodian.passphrase(in: path) }
    #expect(error?.detail != nil)
  }

  /// Whichever call fails, the ring that opens is the one before or the one after.
  @Test(arguments: FaultPlan.all)
  func aFailedChangeLeavesARingThatOpens(plan: FaultPlan) throws {
    let met = try plan.failEachCall(
      prepare: {
        let directory = try TemporaryDirectory()
        let path = directory.path + "/ring"
        _ = try KeyRing.create(
          tenant: .random(), custodian: GivenCustodian(), store: FileKeyRingStore(path), at: noon)
        return directory
      },
      operation: { directory, fileSystem in
        let ring = try KeyRing.open(
          custodian: GivenCustodian(),
          store: FileKeyRingStore(directory.path + "/ring", on: fileSystem))
        let later = Timestamp(milliseconds: noon.milliseconds + 40 * 86_400_000)
        _ = try ring.seal([1], at: OpeningAddress(entry: .random(), field: .via, time: later))
      },
      afterwards: { directory, call, thrown in
        let ring = try KeyRing.open(
          custodian: GivenCustodian(), store: FileKeyRingStore(directory.path + "/ring"))
        let generation = try ring.facts().generation
        #expect(generation == 2 || (generation == 1 && thrown != nil), "call \(call)")
        if let thrown { #expect(thrown is VaultError, "call \(call): \(thrown)") }
      })
    #expect(met >= 5)
  }

  @Test(arguments: FaultPlan.all)
  func aFailedEnrolmentLeavesAWholeRootKeyOrNone(plan: FaultPlan) throws {
    try plan.failEachCall(
      prepare: { try TemporaryDirectory() },
      operation: { directory, fileSystem in
        _ = try KeyFileCustodian(rootKeyFile: directory.path + "/root.key", on: fileSystem).enrol()
      },
      afterwards: { directory, call, thrown in
        let path = directory.path + "/root.key"
        let size = FileManager.default.contents(atPath: path)?.count
        #expect(size == nil || size == 32, "call \(call)")
        if thrown == nil { #expect(size == 32, "call \(call)") }
        // The next attempt finds or makes one.
        _ = try KeyFileCustodian(rootKeyFile: path).enrol()
      })
  }

  private func write(_ contents: String, to path: String) throws {
    try Data(contents.utf8).write(to: URL(fileURLWithPath: path))
    try FileManager.default.setAttributes([.posixPermissions: 0o600], ofItemAtPath: path)
  }
}
