import Cryptography
import Drivers
import Durable
import FaultInjection
import Foundation
import Testing
import Vault

@Suite struct FilePlanStoreTests {
  /// A list is wholly there under its hash, or nothing has that name.
  @Test(arguments: FaultPlan.all)
  func aListIsWholeOrAbsent(plan: FaultPlan) async throws {
    let bytes = [UInt8](repeating: 0x31, count: 150_000)
    let hash = SHA256.hash(bytes + bytes)
    let faults = try await plan.failEachCall {
      try TemporaryDirectory()
    } operation: { directory, fileSystem in
      let store = try FilePlanStore(
        directory.path + "/plans", below: directory.path, on: fileSystem)
      try await store.begin()
      try await store.append(bytes)
      try await store.append(bytes)
      try await store.commit(as: hash)
    } afterwards: { directory, call, error in
      let store = try FilePlanStore(directory.path + "/plans", below: directory.path)
      let path = directory.path + "/plans/\(hash.hex).plan"
      if FileManager.default.fileExists(atPath: path) {
        #expect(try Data(contentsOf: URL(fileURLWithPath: path)) == Data(bytes + bytes))
      } else {
        #expect(error != nil, "call \(call)")
      }
      // What is left of it is gone with the next one.
      try await store.begin()
      try await store.append([1])
      try await store.commit(as: SHA256.hash([1]))
      let names = try FileManager.default.contentsOfDirectory(atPath: directory.path + "/plans")
      #expect(names.allSatisfy { $0.hasSuffix(".plan") }, "\(names)")
      #expect(try await store.read(SHA256.hash([1]), at: 0, count: 10) == [1])
    }
    #expect(faults > 5)
  }
}
