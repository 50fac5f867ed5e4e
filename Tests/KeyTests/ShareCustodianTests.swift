import ConformanceSuites
import Cryptography
import Drivers
import SecretSharing
import Synchronization
import Testing
import Vault

struct ShareCustodianTests {
  /// The keepers of a test's shares.
  final class Keepers: Sendable {
    let shares = Mutex<[Share]>([])

    /// Who opens with the shares that were handed out; before, a ceremony of 2 of 3.
    func custodian(giving count: Int = 2) -> ShareCustodian {
      let held = shares.withLock { $0 }
      guard held.isEmpty else { return ShareCustodian(shares: Array(held.suffix(count))) }
      return ShareCustodian(threshold: 2, of: 3) { [self] (made) throws(VaultError) in
        shares.withLock { $0 = made }
      }
    }
  }

  @Test(arguments: KeyCustodianConformance.cases)
  func keepersOfSharesAreACustodian(promise: ConformanceCase<any KeyCustodian>) async throws {
    let keepers = Keepers()
    try await promise.check { keepers.custodian() }
  }

  @Test func wrongSharesAreNamedAndLoseNothing() throws {
    let store = RingInMemory()
    let keepers = Keepers()
    _ = try KeyRing.create(
      tenant: .random(), custodian: keepers.custodian(), store: store, at: noon)
    let own = keepers.shares.withLock { $0 }
    var other: [Share]
    repeat {
      let strangers = Keepers()
      _ = try strangers.custodian().enrol()
      other = strangers.shares.withLock { $0 }
    } while other[0].ceremony == own[0].ceremony
    let refused: [([Share], String)] = [
      ([], "callvault unseal"), ([own[0]], "1 more share"), ([own[0], own[0]], "given already"),
      (other, "ceremony"), ([own[0], other[1]], "ceremony"),
    ]
    for (shares, words) in refused {
      let error = expectRefusal(.sealed) {
        _ = try KeyRing.open(custodian: ShareCustodian(shares: shares), store: store)
      }
      #expect(error?.detail?.contains(words) == true, "\(error?.detail ?? "")")
    }
    let file = KeyFileCustodian(rootKeyFile: "/no/such/file")
    expectRefusal(.sealed) { _ = try KeyRing.open(custodian: file, store: store) }
    // With one share lost, and with all but two: every pair opens.
    for (first, second) in [(0, 1), (0, 2), (1, 2)] {
      _ = try KeyRing.open(
        custodian: ShareCustodian(shares: [own[first], own[second]]), store: store)
    }
  }

  @Test func aRingSaysOfWhichCeremonyItsSharesAre() throws {
    let keepers = Keepers()
    let record = try keepers.custodian().enrol()
    let ceremony = try #require(ShareCeremony(record.reference))
    #expect(ceremony.threshold == 2 && ceremony.count == 3)
    #expect(ceremony.reference == record.reference)
    #expect(record.kind == .shares && record.destruction == .file)
    for text in [
      "", "slip39:", "slip39:id=1,m=2", "slip39:id=32768,m=2,n=3", "slip39:id=1,m=4,n=3",
      "slip39:id=1,m=2,n=17", "slip39:id=01,m=2,n=3", "slip39:id=1,m=2,n=3,x=1",
    ] {
      #expect(ShareCeremony(Array(text.utf8)) == nil, "\(text)")
    }
  }
}

struct GivenSharesTests {
  private let begin = ContinuousClock.now

  private func ceremony() throws -> [Share] {
    try Share.split(try SecretBytes.random(count: 32), threshold: 3, count: 5)
  }

  @Test func theThirdOfThreeIsEnough() throws {
    let shares = try ceremony()
    var given = GivenShares(of: ShareCeremony(of: shares[0], count: 5))
    guard case .waiting(missing: 2) = try given.take(shares[4], at: begin),
      case .waiting(missing: 1) = try given.take(shares[0], at: begin),
      case .enough(let all) = try given.take(shares[2], at: begin)
    else {
      Issue.record("not enough after three")
      return
    }
    #expect(all.count == 3 && given.count == 0)
  }

  @Test func whatWasGivenTooLongAgoIsForgotten() throws {
    let shares = try ceremony()
    var given = GivenShares(of: nil)
    _ = try given.take(shares[0], at: begin)
    let almost = begin + GivenShares.patience - .milliseconds(1)
    let early = given.expire(at: almost)
    #expect(!early)
    _ = try given.take(shares[1], at: almost)
    // Counted from the first: the last keeper cannot keep the others' shares alive.
    let late = given.expire(at: begin + GivenShares.patience)
    #expect(late)
    #expect(given.count == 0)
    guard case .waiting(missing: 2) = try given.take(shares[2], at: begin + .seconds(3600)) else {
      Issue.record("forgotten shares counted")
      return
    }
  }

  @Test func strangersAndDuplicatesLeaveWhatWasGiven() throws {
    let shares = try ceremony()
    var strangers = try ceremony()
    while strangers[0].ceremony == shares[0].ceremony { strangers = try ceremony() }
    for ceremony in [nil, ShareCeremony(of: shares[0], count: 5)] {
      var given = GivenShares(of: ceremony)
      _ = try given.take(shares[0], at: begin)
      for (share, code) in [
        (shares[0], ShareError.Code.duplicate), (strangers[1], .otherCeremony),
      ] {
        do throws(ShareError) {
          _ = try given.take(share, at: begin)
          Issue.record("taken")
        } catch {
          #expect(error.code == code)
        }
      }
      #expect(given.count == 1)
    }
  }
}
