import Cryptography
import Encoding
import Foundation
import Testing

struct SecretBytesTests {
  @Test(arguments: [1, 32, 63, 64, 65, 256, 257, 1024, 4096, 4097, 65_536])
  func everySizeHoldsItsBytes(count: Int) throws {
    let bytes = try Random.bytes(count)
    let secret = try SecretBytes(copying: bytes)
    #expect(secret.count == count)
    #expect(exposed(secret) == bytes)
    let second = try secret.duplicate()
    let same = second.equals(secret)
    #expect(same)
    #expect(exposed(SharedSecret(second)) == bytes)
  }

  @Test(arguments: [0, -1, 65_537, Int.max])
  func anotherSizeIsRefused(count: Int) {
    expectRefusal(.invalidInput) { _ = try SecretBytes.random(count: count) }
  }

  @Test func aNewSecretIsZeroWhateverLayThereBefore() throws {
    for _ in 0..<2000 {
      _ = try SecretBytes.random(count: 64)
      let fresh = try SecretBytes(count: 64) { (_: inout MutableRawSpan) in }
      #expect(exposed(fresh).allSatisfy { $0 == 0 })
    }
  }

  @Test func whatFillingThrowsIsThrownOn() {
    expectRefusal(.notAuthentic) {
      _ = try SecretBytes(count: 32) { (_: inout MutableRawSpan) throws(CryptographyError) in
        throw CryptographyError(.notAuthentic, during: "a test")
      }
    }
  }

  @Test func manyOwnersAtOnceKeepTheirOwn() async throws {
    try await withThrowingTaskGroup(of: Void.self) { group in
      for task in 0..<8 as Range<UInt8> {
        group.addTask {
          for _ in 0..<500 {
            let mine = [UInt8](repeating: task, count: 48)
            let secret = try SecretBytes(copying: mine)
            #expect(exposed(secret) == mine)
          }
        }
      }
      try await group.waitForAll()
    }
  }

  @Test func theKernelKeepsThePagesLockedUndumpedAndUnforked() throws {
    for count in [32, 65_536] {
      let secret = try SecretBytes.random(count: count)
      let address = secret.withBytes { (bytes: RawSpan) in
        unsafe bytes.withUnsafeBytes { UInt(bitPattern: $0.baseAddress) }
      }
      let flags = try vmFlags(at: address)
      #expect(flags.contains("lo") && flags.contains("dd") && flags.contains("wf"), "\(flags)")
      // Asked while the secret lives: a large one gives its pages back.
      #expect(LockedMemory.current.used >= secret.count)
    }
  }

  @Test func sixtyFourKiBOfLockedMemoryAreEnoughForAStart() async {
    await #expect(processExitsWith: .exitCode(7)) {
      _ = setuid(65_534)
      var little = rlimit(rlim_cur: 65_536, rlim_max: 65_536)
      unsafe setrlimit(__rlimit_resource_t(__RLIMIT_MEMLOCK.rawValue), &little)
      let passphrase = try SecretBytes.random(count: 1024)
      let key = try SecretBytes.random(count: 32)
      let expanded = try Ed25519.SigningKey(seed: key)
      if passphrase.count + expanded.publicKey.bytes.count == 1056 { exit(7) }
    }
  }

  @Test func withoutLockedMemoryNoSecretIsMade() async {
    await #expect(processExitsWith: .exitCode(7)) {
      // An ordinary user's limit binds; the superuser's does not.
      _ = setuid(65_534)
      var none = rlimit(rlim_cur: 0, rlim_max: 0)
      unsafe setrlimit(__rlimit_resource_t(__RLIMIT_MEMLOCK.rawValue), &none)
      do throws(CryptographyError) {
        _ = try SecretBytes.random(count: 32)
      } catch {
        if error.code == .lockedMemoryUnavailable { exit(7) }
      }
    }
  }

  /// The kernel's flags of the mapping that holds `address`.
  private func vmFlags(at address: UInt) throws -> [Substring] {
    // Not `String(contentsOfFile:)`: it stops after the first read of a file without a size.
    let file = try #require(FileHandle(forReadingAtPath: "/proc/self/smaps"))
    let maps = String(decoding: try file.readToEnd() ?? Data(), as: UTF8.self)
    var inside = false
    for line in maps.split(separator: "\n") {
      let words = line.split(separator: " ")
      if let range = words.first?.split(separator: "-"), range.count == 2,
        let low = UInt(range[0], radix: 16), let high = UInt(range[1], radix: 16)
      {
        inside = (low..<high).contains(address)
      }
      if inside, words.first == "VmFlags:" { return Array(words.dropFirst()) }
    }
    return []
  }
}

struct RandomTests {
  @Test func idsAreVersionFourAndDiffer() {
    let ids = Set((0..<10_000).map { _ in Identifier.random() })
    #expect(ids.count == 10_000)
    #expect(ids.allSatisfy { Identifier($0.description) == $0 })
  }

  @Test func bytesDifferEachTime() throws {
    #expect(try Random.bytes(32) != Random.bytes(32))
    #expect(try Random.bytes(0).isEmpty)
    expectRefusal(.invalidInput) { _ = try Random.bytes(-1) }
    expectRefusal(.invalidInput) { _ = try Random.bytes(.max) }
  }
}
