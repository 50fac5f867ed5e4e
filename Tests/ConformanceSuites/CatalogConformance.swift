public import Audit
import Cryptography
import Encoding
import Testing
public import Vault

/// What a catalog driver is: the rows, and the counts of subjects beside them.
public typealias CatalogDriver = any Catalog & SubjectLedger

/// What every catalog promises.
public enum CatalogConformance {
  public static var cases: [ConformanceCase<CatalogDriver>] {
    positions + pending + calls + lists + recordings + texts + patients + retention + access + keys
      + quarantine
  }

  /// Throws the expected code, or fails the test.
  static func refused<Result>(
    _ code: VaultError.Code, existing: Identifier? = nil,
    location: SourceLocation = #_sourceLocation, _ body: () async throws -> Result
  ) async {
    let error = await #expect(throws: VaultError.self, sourceLocation: location) {
      _ = try await body()
    }
    #expect(error?.code == code, sourceLocation: location)
    if let existing { #expect(error?.existing == existing, sourceLocation: location) }
  }

  /// Stores a call and makes it live.
  @discardableResult
  static func store(
    _ call: CallRow, tokens: [LookupToken] = [], at index: Int64 = 1, in catalog: CatalogDriver
  ) async throws -> CallRow {
    try await catalog.insert(
      call, tokens: tokens, since: index)
    try await catalog.confirm(RowReference(.call, call.id), at: Sample.position(index))
    return call
  }

  // MARK: The log behind the rows

  static var positions: [ConformanceCase<CatalogDriver>] {
    [
      ConformanceCase("the position is the greatest ever stored, and lasts") { open in
        let catalog = try await open()
        #expect(try await catalog.appliedPosition() == nil)
        try await catalog.advance(to: Sample.position(7))
        #expect(try await catalog.appliedPosition() == Sample.position(7))
        try await catalog.advance(to: Sample.position(5))
        #expect(try await catalog.appliedPosition() == Sample.position(7))
        try await catalog.setFact(.accessPolicy, to: [1], at: Sample.position(9))
        try await catalog.setFact(.accessPolicy, to: [2], at: nil)
        let again = try await open()
        #expect(try await again.appliedPosition() == Sample.position(9))
        #expect(try await again.fact(.accessPolicy) == [2])
        #expect(try await again.fact(.retentionSchedule) == nil)
      },
      ConformanceCase("every confirmed row carries its position") { open in
        let catalog = try await open()
        let call = try await store(Sample.call(), at: 3, in: catalog)
        #expect(try await catalog.appliedPosition() == Sample.position(3))
        let recording = Sample.recording(of: call.id)
        try await catalog.insert(recording, since: 4)
        #expect(try await catalog.appliedPosition() == Sample.position(3))
        try await catalog.confirm(RowReference(.recording, recording.id), at: Sample.position(8))
        #expect(try await catalog.appliedPosition() == Sample.position(8))
      },
      ConformanceCase("counts of subjects are stored whole with their position") { open in
        let catalog = try await open()
        let (one, two) = (Identifier.random(), Identifier.random())
        #expect(try await catalog.countedPosition() == nil)
        #expect(try await catalog.countedEntries(of: [one]).isEmpty)
        try await catalog.storeCounts(
          [SubjectCount(one, 3), SubjectCount(two, 1)], through: Sample.position(10))
        try await catalog.storeCounts([SubjectCount(two, 2)], through: Sample.position(12))
        let again = try await open()
        #expect(try await again.countedPosition() == Sample.position(12))
        let counted = try await again.countedEntries(of: [two, .random(), one])
        #expect(counted == [one: 3, two: 2])
        // The counts have a position of their own.
        #expect(try await again.appliedPosition() == nil)
      },
    ]
  }

  static var pending: [ConformanceCase<CatalogDriver>] {
    [
      ConformanceCase("what is pending is seen by nobody until it is confirmed, once") { open in
        let catalog = try await open()
        let call = Sample.call()
        let row = RowReference(.call, call.id)
        #expect(try await !catalog.contains(row))
        await refused(.notFound) { try await catalog.confirm(row, at: Sample.position(1)) }
        #expect(try await catalog.appliedPosition() == nil)
        try await catalog.insert(call, tokens: [], since: 4)
        #expect(try await catalog.contains(row))
        #expect(try await catalog.call(call.id) == nil)
        #expect(try await catalog.calls(matching: CatalogQuery(limit: 10)).isEmpty)
        #expect(
          try await open().pendingRows(limit: 10) == [PendingRow(row: row, since: 4, blob: nil)])
        await refused(.notFound) { try await catalog.reserveRecordingNumber(in: call.id) }
        try await catalog.confirm(row, at: Sample.position(4))
        #expect(try await catalog.call(call.id) == call)
        try await catalog.confirm(row, at: Sample.position(6))
        #expect(try await catalog.pendingRows(limit: 10).isEmpty)
        #expect(try await catalog.counts().calls == 1)
      },
      ConformanceCase("a dropped row leaves nothing, and a live one is not dropped") { open in
        let catalog = try await open()
        let name = Sample.token(.sourceCall, "3cx/17")
        let dropped = Sample.call()
        try await catalog.insert(
          dropped, tokens: [name, Sample.token(.party, "1")], since: 0)
        try await catalog.dropPending(RowReference(.call, dropped.id))
        try await catalog.dropPending(RowReference(.call, dropped.id))
        #expect(try await !catalog.contains(RowReference(.call, dropped.id)))
        #expect(try await catalog.call(owning: [name]) == nil)
        let call = try await store(Sample.call(), tokens: [name], in: catalog)
        try await catalog.dropPending(RowReference(.call, call.id))
        #expect(try await catalog.call(call.id) == call)
      },
      ConformanceCase("each kind of row waits, is confirmed and is dropped by itself") { open in
        let catalog = try await open()
        let call = try await store(Sample.call(), in: catalog)
        let recording = Sample.recording(of: call.id)
        let transcript = Sample.text(.transcript, of: call.id, version: 1)
        let note = Sample.text(.note, of: call.id, version: 1)
        let identity = Sample.identity(.person, "Dr Ada")
        let token = Sample.accessToken("ada")
        try await catalog.insert(recording, since: 2)
        try await catalog.insert(transcript, since: 3)
        try await catalog.insert(note, since: 4)
        try await catalog.insert(identity, since: 5)
        try await catalog.insert(token, since: 6)
        let rows: [RowReference] = [
          RowReference(.recording, recording.id), RowReference(.transcript, transcript.id),
          RowReference(.note, note.id), RowReference(.identity, identity.id),
          RowReference(.token, token.id),
        ]
        let waiting = try await catalog.pendingRows(limit: 100)
        #expect(Set(waiting.map(\.row)) == Set(rows))
        #expect(waiting.first { $0.row.kind == .recording }?.blob == recording.blob)
        #expect(Set(waiting.map(\.since)) == [2, 3, 4, 5, 6])
        #expect(try await catalog.pendingRows(limit: 3).count == 3)
        // Kinds that share a table are not taken for each other.
        #expect(try await !catalog.contains(RowReference(.note, transcript.id)))
        await refused(.notFound) {
          try await catalog.confirm(RowReference(.note, transcript.id), at: Sample.position(9))
        }
        try await catalog.dropPending(RowReference(.note, transcript.id))
        #expect(try await catalog.contains(RowReference(.transcript, transcript.id)))
        for row in rows where row.kind != .note {
          try await catalog.confirm(row, at: Sample.position(10))
        }
        try await catalog.dropPending(RowReference(.note, note.id))
        #expect(try await catalog.pendingRows(limit: 100).isEmpty)
        #expect(try await catalog.texts(.note, of: call.id, sealed: true).isEmpty)
        #expect(try await catalog.texts(.transcript, of: call.id, sealed: true) == [transcript])
        #expect(
          try await catalog.counts()
            == CatalogCounts(
              calls: 1, recordings: 1, transcripts: 1, notes: 0, plaintextBytes: 1_000_000,
              ciphertextBytes: 1_000_296))
        try await catalog.checkIntegrity()
      },
    ]
  }

  static var recordings: [ConformanceCase<CatalogDriver>] {
    [
      ConformanceCase("a recording comes back as it was, with the entry that stored it") { open in
        let catalog = try await open()
        let call = try await store(Sample.call(), in: catalog)
        for (number, duration) in [(1, 61_250), (2, nil)] as [(Int, Int64?)] {
          let row = Sample.recording(
            of: call.id, number: number, content: "\(number)", duration: duration)
          try await catalog.insert(row, since: 2)
          #expect(try await catalog.recording(row.id) == nil)
          #expect(try await catalog.recording(in: call.id, content: [row.content]) == nil)
          try await catalog.confirm(RowReference(.recording, row.id), at: Sample.position(20))
          // A second confirmation does not move it to another entry.
          try await catalog.confirm(RowReference(.recording, row.id), at: Sample.position(21))
          let (found, foundCall) = try #require(try await open().recording(row.id))
          #expect(found.logIndex == 20)
          #expect(foundCall == call)
          let stored = RecordingRow(
            id: row.id, call: row.call, number: row.number, generation: row.generation,
            stored: row.stored, blob: row.blob, plaintextLength: row.plaintextLength,
            ciphertextLength: row.ciphertextLength, digest: row.digest, content: row.content,
            keyID: row.keyID, audio: row.audio, logIndex: 20)
          #expect(found == stored)
          #expect(
            try await catalog.recording(
              in: call.id, content: [Sample.token(.content, "no"), row.content]) == stored)
          #expect(try await catalog.recording(in: .random(), content: [row.content]) == nil)
        }
        #expect(try await catalog.recordings(of: call.id).map(\.number) == [1, 2])
        #expect(try await catalog.recordings(of: .random()).isEmpty)
      },
      ConformanceCase("numbers are given once, and content is stored once in a call") { open in
        let catalog = try await open()
        let call = try await store(Sample.call(), in: catalog)
        let other = try await store(Sample.call(), in: catalog)
        #expect(try await catalog.reserveRecordingNumber(in: call.id) == 1)
        #expect(try await catalog.reserveRecordingNumber(in: call.id) == 2)
        #expect(try await open().reserveRecordingNumber(in: call.id) == 3)
        #expect(try await catalog.reserveRecordingNumber(in: other.id) == 1)
        #expect(try await catalog.call(call.id)?.recordingNumbers == 3)
        await refused(.notFound) { try await catalog.reserveRecordingNumber(in: .random()) }
        let row = Sample.recording(of: call.id, number: 1, content: "a")
        try await catalog.insert(row, since: 2)
        // Pending or live.
        for _ in 0..<2 {
          await refused(.conflict, existing: row.id) {
            try await catalog.insert(
              Sample.recording(of: call.id, number: 2, content: "a"), since: 2)
          }
          await refused(.conflict, existing: row.id) {
            try await catalog.insert(
              Sample.recording(of: call.id, number: 1, content: "b"), since: 2)
          }
          try await catalog.confirm(RowReference(.recording, row.id), at: Sample.position(9))
        }
        // Another call may have the same content.
        try await catalog.insert(
          Sample.recording(of: other.id, number: 1, content: "a"), since: 2)
      },
      ConformanceCase("live recordings are paged by the name of their object") { open in
        let catalog = try await open()
        let call = try await store(Sample.call(), in: catalog)
        var names: [BlobName] = []
        for number in 1...5 {
          let row = Sample.recording(
            of: call.id, number: number, content: "content \(number)")
          try await catalog.insert(row, since: 2)
          if number == 3 { continue }
          try await catalog.confirm(RowReference(.recording, row.id), at: Sample.position(9))
          names.append(row.blob)
        }
        let first = try await catalog.recordings(after: nil, limit: 3)
        let rest = try await catalog.recordings(after: first.last?.recording.blob, limit: 3)
        #expect((first + rest).map(\.recording.blob) == names.sorted())
        #expect(first.allSatisfy { $0.call.id == call.id })
      },
      ConformanceCase("objects that a recording names are told from orphans") { open in
        let catalog = try await open()
        let call = try await store(Sample.call(), in: catalog)
        let row = Sample.recording(of: call.id)
        let orphan = Sample.blob()
        try await catalog.insert(row, since: 2)
        #expect(try await catalog.referenced(among: [orphan, row.blob]) == [row.blob])
        try await catalog.confirm(RowReference(.recording, row.id), at: Sample.position(9))
        #expect(try await catalog.referenced(among: [orphan, row.blob]) == [row.blob])
        #expect(try await catalog.referenced(among: []).isEmpty)
      },
      ConformanceCase("64 callers get 64 numbers") { open in
        let catalog = try await open()
        let call = try await store(Sample.call(), in: catalog)
        let numbers = try await withThrowingTaskGroup(of: Int.self) { group in
          for _ in 0..<64 {
            group.addTask { try await catalog.reserveRecordingNumber(in: call.id) }
          }
          return try await group.reduce(into: []) { $0.append($1) }
        }
        #expect(numbers.sorted() == Array(1...64))
      },
    ]
  }

  static var texts: [ConformanceCase<CatalogDriver>] {
    [
      ConformanceCase("versions are kept, and none is overwritten") { open in
        let catalog = try await open()
        let call = try await store(Sample.call(), in: catalog)
        let large = [UInt8](repeating: 0xa5, count: 3 << 20)
        let first = Sample.text(.transcript, of: call.id, version: 1, sealed: large)
        let second = Sample.text(.transcript, of: call.id, version: 2)
        let note = Sample.text(.note, of: call.id, version: 1)
        for text in [first, second, note] {
          try await catalog.insert(text, since: 2)
          await refused(.conflict, existing: text.id) {
            try await catalog.insert(
              Sample.text(text.kind, of: call.id, version: text.version), since: 2)
          }
          let kind: RowKind = text.kind == .note ? .note : .transcript
          try await catalog.confirm(RowReference(kind, text.id), at: Sample.position(9))
        }
        await refused(.conflict, existing: first.id) {
          try await catalog.insert(Sample.text(.transcript, of: call.id, version: 1), since: 2)
        }
        let again = try await open()
        #expect(try await again.texts(.transcript, of: call.id, sealed: true) == [first, second])
        let light = try await again.texts(.transcript, of: call.id, sealed: false)
        #expect(light.map(\.sealed) == [[], []])
        #expect(light.map(\.length) == [Int64(large.count), 3])
        #expect(try await again.texts(.note, of: call.id, sealed: true) == [note])
        #expect(try await again.text(second.id) == second)
        #expect(try await again.text(.random()) == nil)
        #expect(try await again.texts(.note, of: .random(), sealed: true).isEmpty)
      }
    ]
  }

  static var access: [ConformanceCase<CatalogDriver>] {
    [
      ConformanceCase("an identity has one name in its kind") { open in
        let catalog = try await open()
        let ada = Sample.identity(.person, "ada")
        try await catalog.insert(ada, since: 1)
        #expect(try await catalog.identity(ada.id) == nil)
        #expect(try await catalog.identity(.person, named: "ada") == nil)
        await refused(.conflict, existing: ada.id) {
          try await catalog.insert(Sample.identity(.person, "ada"), since: 1)
        }
        try await catalog.confirm(RowReference(.identity, ada.id), at: Sample.position(2))
        for (kind, name) in [
          (.service, "ada"), (.person, "Ada"), (.localUser, "1000"),
        ] as [(IdentityRow.Kind, String)] {
          let other = Sample.identity(kind, name)
          try await catalog.insert(other, since: 3)
          try await catalog.confirm(RowReference(.identity, other.id), at: Sample.position(3))
        }
        #expect(try await catalog.identity(.person, named: "ada") == ada)
        #expect(try await catalog.identity(ada.id) == ada)
        #expect(try await catalog.identity(.person, named: "ad%") == nil)
        let names = try await catalog.identities(limit: 10).map(\.name)
        #expect(names.count == 4 && names == names.sorted())
        #expect(try await catalog.identities(limit: 2).count == 2)
      },
      ConformanceCase("a token is found by its digest, and ends for good") { open in
        let catalog = try await open()
        let scopes = ["location=Main Street 1", "recordings:write"]
        let old = Sample.accessToken("old", created: 1000)
        let new = Sample.accessToken("new", created: 2000, scopes: scopes)
        for token in [old, new] {
          try await catalog.insert(token, since: 1)
          #expect(try await catalog.token(digest: token.digest) == nil)
          await refused(.notFound) {
            try await catalog.revoke(token.id, at: Timestamp(milliseconds: 1))
          }
          try await catalog.confirm(RowReference(.token, token.id), at: Sample.position(2))
        }
        #expect(try await catalog.token(digest: new.digest) == new)
        #expect(try await catalog.token(old.id) == old)
        #expect(try await catalog.tokens(limit: 10) == [new, old])
        #expect(try await catalog.tokens(limit: 1) == [new])
        try await catalog.revoke(new.id, at: Timestamp(milliseconds: 5000))
        try await catalog.revoke(new.id, at: Timestamp(milliseconds: 6000))
        let found = try await open().token(digest: new.digest)
        #expect(found?.revoked == Timestamp(milliseconds: 5000))
        #expect(try await catalog.token(old.id)?.revoked == nil)
        await refused(.notFound) {
          try await catalog.revoke(.random(), at: Timestamp(milliseconds: 1))
        }
        #expect(try await catalog.token(digest: SHA256.hash([1])) == nil)
      },
      ConformanceCase("a playback grant ends with its time") { open in
        let catalog = try await open()
        func grant(until end: Int64) -> PlaybackGrantRow {
          PlaybackGrantRow(
            digest: SHA256.hash(Identifier.random().bytes), recording: .random(),
            token: .random(), purpose: .treatment, expires: Timestamp(milliseconds: end))
        }
        let (short, long) = (grant(until: 1000), grant(until: 2000))
        try await catalog.insert(short, now: Timestamp(milliseconds: 0))
        try await catalog.insert(long, now: Timestamp(milliseconds: 500))
        func found(_ grant: PlaybackGrantRow, at time: Int64) async throws -> PlaybackGrantRow? {
          try await catalog.playbackGrant(
            digest: grant.digest, now: Timestamp(milliseconds: time))
        }
        #expect(try await found(short, at: 999) == short)
        #expect(try await found(short, at: 1000) == nil)
        #expect(try await found(long, at: 1000) == long)
        try await catalog.insert(grant(until: 9000), now: Timestamp(milliseconds: 1000))
        #expect(try await found(short, at: 0) == nil)
        #expect(try await found(long, at: 0) == long)
      },
    ]
  }
}
