import ConformanceSuites
import Drivers
import Durable
import Encoding
import FaultInjection
import Foundation
import Testing
import Vault

private let future = Timestamp(milliseconds: 4_000_000_000_000)

@Suite struct FileBlobStoreTests {
  private func path(_ root: String, _ name: BlobName) -> String {
    let digits = name.description
    return "\(root)/\(digits.prefix(2))/\(digits.dropFirst(2).prefix(2))/\(digits)"
  }

  private func stored(_ bytes: [UInt8], in root: String) async throws -> BlobName {
    let name = Sample.blob()
    let writer = try await FileBlobStore(root: root).create(name)
    try await writer.append(bytes)
    try await writer.commit()
    return name
  }

  @Test(arguments: FaultPlan.all)
  func anObjectIsWhollyThereOrAbsent(plan: FaultPlan) async throws {
    let bytes = [UInt8](repeating: 0x6f, count: 100_000)
    let faults = try await plan.failEachCall {
      (directory: try TemporaryDirectory(), name: Sample.blob())
    } operation: { state, fileSystem in
      let store = try FileBlobStore(root: state.directory.path, lanes: 1, on: fileSystem)
      let writer = try await store.create(state.name)
      do {
        try await writer.append(bytes)
        try await writer.append(bytes)
        try await writer.commit()
      } catch {
        await writer.discard()
        throw error
      }
    } afterwards: { state, call, error in
      let store = try FileBlobStore(root: state.directory.path)
      let file = path(state.directory.path, state.name)
      let isThere = FileManager.default.fileExists(atPath: file)
      if error == nil { #expect(isThere) }
      if !plan.lasting { #expect(isThere == (error == nil), "call \(call)") }
      if isThere {
        let found = try await store.open(state.name).read(at: 0, count: 200_000)
        #expect(found == bytes + bytes)
      }
      let code = (error as? VaultError)?.code
      if error != nil {
        #expect(code == (plan.number == ENOSPC ? .noSpace : .unavailable), "call \(call)")
      }
      // Whatever a fault left is found by the sweep and removed by it.
      for name in try await store.names(lastChangedBefore: future, after: nil, limit: 10) {
        try await store.remove(name)
      }
      let left = FileManager.default.enumerator(atPath: state.directory.path)?.allObjects ?? []
      #expect(left.allSatisfy { ("\($0)" as NSString).lastPathComponent.count == 2 }, "\(left)")
    }
    #expect(faults >= 14)
  }

  @Test func objectsAreForTheirOwnerOnly() async throws {
    let directory = try TemporaryDirectory()
    let file = path(directory.path, try await stored([1], in: directory.path))
    let files = LinuxFileSystem()
    #expect(try files.status(at: file).permissions == 0o600)
    var folder = (file as NSString).deletingLastPathComponent
    for _ in 0..<2 {
      #expect(try files.status(at: folder).permissions == 0o700)
      folder = (folder as NSString).deletingLastPathComponent
    }
  }

  @Test func anObjectThatWasCutLinkedOrTakenAwayIsTampered() async throws {
    let directory = try TemporaryDirectory()
    let store = try FileBlobStore(root: directory.path)
    let name = try await stored([UInt8](repeating: 1, count: 1000), in: directory.path)
    let file = path(directory.path, name)
    let reader = try await store.open(name)
    #expect(unsafe truncate(file, 500) == 0)
    #expect(try await reader.read(at: 0, count: 500).count == 500)
    let cut = await #expect(throws: VaultError.self) { try await reader.read(at: 0, count: 1000) }
    #expect(cut?.code == .tampered)
    let other = try await stored([2], in: directory.path)
    try FileManager.default.removeItem(atPath: file)
    for replacement in ["link", "folder"] {
      if replacement == "link" {
        try FileManager.default.createSymbolicLink(
          atPath: file, withDestinationPath: path(directory.path, other))
      } else {
        try FileManager.default.removeItem(atPath: file)
        try FileManager.default.createDirectory(atPath: file, withIntermediateDirectories: false)
      }
      let error = await #expect(throws: VaultError.self) { try await store.open(name) }
      #expect(error?.code == .tampered)
    }
  }

  @Test func filesThatAreNotOursAreLeftAlone() async throws {
    let directory = try TemporaryDirectory()
    let name = try await stored([1], in: directory.path)
    let folder = (path(directory.path, name) as NSString).deletingLastPathComponent
    for stranger in [
      "\(directory.path)/README", "\(directory.path)/zz", "\(folder)/lost+found",
      "\(folder)/\(name).bak", "\(folder)/.hidden.tmp", "\(folder)/ABCDEF",
    ] {
      try Data([1]).write(to: URL(fileURLWithPath: stranger))
    }
    let store = try FileBlobStore(root: directory.path)
    #expect(try await store.names(lastChangedBefore: future, after: nil, limit: 10) == [name])
    try await store.remove(name)
    #expect(try FileManager.default.contentsOfDirectory(atPath: folder).count == 4)
  }
}
