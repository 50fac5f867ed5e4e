import ChildProcess
import ConformanceSuites
import Cryptography
import Drivers
import Foundation
import Testing

@testable import PKCS11
@testable import Vault

/// A folder of SoftHSM tokens for this process, made once: the library reads its settings when it starts.
enum SoftToken {
  static let module = "/usr/lib/softhsm/libsofthsm2.so"
  static let pin = "4711-test"

  static let folder: URL? = {
    let folder = FileManager.default.temporaryDirectory.appending(
      path: "softhsm-\(ProcessInfo.processInfo.processIdentifier)")
    let tokens = folder.appending(path: "tokens")
    let settings = folder.appending(path: "softhsm2.conf")
    do {
      try FileManager.default.createDirectory(at: tokens, withIntermediateDirectories: true)
      try "directories.tokendir = \(tokens.path)\nobjectstore.backend = file\nlog.level = ERROR\n"
        .write(to: settings, atomically: true, encoding: .utf8)
    } catch {
      return nil
    }
    unsafe setenv("SOFTHSM2_CONF", settings.path, 1)
    return folder
  }()

  /// Makes a token of its own for a test.
  static func make(_ name: String) throws {
    _ = try #require(folder)
    let made = try ChildProcess.run(
      "/usr/bin/softhsm2-util",
      ["--init-token", "--free", "--label", name, "--pin", pin, "--so-pin", "so-4711-test"])
    try #require(made.status == 0, "\(made.errors)")
  }

  static func token(_ name: String, pin: String = SoftToken.pin) throws -> Token {
    Token(
      module: module, name: name,
      pin: SharedSecret(try SecretBytes(copying: Array(pin.utf8))))
  }
}

// The library is started and ended by each operation, once for the whole process.
@Suite(.serialized)
struct TokenCustodianTests {
  @Test(arguments: KeyCustodianConformance.cases)
  func aTokenIsACustodian(promise: ConformanceCase<any KeyCustodian>) async throws {
    let name = "token \(UUID().uuidString.prefix(8))"
    try SoftToken.make(name)
    try await promise.check {
      TokenCustodian(token: try SoftToken.token(name), label: "callvault test")
    }
  }

  @Test func theKeyNeverLeavesAndTheRecordIsAnAddress() throws {
    let name = "address/\(UUID().uuidString.prefix(8)); x"
    try SoftToken.make(name)
    let token = try SoftToken.token(name)
    let record = try TokenCustodian(token: token, label: "a").enrol()
    #expect(record.kind == .token && record.destruction == .resident)
    #expect(record.reference.count <= 1024)
    let address = try #require(TokenKeyAddress(parsing: record.reference))
    #expect(address.token == name)
    #expect(address.keyID.count == 16)
    #expect(Array(address.text.utf8) == record.reference)
    #expect(try token.keys(labelled: "a") == [address.keyID])
  }

  @Test func eachFailureIsNamedAndLosesNothing() throws {
    let name = "failing \(UUID().uuidString.prefix(8))"
    try SoftToken.make(name)
    let store = RingInMemory()
    let custodian = TokenCustodian(token: try SoftToken.token(name), label: "mine")
    _ = try KeyRing.create(tenant: .random(), custodian: custodian, store: store, at: noon)
    let before = store.bytes

    let wrongPIN = TokenCustodian(
      token: try SoftToken.token(name, pin: "0000-wrong"), label: "mine")
    #expect(refusal(wrongPIN, store)?.contains("PIN") == true)
    let unknown = TokenCustodian(token: try SoftToken.token("another token"), label: "mine")
    #expect(refusal(unknown, store)?.contains(name) == true)
    let noLibrary = TokenCustodian(
      token: Token(
        module: "/usr/lib/no-such.so", name: name,
        pin: SharedSecret(try SecretBytes(copying: Array(SoftToken.pin.utf8)))), label: "mine")
    #expect(refusal(noLibrary, store)?.contains("library") == true)

    // Taken out, and put back.
    let tokens = try #require(SoftToken.folder).appending(path: "tokens")
    let away = try #require(SoftToken.folder).appending(path: "away")
    try FileManager.default.moveItem(at: tokens, to: away)
    try FileManager.default.createDirectory(at: tokens, withIntermediateDirectories: true)
    #expect(refusal(custodian, store)?.contains("plugged in") == true)
    try FileManager.default.removeItem(at: tokens)
    try FileManager.default.moveItem(at: away, to: tokens)
    #expect(refusal(custodian, store) == nil)

    // Its key gone.
    let token = try SoftToken.token(name)
    for id in try token.keys(labelled: "mine") { try token.destroyKey(id) }
    #expect(refusal(custodian, store)?.contains("no such key") == true)
    #expect(store.bytes == before)
  }

  @Test func onlyItsOwnKeysAreDestroyed() throws {
    let name = "shared \(UUID().uuidString.prefix(8))"
    try SoftToken.make(name)
    let token = try SoftToken.token(name)
    let mine = TokenCustodian(token: token, label: "mine")
    let theirs = TokenCustodian(token: token, label: "theirs")
    let record = try mine.enrol()
    let other = try theirs.enrol()
    _ = try mine.enrol()
    try mine.destroyAll(but: record)
    #expect(try token.keys(labelled: "mine").count == 1)
    _ = try theirs.root(for: other)
    expectRefusal(.sealed) { try mine.destroyAll(but: other) }
    _ = try mine.root(for: record)
  }

  /// T1 without anchors: the ratchet destroys the token's key, and with it every older ring.
  @Test func aRatchetDestroysTheTokensKey() throws {
    let name = "ratchet \(UUID().uuidString.prefix(8))"
    try SoftToken.make(name)
    let token = try SoftToken.token(name)
    let custodian = TokenCustodian(token: token, label: "mine")
    let (store, copy) = (RingInMemory(), RingInMemory())
    let ring = try KeyRing.create(
      tenant: .random(), custodian: custodian, store: store, copies: [copy], at: noon)
    #expect(try ring.unprovenReason() == nil)
    #expect(try ring.facts().confinedFrom == 1)
    let call = try ring.createCallKey(for: .random())
    let row = WrappedKeyRow(owner: .call, id: call.call, record: call.wrapped.encoded)
    let old = store.bytes
    let before = try token.keys(labelled: "mine")
    _ = try ring.beginEpoch(at: noon)
    #expect(ring.opens(row))
    let between = store.bytes
    #expect(try token.keys(labelled: "mine") == before)

    // The token is out: nothing has changed, and everything opens when it is back.
    let tokens = try #require(SoftToken.folder).appending(path: "tokens")
    let away = try #require(SoftToken.folder).appending(path: "away")
    try FileManager.default.moveItem(at: tokens, to: away)
    try FileManager.default.createDirectory(at: tokens, withIntermediateDirectories: true)
    expectRefusal(.sealed) { try ring.destroyOldEpochs(erased: [], at: noon) }
    #expect(store.bytes == between && copy.bytes == between)
    try FileManager.default.removeItem(at: tokens)
    try FileManager.default.moveItem(at: away, to: tokens)
    #expect(try KeyRing.open(custodian: custodian, store: store).opens(row))

    try ring.destroyOldEpochs(erased: [], at: noon)
    let after = try token.keys(labelled: "mine")
    #expect(after.count == 1 && after != before)
    #expect(try ring.facts().confinedFrom == 1)
    #expect(!ring.opens(row))
    for bytes in [old, between] {
      let kept = RingInMemory()
      kept.bytes = bytes
      #expect(refusal(custodian, kept)?.contains("no such key") == true)
    }
    #expect(try !KeyRing.open(custodian: custodian, store: store, copies: [copy]).opens(row))
    // What a crash between the new root and the new ring left on the token goes with the next look.
    _ = try custodian.enrol()
    #expect(try token.keys(labelled: "mine").count == 2)
    #expect(try ring.settle())
    #expect(try token.keys(labelled: "mine") == after)
  }

  @Test func whatTheTokenSaysIsTold() {
    let codes: [(UInt, TokenError.Code)] = [
      (0xA0, .wrongPIN), (0xA4, .pinLocked), (0xE0, .noToken), (0x32, .removed), (0xB3, .removed),
      (0x82, .noKey), (0x70, .unsupported), (0x40, .notAuthentic), (0x05, .failed),
    ]
    for (number, code) in codes {
      #expect(TokenError(number, during: "testing").code == code, "\(number)")
    }
  }

  private func refusal(_ custodian: TokenCustodian, _ store: RingInMemory) -> String? {
    do throws(VaultError) {
      _ = try KeyRing.open(custodian: custodian, store: store)
      return nil
    } catch {
      #expect(error.code == .sealed)
      return error.detail ?? ""
    }
  }
}
