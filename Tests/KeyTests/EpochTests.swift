import ConformanceSuites
import Cryptography
import Drivers
import Durable
import Encoding
import FaultInjection
import Foundation
import Testing

@testable import Audit
@testable import Vault

/// A ring in two folders and its anchors in two others.
struct KeyFolders {
  let directory: TemporaryDirectory
  var rings: [String] { ["ring", "copy"].map { directory.path + "/" + $0 } }
  var anchors: [String] { ["a", "b"].map { directory.path + "/" + $0 } }

  init() throws {
    directory = try TemporaryDirectory()
    for folder in rings + anchors {
      try FileManager.default.createDirectory(
        atPath: folder, withIntermediateDirectories: true)
    }
  }

  func stores(_ files: any FileSystem = LinuxFileSystem()) -> [FileKeyRingStore] {
    rings.map { FileKeyRingStore($0 + "/ring", on: files) }
  }

  func places(_ files: any FileSystem = LinuxFileSystem()) -> [any RingAnchorStore] {
    anchors.enumerated().map { number, folder in
      DedicatedAnchors(
        FileRingAnchorStore(folder, data: directory.path, on: files), volume: UInt64(number))
    }
  }

  func create() throws -> KeyRing {
    try KeyRing.create(
      tenant: .random(), custodian: GivenCustodian(), store: stores()[0], copies: [stores()[1]],
      anchors: places(), at: noon)
  }

  func open(_ files: any FileSystem = LinuxFileSystem()) throws -> KeyRing {
    try KeyRing.open(
      custodian: GivenCustodian(), store: stores(files)[0], copies: [stores(files)[1]],
      anchors: places(files))
  }

  func files() throws -> [[UInt8]] {
    try rings.map { [UInt8](try Data(contentsOf: URL(fileURLWithPath: $0 + "/ring"))) }
  }

  func anchorFiles() throws -> [[String]] {
    try anchors.map { try FileManager.default.contentsOfDirectory(atPath: $0).sorted() }
  }
}

struct EpochTests {
  /// All of them in `make torture`: each goes through some hundred whole changes of a ring.
  static let faults =
    ProcessInfo.processInfo.environment["CALLVAULT_TORTURE"] == nil
    ? Array(FaultPlan.all.prefix(2)) : FaultPlan.all

  @Test func aNewEpochKeepsEveryKey() throws {
    let folders = try KeyFolders()
    let ring = try folders.create()
    let at = OpeningAddress(entry: .random(), field: .via, time: noon)
    let opening = try ring.seal([1, 2], at: at)
    let token = try ring.lookupToken(.party, of: [1])
    let subject = try ring.createSubjectKey(for: .random())
    let row = SubjectRow(id: subject.key.id, wrappedKey: subject.wrapped.encoded)
    let begun = try ring.beginEpoch(at: noon)
    #expect(begun.number == 2)
    for ring in [ring, try folders.open()] {
      #expect(try ring.facts().epochs.map(\.number) == [1, 2])
      #expect(try ring.facts().kekID == begun.id)
      #expect(try ring.open(opening, at: at) == [1, 2])
      #expect(try ring.lookupToken(.party, of: [1]) == token)
      #expect(try ring.subjectKey(row).tag(1, in: "log") == subject.key.tag(1, in: "log"))
      #expect(try ring.createSubjectKey(for: .random()).wrapped.kekID == begun.id)
    }
  }

  /// A key moved to another row or use does not open, also when it is wrapped again.
  @Test func wrappingAgainKeepsAKeyWhereItBelongs() throws {
    let ring = try newRing()
    let subject = try ring.createSubjectKey(for: .random())
    let call = try ring.createCallKey(for: .random())
    let good = [
      WrappedKeyRow(owner: .subject, id: subject.key.id, record: subject.wrapped.encoded),
      WrappedKeyRow(owner: .call, id: call.call, record: call.wrapped.encoded),
    ]
    let moved = [
      WrappedKeyRow(owner: .call, id: subject.key.id, record: subject.wrapped.encoded),
      WrappedKeyRow(owner: .subject, id: .random(), record: subject.wrapped.encoded),
      WrappedKeyRow(owner: .call, id: .random(), record: call.wrapped.encoded),
      WrappedKeyRow(owner: .call, id: call.call, record: Array(repeating: 1, count: 95)),
      WrappedKeyRow(owner: .call, id: call.call, record: []),
    ]
    _ = try ring.beginEpoch(at: noon)
    let person = Identifier.random()
    let rows = good + moved
    let mark = KeyRing.mark(of: rows, in: .random())
    let spent = try batchReceipt(mark, by: person).spend(for: .keyRewrap, by: person)
    let rewrapped = try ring.rewrap(rows, under: spent)
    #expect(rewrapped.map(\.old) == good)
    let again = try ring.subjectKey(SubjectRow(id: subject.key.id, wrappedKey: rewrapped[0].record))
    #expect(try again.tag(1, in: "log") == subject.key.tag(1, in: "log"))
    for key in rewrapped {
      let record = try WrapRecord(parsing: key.record)
      #expect(try record.kekID == ring.facts().kekID)
      // Nobody else's, and under no other epoch.
      let elsewhere = WrappedKeyRow(owner: key.old.owner, id: .random(), record: key.record)
      let second = KeyRing.mark(of: [elsewhere], in: .random())
      let spent = try batchReceipt(second, by: person).spend(for: .keyRewrap, by: person)
      #expect(try ring.rewrap([elsewhere], under: spent).isEmpty)
    }
    // A batch is what its entry says it is.
    for other in [Array(rows.dropLast()), rows.reversed(), []] {
      let spent = try batchReceipt(mark, by: person).spend(for: .keyRewrap, by: person)
      expectRefusal(.denied) { _ = try ring.rewrap(other, under: spent) }
    }
    let single = try receipt(.keyRewrap, .single, by: person, on: [], parts: [])
      .spend(for: .keyRewrap, by: person)
    expectRefusal(.denied) { _ = try ring.rewrap(rows, under: single) }
    let elsewhere = try batchReceipt(mark, .scrubRun, by: person)
      .spend(for: .scrubRun, by: person)
    expectRefusal(.denied) { _ = try ring.rewrap(rows, under: elsewhere) }
  }

  /// After a ratchet no ring that ever was opens, whoever has the root key and today's anchors.
  @Test func whatWasDestroyedIsInNoOldRing() throws {
    let folders = try KeyFolders()
    var old: [[UInt8]] = []
    let ring = try folders.create()
    old += try folders.files()
    let call = try ring.createCallKey(for: .random())
    #expect(try ring.unprovenReason() == nil)
    for epoch in 2...4 as ClosedRange<UInt32> {
      _ = try ring.beginEpoch(at: noon)
      old += try folders.files()
      #expect(try ring.facts().confinedFrom == 1)
      try ring.destroyOldEpochs(erased: [], at: noon)
      let facts = try ring.facts()
      #expect(facts.epochs.map(\.number) == [epoch] && facts.confinedFrom == 1)
      #expect(
        try folders.anchorFiles()
          == Array(repeating: ["anchor-\(ring.tenant)-\(facts.anchor!)"], count: 2))
      for bytes in old {
        let error = expectRefusal(.sealed) {
          _ = try KeyRing.open(
            custodian: GivenCustodian(), store: RingInMemory(bytes), anchors: folders.places())
        }
        #expect(error?.detail?.contains("anchor") == true)
      }
      old += try folders.files()
    }
    expectRefusal(.unavailable) {
      _ = try folders.open().batchKey(
        at: PartAddress(tenant: ring.tenant, call: call.call, part: .details)!,
        wrapped: call.wrapped.encoded)
    }
    #expect(try ring.isDestroyed(call.wrapped.kekID))
  }

  @Test func withoutTwoVolumesNothingIsProven() throws {
    let folders = try KeyFolders()
    let one = [folders.places()[0]]
    let same = folders.anchors.map {
      DedicatedAnchors(FileRingAnchorStore($0, data: "/"), volume: 7)
    }
    let beside: [any RingAnchorStore] = folders.anchors.map {
      FileRingAnchorStore($0, data: folders.directory.path)
    }
    for anchors in [[], one, same, beside] as [[any RingAnchorStore]] {
      let store = RingInMemory()
      let ring = try KeyRing.create(
        tenant: .random(), custodian: GivenCustodian(), store: store, anchors: anchors, at: noon)
      let old = store.bytes
      #expect(try ring.unprovenReason() != nil)
      _ = try ring.beginEpoch(at: noon)
      try ring.destroyOldEpochs(erased: [], at: noon)
      #expect(try ring.facts().confinedFrom == 0)
      // The claim would be false: the old ring opens.
      if anchors.isEmpty {
        _ = try KeyRing.open(custodian: GivenCustodian(), store: RingInMemory(old))
      }
    }
  }

  /// Keys that an unanchored ring once held are never called erased, later ones are.
  @Test func confinementBeginsWithAFreshAnchorAndANewEpoch() throws {
    let folders = try KeyFolders()
    let stores = folders.stores()
    _ = try KeyRing.create(
      tenant: .random(), custodian: GivenCustodian(), store: stores[0], copies: [stores[1]],
      at: noon)
    let ring = try folders.open()
    #expect(try ring.facts().anchor == nil && ring.unprovenReason() != nil)
    _ = try ring.beginEpoch(at: noon)
    #expect(try ring.facts().anchor != nil && ring.facts().confinedFrom == 2)
    // A volume that is not mounted is not taken for a place beside the data.
    let beside = folders.anchors.map { FileRingAnchorStore($0, data: folders.directory.path) }
    let moved = try KeyRing.open(
      custodian: GivenCustodian(), store: stores[0], copies: [stores[1]], anchors: beside)
    #expect(try moved.unprovenReason() != nil)
    expectRefusal(.unavailable) { try moved.destroyOldEpochs(erased: [], at: noon) }
    let one = try KeyRing.open(
      custodian: GivenCustodian(), store: stores[0], copies: [stores[1]],
      anchors: [folders.places()[0]])
    let before = try one.facts().anchor
    _ = try one.beginEpoch(at: noon)
    #expect(try one.facts().confinedFrom == 0)
    let back = try folders.open()
    _ = try back.beginEpoch(at: noon)
    #expect(try back.facts().confinedFrom == 4 && back.facts().anchor != before)
  }

  @Test func onePlaceIsEnoughToOpenAndNoneIsSealed() throws {
    let folders = try KeyFolders()
    let ring = try folders.create()
    _ = try ring.beginEpoch(at: noon)
    let files = FileManager.default
    func hide(_ path: String) throws { try files.moveItem(atPath: path, toPath: path + ".gone") }
    func bringBack(_ path: String) throws {
      try files.moveItem(atPath: path + ".gone", toPath: path)
    }
    for path in folders.rings + folders.anchors {
      try hide(path)
      let opened = try folders.open()
      #expect(!opened.troubles.isEmpty, "\(path)")
      // Nothing is destroyed and no epoch begun while a place is out of reach.
      expectRefusal(.unavailable) { _ = try opened.beginEpoch(at: noon) }
      expectRefusal(.unavailable) { try opened.destroyOldEpochs(erased: [], at: noon) }
      #expect(try !opened.settle())
      try bringBack(path)
      #expect(try folders.open().facts().epochs.map(\.number) == [1, 2])
    }
    for path in folders.anchors { try hide(path) }
    let error = expectRefusal(.sealed) { _ = try folders.open() }
    #expect(error?.detail?.contains("anchor") == true)
    for path in folders.anchors { try bringBack(path) }
    #expect(try folders.open().settle())
    // A place that comes back empty, or with yesterday's ring, is brought up to date.
    let now = try folders.files()
    try files.removeItem(atPath: folders.rings[0] + "/ring")
    try files.removeItem(
      atPath: folders.anchors[1] + "/" + folders.anchorFiles()[1][0])
    let mended = try folders.open()
    #expect(try mended.settle() && mended.troubles.isEmpty)
    #expect(try folders.files() == now)
    #expect(try folders.anchorFiles()[0] == folders.anchorFiles()[1])
  }

  /// Whatever call fails, the ring opens afterwards, and what opened before opens unless it is gone for
  /// good.
  @Test(arguments: EpochTests.faults)
  func whateverCallFailsTheRingOpens(plan: FaultPlan) throws {
    struct State {
      let folders: KeyFolders
      let old: CallKeyCopy
      let new: CallKeyCopy
    }
    let runs = try plan.failEachCall(
      prepare: { () throws -> State in
        let folders = try KeyFolders()
        let ring = try folders.create()
        let old = try CallKeyCopy(ring)
        _ = try ring.beginEpoch(at: noon)
        return State(folders: folders, old: old, new: try CallKeyCopy(ring))
      },
      operation: { state, files in
        try state.folders.open(files).destroyOldEpochs(erased: [], at: noon)
      },
      afterwards: { state, call, thrown in
        let ring = try state.folders.open()
        #expect(state.new.opens(in: ring), "call \(call)")
        let isSettled = try ring.settle()
        #expect(isSettled, "call \(call): \(ring.troubles)")
        let anchor = try #require(try ring.facts().anchor)
        #expect(
          try state.folders.anchorFiles().allSatisfy { $0 == ["anchor-\(ring.tenant)-\(anchor)"] })
        if thrown == nil { #expect(!state.old.opens(in: ring), "call \(call)") }
        // Whichever ring it is, it goes on from there.
        _ = try ring.beginEpoch(at: noon)
        try ring.destroyOldEpochs(erased: [], at: noon)
        #expect(!state.old.opens(in: ring))
      })
    #expect(runs > 30)
  }

  @Test(arguments: EpochTests.faults)
  func whateverCallFailsAnEpochBeginsOrDoesNot(plan: FaultPlan) throws {
    let runs = try plan.failEachCall(
      prepare: { () throws -> (KeyFolders, CallKeyCopy) in
        let folders = try KeyFolders()
        return (folders, try CallKeyCopy(folders.create()))
      },
      operation: { state, files in _ = try state.0.open(files).beginEpoch(at: noon) },
      afterwards: { state, call, thrown in
        let ring = try state.0.open()
        #expect(state.1.opens(in: ring), "call \(call)")
        if thrown == nil { #expect(try ring.facts().epoch == 2) }
        #expect(try ring.settle())
      })
    #expect(runs > 10)
  }
}

struct AnchorFileTests {
  @Test func anAnchorReadsAsItWasWritten() throws {
    let anchor = try RingAnchor(tenant: .random())
    let file = try anchor.encoded()
    #expect(file.count == RingAnchor.byteCount)
    #expect(try RingAnchor(parsing: file).isSame(as: anchor))
    let bytes = exposed(file)
    #expect(Array(bytes[..<8]) == Array("CVANCH1\n".utf8))
    for count in 1..<bytes.count {
      expectRefusal(.tampered) {
        _ = try RingAnchor(parsing: try SecretBytes(copying: Array(bytes[..<count])))
      }
    }
    for index in 0..<8 {
      var changed = bytes
      changed[index] ^= 1
      expectRefusal(.tampered) { _ = try RingAnchor(parsing: try SecretBytes(copying: changed)) }
    }
  }

  /// Another anchor, or one that others may read, does not open the ring.
  @Test func aChangedAnchorOpensNothing() throws {
    let folders = try KeyFolders()
    _ = try folders.create()
    let names = try folders.anchorFiles().map { $0[0] }
    let path = folders.anchors[0] + "/" + names[0]
    let file = [UInt8](try Data(contentsOf: URL(fileURLWithPath: path)))
    try FileManager.default.removeItem(atPath: folders.anchors[1] + "/" + names[1])
    for index in file.indices {
      var changed = file
      changed[index] ^= 0x20
      try Data(changed).write(to: URL(fileURLWithPath: path))
      expectRefusal(.sealed, .tampered, comment: "byte \(index)") { _ = try folders.open() }
    }
    try Data(file).write(to: URL(fileURLWithPath: path))
    #expect(try folders.open().settle())
    for name in names.prefix(1) {
      for folder in folders.anchors {
        try FileManager.default.setAttributes(
          [.posixPermissions: 0o644], ofItemAtPath: folder + "/" + name)
      }
    }
    expectRefusal(.sealed) { _ = try folders.open() }
  }
}

struct KeyTableTests {
  private func table(_ rows: [WrappedKeyRow]) -> [UInt8] {
    let bytes =
      KeyTable.head(tenant: .random(), kek: .random(), epoch: 3) + rows.flatMap(KeyTable.row)
      + KeyTable.tail(rows: Int64(rows.count))
    return bytes + SHA256.hash(bytes).bytes
  }

  private func read(_ bytes: [UInt8], by step: Int) throws -> (rows: [WrappedKeyRow], whole: Bool) {
    var reader = try KeyTableReader()
    var rows: [WrappedKeyRow] = []
    for start in stride(from: 0, to: bytes.count, by: step) {
      rows += try reader.take(Array(bytes[start..<min(bytes.count, start + step)]))
    }
    return (rows, reader.isWhole)
  }

  @Test func aTableReadsInAnyPiecesAndNotWhenChanged() throws {
    let ring = try newRing()
    let rows = try (0..<5).map { _ in
      let key = try ring.createCallKey(for: .random())
      return WrappedKeyRow(owner: .call, id: key.call, record: key.wrapped.encoded)
    }
    for count in [0, 1, 5] {
      let bytes = table(Array(rows.prefix(count)))
      for step in [1, 7, 112, 1000] {
        let read = try read(bytes, by: step)
        #expect(read.whole && read.rows == Array(rows.prefix(count)))
      }
      for index in bytes.indices {
        var changed = bytes
        changed[index] ^= 1
        #expect(throws: VaultError.self, "byte \(index)") {
          guard try read(changed, by: 100).whole else { throw KeyTableReader.damaged }
        }
      }
      for length in bytes.indices {
        #expect((try? read(Array(bytes[..<length]), by: 50))?.whole != true)
      }
      #expect(throws: VaultError.self) { _ = try read(bytes + [1], by: 10_000) }
    }
  }
}

/// The record of a call's key, and whose it is.
struct CallKeyCopy {
  let call: Identifier
  let record: [UInt8]

  init(_ ring: KeyRing) throws {
    let key = try ring.createCallKey(for: .random())
    call = key.call
    record = key.wrapped.encoded
  }

  func opens(in ring: KeyRing) -> Bool {
    guard let address = PartAddress(tenant: ring.tenant, call: call, part: .details) else {
      return false
    }
    do {
      _ = try ring.batchKey(at: address, wrapped: record)
      return true
    } catch {
      return false
    }
  }
}

/// The receipt of a batch's entry that was never written.
func batchReceipt(
  _ mark: BatchMark, _ action: Action = .keyRewrap, by principal: Identifier
) throws -> Receipt {
  Receipt(
    position: LogPosition(index: 7, leafHash: SHA256.hash([UInt8]())), entryID: .random(),
    time: noon, action: action, phase: .single, outcome: nil, principal: principal, objects: [],
    parts: [], batch: mark)
}
