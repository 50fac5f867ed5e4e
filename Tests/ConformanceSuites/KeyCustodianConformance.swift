import Cryptography
import Encoding
import Testing
public import Vault

/// What every keeper of a root key promises.
public enum KeyCustodianConformance {
  public static var cases: [ConformanceCase<any KeyCustodian>] {
    [
      ConformanceCase("an enrolled root is 32 bytes and the same after a restart") { open in
        let record = try await open().enrol()
        let first = try await open().root(for: record)
        let second = try await open().root(for: record)
        #expect(first.count == 32)
        let same = first.equals(second)
        #expect(same)
        let zero = try SecretBytes(count: 32) { (_: inout MutableRawSpan) in }
        let isZero = first.equals(zero)
        #expect(!isZero)
      },
      ConformanceCase("the record of a later enrolment does not lose the earlier root") { open in
        let record = try await open().enrol()
        let before = try await open().root(for: record)
        _ = try await open().enrol()
        let after = try await open().root(for: record)
        let same = before.equals(after)
        #expect(same)
      },
      ConformanceCase("what the record says fits the ring file") { open in
        let record = try await open().enrol()
        #expect(record.reference.count <= 1024)
        if case .argon2id(let operations, let memoryKiB, let salt) = record.derivation {
          #expect(Argon2id.operations.contains(operations))
          #expect(Argon2id.memoryKiB.contains(memoryKiB))
          #expect(salt.count == Argon2id.saltByteCount)
        }
      },
      ConformanceCase("another kind's record is refused as sealed, not obeyed") { open in
        let own = try await open().enrol()
        for kind in [CustodianRecord.Kind.file, .token, .service, .shares] where kind != own.kind {
          let record = CustodianRecord(
            kind: kind, destruction: own.destruction, derivation: own.derivation,
            reference: own.reference)
          await CatalogConformance.refused(.sealed) {
            _ = try await open().root(for: record)
          }
        }
      },
      ConformanceCase("it says what destroying means there, and that is so") { open in
        let first = try await open().enrol()
        let custodian = try await open()
        switch first.destruction {
        case .file:
          // A file forgets nothing: what was enrolled opens, whatever else is destroyed.
          try custodian.destroyAll(but: first)
          _ = try await open().root(for: first)
        case .resident, .provider:
          let second = try #require(try custodian.successor(of: first))
          let kept = try await open().root(for: second)
          _ = try await open().root(for: first)
          try custodian.destroyAll(but: second)
          await CatalogConformance.refused(.sealed) {
            _ = try await open().root(for: first)
          }
          let again = try await open().root(for: second)
          let same = kept.equals(again)
          #expect(same)
        }
      },
      ConformanceCase("a ring made with it opens again, and not with another root") { open in
        let store = RingInMemory()
        let made = try KeyRing.create(
          tenant: .random(), custodian: try await open(), store: store,
          at: Timestamp(milliseconds: 1_795_188_000_123))
        let again = try KeyRing.open(custodian: try await open(), store: store)
        #expect(again.tenant == made.tenant)
        #expect(try again.facts().kekID == made.facts().kekID)
        await CatalogConformance.refused(.sealed) {
          _ = try KeyRing.open(custodian: StrangeCustodian(), store: store)
        }
      },
    ]
  }
}

/// A ring's bytes in memory, replaced whole as the protocol demands.
public final class RingInMemory: KeyRingStore, @unchecked Sendable {
  // Tests touch it from one task at a time, except through a ring, which writes alone.
  public var bytes: [UInt8]?

  public init(_ bytes: [UInt8]? = nil) {
    self.bytes = bytes
  }

  public func read() throws(VaultError) -> [UInt8]? { bytes }

  public func replace(with bytes: [UInt8]) throws(VaultError) {
    self.bytes = bytes
  }
}

/// Answers any record with a root of its own.
private struct StrangeCustodian: KeyCustodian {
  func enrol() throws(VaultError) -> CustodianRecord {
    CustodianRecord(kind: .file, destruction: .file, derivation: .none)
  }

  func root(for record: CustodianRecord) throws(VaultError) -> SecretBytes {
    do throws(CryptographyError) {
      return try SecretBytes.random(count: 32)
    } catch {
      throw VaultError(.unavailable, during: "making a root", cause: error)
    }
  }
}
