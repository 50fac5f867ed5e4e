import Audit
import Cryptography
import Encoding
import Retention
import Testing
import Vault

extension CatalogConformance {
  static var quarantine: [ConformanceCase<CatalogDriver>] {
    [
      ConformanceCase("an incident is in effect before its entry, and until it is closed") { open in
        let catalog = try await open()
        let call = Sample.call()
        try await catalog.insert(call, tokens: [], since: 1)
        let incident = IncidentRow(
          id: .random(), call: call.id, reason: .cardData, opened: Timestamp(milliseconds: 1000),
          due: Timestamp(milliseconds: 5000), version: 2,
          spans: [TimeSpan(100, 200), TimeSpan(0, TimeSpan.limit)].compactMap(\.self))
        try await catalog.open(incident, since: 7)
        // Nobody sees it before its call.
        #expect(try await catalog.openIncidents(after: nil, limit: 10).isEmpty)
        try await catalog.confirm(RowReference(.call, call.id), at: Sample.position(1))
        #expect(try await catalog.call(call.id)?.isQuarantined == true)
        #expect(try await catalog.calls(matching: CatalogQuery(limit: 10)).isEmpty)
        let waiting = try await catalog.unannouncedIncidents()
        #expect(waiting.map(\.incident) == [incident] && waiting.map(\.since) == [7])
        try await catalog.announce(incident.id, at: Sample.position(8))
        let again = try await open()
        #expect(try await again.unannouncedIncidents().isEmpty)
        #expect(try await again.incident(incident.id) == incident)
        #expect(try await again.openIncidents(of: call.id) == [incident])
        let listed = try await again.openIncidents(after: nil, limit: 10)
        #expect(listed.map(\.incident) == [incident] && listed.map(\.call.id) == [call.id])
        for (time, overdue): (Int64, Int64) in [(4999, 0), (5000, 1)] {
          #expect(
            try await again.incidentCounts(at: Timestamp(milliseconds: time))
              == IncidentCounts(cardData: 1, overdue: overdue))
        }
        let end = Timestamp(milliseconds: 9000)
        try await again.close(incident.id, at: end, position: Sample.position(9))
        try await again.close(
          incident.id, at: Timestamp(milliseconds: 9999), position: Sample.position(10))
        #expect(try await catalog.incident(incident.id)?.closed == end)
        #expect(try await catalog.call(call.id)?.isQuarantined == false)
        #expect(try await catalog.calls(matching: CatalogQuery(limit: 10)).count == 1)
        #expect(try await catalog.incidentCounts(at: end) == IncidentCounts())
        #expect(try await catalog.appliedPosition() == Sample.position(10))
      },
      ConformanceCase("a dropped call takes its incidents with it") { open in
        let catalog = try await open()
        let call = Sample.call()
        try await catalog.insert(call, tokens: [], since: 1)
        try await catalog.open(
          IncidentRow(
            id: .random(), call: call.id, reason: .consent, opened: Timestamp(milliseconds: 1),
            due: nil), since: 1)
        try await catalog.dropPending(RowReference(.call, call.id))
        #expect(try await catalog.unannouncedIncidents().isEmpty)
      },
      ConformanceCase("a call is sealed anew in one piece, or not at all") { open in
        let catalog = try await open()
        let call = try await store(Sample.call(), in: catalog)
        let recording = Sample.recording(of: call.id)
        try await catalog.insert(recording, since: 2)
        try await catalog.confirm(RowReference(.recording, recording.id), at: Sample.position(2))
        let text = Sample.text(.transcript, of: call.id, version: 1)
        try await catalog.insert(text, since: 3)
        try await catalog.confirm(RowReference(.transcript, text.id), at: Sample.position(3))
        let blob = Sample.blob()
        let parts = [
          ResealedPart(
            id: recording.id, generation: 2, content: .object(blob),
            plaintextLength: recording.plaintextLength,
            ciphertextLength: recording.ciphertextLength, digest: SHA256.hash([2])),
          ResealedPart(
            id: text.id, generation: 2, content: .text([9, 9]), plaintextLength: 1,
            ciphertextLength: 2, digest: SHA256.hash([9])),
        ]
        let kek = Identifier.random()
        func excision() -> ExcisionRow {
          ExcisionRow(
            id: .random(), call: call.id, recording: recording.id,
            begun: Timestamp(milliseconds: 4000), oldKeyID: call.keyID, oldKeyEpoch: 1,
            keyID: .random(), wrappedKey: [1, 1] + kek.bytes + [UInt8](repeating: 7, count: 77),
            keyEpoch: 3, details: [7],
            detailsGeneration: 2)
        }
        await refused(.conflict) {
          try await catalog.insert(excision(), parts: [parts[0]], since: 4)
        }
        let dropped = excision()
        try await catalog.insert(dropped, parts: parts, since: 4)
        #expect(try await catalog.referenced(among: [blob]) == [blob])
        #expect(try await catalog.pendingRows(limit: 10).map(\.row.kind) == [.excision])
        // Nothing is retired that a staged key hangs on.
        await refused(.conflict) {
          try await catalog.retire([
            RetiredKEK(
              id: kek, epoch: 3, retired: Timestamp(milliseconds: 1), confinedFrom: 0)
          ])
        }
        #expect(try await catalog.stagedBlobs(of: dropped.id) == [blob])
        try await catalog.dropPending(RowReference(.excision, dropped.id))
        #expect(try await catalog.referenced(among: [blob]).isEmpty)
        #expect(try await catalog.call(call.id) == call)

        let carried = excision()
        try await catalog.insert(carried, parts: parts, since: 5)
        for _ in 0..<2 {
          try await catalog.confirm(RowReference(.excision, carried.id), at: Sample.position(6))
        }
        let again = try await open()
        #expect(try await again.contains(RowReference(.excision, carried.id)))
        #expect(try await !again.contains(RowReference(.excision, dropped.id)))
        let (now, its) = try #require(await again.recording(recording.id))
        #expect(its.keyID == carried.keyID && its.wrappedKey == carried.wrappedKey)
        #expect(its.details == [7] && its.detailsGeneration == 2 && its.keyEpoch == 3)
        #expect(now.blob == blob && now.generation == 2 && now.digest == SHA256.hash([2]))
        #expect(now.keyID == carried.keyID && now.logIndex == 6 && now.content == recording.content)
        let said = try #require(await again.text(text.id))
        #expect(said.sealed == [9, 9] && said.generation == 2 && said.length == 2)
        let keys = try await again.excisedKeys()
        #expect(keys.map(\.keyID) == [call.keyID] && keys.map(\.blobs) == [[recording.blob]])
        try await again.forgetBlobs(ofExcised: call.keyID)
        #expect(try await again.excisedKeys().map(\.blobs) == [[]])
        await refused(.notFound) {
          try await again.confirm(RowReference(.excision, .random()), at: Sample.position(7))
        }
        try await again.checkIntegrity()
      },
    ]
  }
}
