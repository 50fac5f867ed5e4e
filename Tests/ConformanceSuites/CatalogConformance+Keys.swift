import Audit
import Cryptography
import Encoding
import Testing
import Vault

/// Which keys hang where, what was purged, and what sealed it.
extension CatalogConformance {
  static var keys: [ConformanceCase<CatalogDriver>] {
    [
      ConformanceCase("wrapped keys are found by the key they hang on, in pages") { open in
        let catalog = try await open()
        let (one, two) = (Identifier.random(), Identifier.random())
        var calls: [Identifier] = []
        for number in 0..<7 {
          let call = try await store(Sample.call(under: number < 5 ? one : two), in: catalog)
          calls.append(call.id)
        }
        #expect(try await catalog.wrappedKeyCounts() == [one.bytes: 10, two.bytes: 4])
        #expect(Set(try await catalog.keksInUse()) == [one.bytes, two.bytes])
        var found: [WrappedKeyRow] = []
        while true {
          let page = try await catalog.wrappedKeys(under: [one], after: found.last, limit: 3)
          guard !page.isEmpty else { break }
          found += page
        }
        #expect(found.count == 10 && Set(found).count == 10)
        #expect(found.map(\.owner.rawValue) == found.map(\.owner.rawValue).sorted())
        #expect(Set(found.filter { $0.owner == .call }.map(\.id)) == Set(calls.prefix(5)))
        #expect(try await catalog.wrappedKeys(after: nil, limit: 100).count == 14)
        #expect(try await catalog.wrappedKeys(under: [.random()], after: nil, limit: 9).isEmpty)
      },
      ConformanceCase("a key is wrapped again only over the record it was wrapped from") { open in
        let catalog = try await open()
        let (old, new) = (Identifier.random(), Identifier.random())
        let call = try await store(Sample.call(under: old), in: catalog)
        let row = WrappedKeyRow(owner: .call, id: call.id, record: call.wrappedKey)
        let again = RewrappedKey(old: row, record: Sample.record(under: new))
        #expect(try await catalog.rewrap([again]) == 1)
        #expect(try await open().call(call.id)?.wrappedKey == again.record)
        // A second run of an older batch changes nothing.
        let stale = RewrappedKey(old: row, record: Sample.record(under: .random()))
        #expect(try await catalog.rewrap([stale]) == 0)
        #expect(try await catalog.call(call.id)?.wrappedKey == again.record)
      },
      ConformanceCase("a key in use is not retired, and a retired one is not used") { open in
        let catalog = try await open()
        let (old, new) = (Identifier.random(), Identifier.random())
        let call = try await store(Sample.call(under: old), in: catalog)
        let time = Timestamp(milliseconds: 1_795_000_300_000)
        let retired = RetiredKEK(id: old, epoch: 1, retired: time, confinedFrom: 1)
        await refused(.conflict) { try await catalog.retire([retired]) }
        #expect(try await catalog.retiredKEKs().isEmpty)
        for row in try await catalog.wrappedKeys(under: [old], after: nil, limit: 9) {
          let record = Sample.record(under: new)
          #expect(try await catalog.rewrap([RewrappedKey(old: row, record: record)]) == 1)
        }
        try await catalog.retire([retired])
        try await catalog.retire([retired])
        #expect(try await open().retiredKEKs() == [retired])
        await refused(.unavailable) {
          try await catalog.insert(Sample.call(under: old), tokens: [], since: 1)
        }
        let row = try #require(
          await catalog.wrappedKeys(under: [new], after: nil, limit: 1).first)
        await refused(.unavailable) {
          _ = try await catalog.rewrap(
            [RewrappedKey(old: row, record: Sample.record(under: old))])
        }
        #expect(try await catalog.call(call.id) != nil)
        // A catalog from before the ratchet is given the key table's records, of the key it has.
        let key = try #require(Identifier(bytes: Array(row.record[18..<34])))
        let another = WrappedKeyRow(
          owner: row.owner, id: row.id, record: Sample.record(under: .random()))
        #expect(try await catalog.adopt([another], from: [new]) == 0)
        let adopted = WrappedKeyRow(
          owner: row.owner, id: row.id, record: Sample.record(under: .random(), key: key))
        #expect(try await catalog.adopt([adopted], from: [old]) == 0)
        #expect(try await catalog.adopt([adopted], from: [new]) == 1)
        #expect(try await catalog.keksInUse().count == 2)
      },
      ConformanceCase("a purge waits for its entry, and then nothing of the call is left") { open in
        let catalog = try await open()
        let kek = Identifier.random()
        let call = try await store(
          Sample.call(under: kek), tokens: [Sample.token(.party, "1")], in: catalog)
        let kept = try await store(Sample.call(under: kek), in: catalog)
        let recording = Sample.recording(of: call.id)
        try await catalog.insert(recording, since: 2)
        let time = Timestamp(milliseconds: 1_795_000_300_000)
        // Something of it is not settled yet.
        await refused(.conflict) { try await catalog.insertPurge(of: call.id, at: time, since: 3) }
        try await catalog.confirm(RowReference(.recording, recording.id), at: Sample.position(2))
        try await catalog.insert(Sample.text(.note, of: call.id, version: 1), since: 2)
        let note = try #require(await catalog.pendingRows(limit: 9).first).row
        try await catalog.confirm(note, at: Sample.position(3))
        let patient = Sample.patient()
        try await catalog.insert(patient, reference: Sample.token(.patient, "MRN-1"), since: 3)
        try await catalog.confirm(RowReference(.patient, patient.id), at: Sample.position(4))
        let link = PatientLinkRow(
          id: .random(), patient: patient.id, call: call.id, created: patient.created)
        try await catalog.insert(link, since: 4)
        try await catalog.confirm(RowReference(.link, link.id), at: Sample.position(5))
        await refused(.notFound) {
          try await catalog.insertPurge(of: .random(), at: time, since: 6)
        }

        // Dropped, nothing was purged.
        let purge = RowReference(.purge, call.id)
        try await catalog.insertPurge(of: call.id, at: time, since: 6)
        #expect(try await catalog.purgedCall(call.id) == nil)
        #expect(try await catalog.call(call.id) != nil)
        try await catalog.dropPending(purge)
        #expect(try await catalog.recordings(of: call.id).count == 1)

        try await catalog.insertPurge(of: call.id, at: time, since: 6)
        #expect(try await catalog.blobs(of: call.id) == [recording.blob])
        #expect(try await catalog.calls(withKeys: [call.keyID, .random()]) == [call.id])
        try await catalog.confirm(purge, at: Sample.position(7))
        try await catalog.confirm(purge, at: Sample.position(7))
        let again = try await open()
        #expect(
          try await again.purgedCall(call.id)
            == PurgedCallRow(
              call: call.id, keyID: call.keyID, keyEpoch: 0, kek: kek.bytes, purged: time))
        #expect(try await again.call(call.id) == nil)
        #expect(try await again.recording(recording.id) == nil)
        #expect(try await again.text(note.id) == nil)
        #expect(try await again.blobs(of: call.id).isEmpty)
        #expect(try await again.calls(withKeys: [call.keyID]).isEmpty)
        #expect(try await again.subjects(behind: [link.id]) == [link.id: patient.id])
        #expect(try await again.appliedPosition() == Sample.position(7))
        let counts = try await again.counts()
        #expect(counts.calls == 1 && counts.recordings == 0 && counts.notes == 0)
        #expect(counts.plaintextBytes == 0 && counts.ciphertextBytes == 0)
        #expect(try await again.call(kept.id) == kept)
        try await again.checkIntegrity()
      },
      ConformanceCase("what was purged is erased with the key that it hung on") { open in
        let catalog = try await open()
        let (old, new) = (Identifier.random(), Identifier.random())
        let time = Timestamp(milliseconds: 1_795_000_300_000)
        var calls: [Identifier] = []
        for (epoch, kek) in [(UInt32(1), old), (2, old), (3, new)] {
          let call = try await store(Sample.call(under: kek, epoch: epoch), in: catalog)
          try await catalog.insertPurge(of: call.id, at: time, since: 2)
          try await catalog.confirm(RowReference(.purge, call.id), at: Sample.position(2))
          calls.append(call.id)
        }
        #expect(
          try await catalog.purgeCounts() == PurgeCounts(waiting: 3, erased: 0, proven: 0))
        try await catalog.retire(
          [RetiredKEK(id: old, epoch: 2, retired: time, confinedFrom: 2)])
        try await catalog.noteDestroyed(
          [old], at: time, provenFrom: 2, position: Sample.position(9))
        let again = try await open()
        #expect(try await again.appliedPosition() == Sample.position(9))
        #expect(try await again.retiredKEKs().first?.destroyed == time)
        #expect(try await again.purgeCounts() == PurgeCounts(waiting: 1, erased: 2, proven: 1))
        #expect(try await again.purgedCall(calls[0])?.isProven == false)
        #expect(try await again.purgedCall(calls[1])?.isProven == true)
        #expect(try await again.purgedCall(calls[2])?.erased == nil)
        #expect(try await again.purgedCalls(after: nil, limit: 9).map(\.call) == [calls[2]])
        #expect(try await again.purgedCalls(after: calls[2], limit: 9).isEmpty)
      },
      ConformanceCase("what sealed a part is kept with it and counted") { open in
        let catalog = try await open()
        let old = try #require(SealingLibrary("OpenSSL 3.0.1 default"))
        let call = try await store(Sample.call(), in: catalog)
        let recordings = [old, nil, .current].enumerated().map { (number, library) in
          Sample.recording(
            of: call.id, number: number + 1, content: "\(number)", sealedBy: library)
        }
        for recording in recordings { try await catalog.insert(recording, since: 2) }
        let text = Sample.text(.transcript, of: call.id, version: 1)
        try await catalog.insert(text, since: 2)
        let again = try await open()
        for recording in recordings {
          try await again.confirm(RowReference(.recording, recording.id), at: Sample.position(3))
          #expect(try await again.recording(recording.id)?.recording.sealedBy == recording.sealedBy)
        }
        try await again.confirm(RowReference(.transcript, text.id), at: Sample.position(3))
        #expect(try await again.text(text.id)?.sealedBy == .current)
        #expect(try await again.call(call.id)?.sealedBy == .current)
        #expect(
          Set(try await again.sealedParts()) == [
            SealedParts(library: nil, count: 1), SealedParts(library: old, count: 1),
            SealedParts(library: .current, count: 3),
          ])
      },
    ]
  }
}

extension Sample {
  /// A wrap record's bytes, which open nothing.
  static func record(under kek: Identifier, key: Identifier = .random()) -> [UInt8] {
    [1, 1] + kek.bytes + key.bytes + [UInt8](repeating: 7, count: 61)
  }

  /// A call whose keys hang on `kek`.
  static func call(under kek: Identifier, epoch: UInt32 = 0) -> CallRow {
    let row = call()
    return CallRow(
      id: row.id, subject: SubjectRow(id: row.subject.id, wrappedKey: record(under: kek)),
      created: row.created, started: row.started, direction: row.direction, source: row.source,
      location: row.location, callExtension: row.callExtension, keyID: row.keyID,
      wrappedKey: record(under: kek), keyEpoch: epoch, details: row.details,
      detailsGeneration: row.detailsGeneration, recordingNumbers: row.recordingNumbers)
  }
}
