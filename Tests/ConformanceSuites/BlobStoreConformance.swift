import Encoding
import Testing
public import Vault

/// What every object store promises.
public enum BlobStoreConformance {
  public static var cases: [ConformanceCase<any BlobStore>] {
    [
      ConformanceCase("what was committed is read back, whole and in parts") { open in
        let store = try await open()
        let name = Sample.blob()
        var expected: [UInt8] = []
        let writer = try await store.create(name)
        for round in 0..<20 {
          let bytes = (0..<65_536).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ round) }
          try await writer.append(bytes)
          expected += bytes
        }
        try await writer.append([])
        try await writer.commit()
        let reader = try await open().open(name)
        #expect(reader.length == Int64(expected.count))
        #expect(reader.beginning == Array(expected[..<64]))
        #expect(try await reader.read(at: 0, count: expected.count) == expected)
        #expect(try await reader.read(at: 65_530, count: 12) == Array(expected[65_530..<65_542]))
        #expect(try await reader.read(at: reader.length, count: 0).isEmpty)
        for (offset, count) in [
          (reader.length - 1, 2), (reader.length, 1), (reader.length + 1, 0), (.max, 1), (-1, 1),
          (0, .max),
        ] {
          if offset == reader.length + 1 { continue }
          await CatalogConformance.refused(.tampered) {
            try await reader.read(at: offset, count: count)
          }
        }
        await reader.close()
        await CatalogConformance.refused(.unavailable) { try await reader.read(at: 0, count: 1) }
      },
      ConformanceCase("an object may be empty") { open in
        let store = try await open()
        let name = Sample.blob()
        try await store.create(name).commit()
        let reader = try await store.open(name)
        #expect(reader.length == 0 && reader.beginning.isEmpty)
      },
      ConformanceCase("nobody reads what is not committed, or was discarded") { open in
        let store = try await open()
        let name = Sample.blob()
        let writer = try await store.create(name)
        try await writer.append([1, 2, 3])
        await CatalogConformance.refused(.tampered) { try await store.open(name) }
        await writer.discard()
        await writer.discard()
        await CatalogConformance.refused(.tampered) { try await store.open(name) }
        await CatalogConformance.refused(.unavailable) { try await writer.append([4]) }
        await CatalogConformance.refused(.unavailable) { try await writer.commit() }
        #expect(
          try await store.names(lastChangedBefore: future, after: nil, limit: 10).isEmpty)
      },
      ConformanceCase("a replacement is there wholly or not at all") { open in
        let store = try await open()
        let name = Sample.blob()
        let writer = try await store.create(name)
        try await writer.append([1, 2, 3])
        try await writer.commit()
        let given = try await store.replace(name)
        try await given.append([9])
        await given.discard()
        #expect(try await store.open(name).read(at: 0, count: 3) == [1, 2, 3])
        let taken = try await store.replace(name)
        try await taken.append([4, 5])
        #expect(try await store.open(name).length == 3)
        try await taken.commit()
        #expect(try await store.open(name).read(at: 0, count: 2) == [4, 5])
        #expect(
          try await store.names(lastChangedBefore: future, after: nil, limit: 10) == [name])
      },
      ConformanceCase("a name is taken once, and the object there is untouched") { open in
        let store = try await open()
        let name = Sample.blob()
        let (first, second) = (try await store.create(name), try await store.create(name))
        try await first.append([1])
        try await second.append([2, 2])
        try await first.commit()
        await CatalogConformance.refused(.conflict) { try await second.commit() }
        await second.discard()
        #expect(try await store.open(name).read(at: 0, count: 1) == [1])
      },
      ConformanceCase("a removed object is gone; one that is not there is no error") { open in
        let store = try await open()
        let (name, other) = (Sample.blob(), Sample.blob())
        for name in [name, other] {
          let writer = try await store.create(name)
          try await writer.append([1])
          try await writer.commit()
        }
        let reader = try await store.open(name)
        try await store.remove(name)
        try await store.remove(name)
        try await store.remove(Sample.blob())
        await reader.close()
        await CatalogConformance.refused(.tampered) { try await store.open(name) }
        #expect(try await store.open(other).length == 1)
      },
      ConformanceCase("names come in order, in pages, finished or not, and by age") { open in
        let store = try await open()
        var names: [BlobName] = []
        var unfinished: [any BlobWriter] = []
        for number in 0..<40 {
          let name = Sample.blob()
          let writer = try await store.create(name)
          try await writer.append([1])
          if number.isMultiple(of: 4) {
            unfinished.append(writer)
          } else {
            try await writer.commit()
          }
          names.append(name)
        }
        names.sort()
        var found: [BlobName] = []
        while true {
          let page = try await store.names(
            lastChangedBefore: future, after: found.last, limit: 7)
          if page.isEmpty { break }
          #expect(page.count <= 7)
          found += page
        }
        #expect(found == names)
        #expect(
          try await store.names(
            lastChangedBefore: Timestamp(milliseconds: 1_000_000), after: nil, limit: 100
          ).isEmpty)
        // What a crash left is removed by its name, like an object.
        for name in found { try await store.remove(name) }
        #expect(
          try await store.names(lastChangedBefore: future, after: nil, limit: 100).isEmpty)
        for writer in unfinished { await writer.discard() }
      },
      ConformanceCase("64 objects are written and read at once") { open in
        let store = try await open()
        try await withThrowingTaskGroup(of: Void.self) { group in
          for number in 0..<64 {
            group.addTask {
              let name = Sample.blob()
              let bytes = [UInt8](repeating: UInt8(number), count: 100_000)
              let writer = try await store.create(name)
              for _ in 0..<3 { try await writer.append(bytes) }
              try await writer.commit()
              let reader = try await store.open(name)
              #expect(reader.length == 300_000)
              #expect(try await reader.read(at: 200_000, count: 100_000) == bytes)
              await reader.close()
            }
          }
          try await group.waitForAll()
        }
        #expect(try await store.availableBytes() > 0)
      },
    ]
  }

  /// Later than anything a test writes.
  static var future: Timestamp { Timestamp(milliseconds: 4_000_000_000_000) }
}
