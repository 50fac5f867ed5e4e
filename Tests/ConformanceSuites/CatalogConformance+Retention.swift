import Audit
import Cryptography
import Encoding
import Retention
import Testing
import Vault

extension CatalogConformance {
  static var retention: [ConformanceCase<CatalogDriver>] {
    [
      ConformanceCase("a hold keeps from its row on, and until its release") { open in
        let catalog = try await open()
        let hold = HoldRow(
          id: .random(), placed: Timestamp(milliseconds: 1_795_000_000_000), placedBy: .random(),
          sealed: [1, 2, 3])
        try await catalog.insert(hold, since: 3)
        #expect(try await catalog.standingHolds() == [hold])
        #expect(try await catalog.hold(hold.id) == nil)
        try await catalog.confirm(RowReference(.hold, hold.id), at: Sample.position(3))
        let again = try await open()
        #expect(try await again.holds(limit: 10) == [hold])
        let end = Timestamp(milliseconds: 1_795_000_100_000)
        try await again.releaseHold(hold.id, at: end, position: Sample.position(4))
        // Said again, as at a start, it stays.
        try await again.releaseHold(
          hold.id, at: Timestamp(milliseconds: 1), position: Sample.position(4))
        #expect(try await again.standingHolds().isEmpty)
        #expect(try await again.hold(hold.id)?.released == end)
        #expect(try await again.appliedPosition() == Sample.position(4))
      },
      ConformanceCase("a hold without its entry is dropped") { open in
        let catalog = try await open()
        let hold = HoldRow(
          id: .random(), placed: Timestamp(milliseconds: 1), placedBy: .random(), sealed: [1])
        try await catalog.insert(hold, since: 3)
        #expect(
          try await catalog.pendingRows(limit: 10).map(\.row) == [RowReference(.hold, hold.id)])
        try await catalog.dropPending(RowReference(.hold, hold.id))
        #expect(try await catalog.standingHolds().isEmpty)
      },
      ConformanceCase("a hold that is to be released keeps until its entry is durable") { open in
        let catalog = try await open()
        let hold = HoldRow(
          id: .random(), placed: Timestamp(milliseconds: 1), placedBy: .random(), sealed: [1])
        try await catalog.insert(hold, since: 3)
        let asked = Timestamp(milliseconds: 1_795_000_100_000)
        await refused(.notFound) {
          try await catalog.insertRelease(of: hold.id, at: asked, since: 3)
        }
        try await catalog.confirm(RowReference(.hold, hold.id), at: Sample.position(3))
        let release = RowReference(.release, hold.id)
        await refused(.notFound) { try await catalog.confirm(release, at: Sample.position(4)) }
        for since: Int64 in 4...5 {
          try await catalog.insertRelease(of: hold.id, at: asked, since: since)
          await refused(.conflict) {
            try await catalog.insertRelease(of: hold.id, at: asked, since: since)
          }
          #expect(
            try await catalog.pendingRows(limit: 10)
              == [PendingRow(row: release, since: since, blob: nil)])
          #expect(try await catalog.standingHolds() == [hold])
          #expect(try await catalog.contains(release))
          if since == 4 { try await catalog.dropPending(release) }
        }
        try await catalog.confirm(release, at: Sample.position(5))
        try await catalog.confirm(release, at: Sample.position(5))
        let again = try await open()
        #expect(try await again.hold(hold.id)?.released == asked)
        #expect(try await again.standingHolds().isEmpty)
        #expect(try await again.pendingRows(limit: 10).isEmpty)
        #expect(try await again.contains(release))
        #expect(try await again.appliedPosition() == Sample.position(5))
        await refused(.notFound) {
          try await again.insertRelease(of: hold.id, at: asked, since: 6)
        }
      },
      ConformanceCase("an approval is kept with what it brings about, or not at all") { open in
        let catalog = try await open()
        let hold = HoldRow(
          id: .random(), placed: Timestamp(milliseconds: 1), placedBy: .random(), sealed: [1])
        try await catalog.insert(hold, since: 1)
        try await catalog.confirm(RowReference(.hold, hold.id), at: Sample.position(1))
        var plan = PlanRow(
          id: .random(), hash: SHA256.hash([1]), made: Timestamp(milliseconds: 5),
          madeBy: .random(), calls: 2, recordings: 3, bytes: 4)
        plan.stage = .approved
        let subject = SHA256.hash([7])
        let approval = ApprovalRow(
          subject: subject, person: .random(), bytes: [1], logIndex: 4)
        for effect: ApprovalEffect in [.plan(plan), .release(hold.id)] {
          await refused(.notFound) {
            try await catalog.keep(approval, bringing: effect, position: Sample.position(4))
          }
        }
        #expect(try await catalog.approvals(of: subject).isEmpty)
        #expect(try await catalog.appliedPosition() == Sample.position(1))
        plan.stage = .planned
        try await catalog.insert(plan, since: 2)
        try await catalog.confirm(RowReference(.plan, plan.id), at: Sample.position(2))
        plan.logIndex = 2
        plan.stage = .approved
        let time = Timestamp(milliseconds: 9)
        try await catalog.insertRelease(of: hold.id, at: time, since: 3)
        for (index, effect) in [
          (4, .plan(plan)), (5, .release(hold.id)), (6, .policy(subject)),
        ] as [(Int64, ApprovalEffect)] {
          try await catalog.keep(approval, bringing: effect, position: Sample.position(index))
          #expect(try await catalog.appliedPosition() == Sample.position(index))
        }
        let again = try await open()
        #expect(try await again.approvals(of: subject) == [approval])
        #expect(try await again.plan(plan.hash) == plan)
        #expect(try await again.hold(hold.id)?.released == time)
        #expect(try await again.fact(.approvedSchedule) == subject.bytes)
        #expect(try await again.pendingRows(limit: 10).isEmpty)
      },
      ConformanceCase("a plan is found by its hash and goes on by stages") { open in
        let catalog = try await open()
        var plan = PlanRow(
          id: .random(), hash: SHA256.hash([1]), made: Timestamp(milliseconds: 5),
          madeBy: .random(), calls: 2, recordings: 3, bytes: 4)
        try await catalog.insert(plan, since: 3)
        #expect(try await catalog.plan(plan.hash) == nil)
        await refused(.notFound) { try await catalog.update(plan) }
        try await catalog.confirm(RowReference(.plan, plan.id), at: Sample.position(7))
        plan.logIndex = 7
        #expect(try await catalog.plan(plan.hash) == plan)
        plan.stage = .inGrace
        plan.graceSince = Timestamp(milliseconds: 9)
        plan.document = [1, 2]
        try await catalog.update(plan)
        let again = try await open()
        #expect(try await again.plans(limit: 10) == [plan])
        #expect(try await again.plan(id: plan.id) == plan)
      },
      ConformanceCase("one person has one approval of one thing, the latest") { open in
        let catalog = try await open()
        let (subject, person) = (SHA256.hash([1]), Identifier.random())
        for index: Int64 in 4...5 {
          try await catalog.keep(
            ApprovalRow(
              subject: subject, person: person, bytes: [UInt8(index)], logIndex: index),
            bringing: nil, position: Sample.position(index))
        }
        let other = ApprovalRow(subject: subject, person: .random(), bytes: [9], logIndex: 2)
        try await catalog.keep(other, bringing: nil, position: Sample.position(6))
        let kept = try await open().approvals(of: subject)
        #expect(kept.map(\.bytes) == [[9], [5]])
        #expect(try await catalog.approvals(of: SHA256.hash([2])).isEmpty)
      },
      ConformanceCase("purges are all begun or none, and leave what certificates tell of") { open in
        let catalog = try await open()
        let first = try await store(Sample.call(), in: catalog)
        let second = try await store(Sample.call(), in: catalog)
        let recording = Sample.recording(of: first.id)
        try await catalog.insert(recording, since: 3)
        await refused(.conflict) {
          try await catalog.insert(
            [NewPurge(call: second.id), NewPurge(call: first.id)],
            at: Timestamp(milliseconds: 10), since: 4)
        }
        try await catalog.confirm(RowReference(.recording, recording.id), at: Sample.position(4))
        await refused(.notFound) {
          try await catalog.insert(
            [NewPurge(call: second.id), NewPurge(call: .random())],
            at: Timestamp(milliseconds: 10), since: 4)
        }
        #expect(try await catalog.pendingRows(limit: 10).isEmpty)
        let plan = Identifier.random()
        try await catalog.setFacts(
          ofCall: first.id, to: [1, 2], position: Sample.position(5))
        try await catalog.insert(
          [
            NewPurge(
              call: first.id, plan: plan, rule: 2, eligible: "2026-11-28",
              judged: Timestamp(milliseconds: 50)),
            NewPurge(call: second.id, plan: plan),
          ], at: Timestamp(milliseconds: 10), since: 6)
        #expect(try await catalog.blobs(of: [first.id, second.id]) == [recording.blob])
        try await catalog.confirmPurges([
          (first.id, Sample.position(6)), (second.id, Sample.position(7)),
        ])
        let again = try await open()
        #expect(try await again.call(first.id) == nil)
        let counts = try await again.counts()
        #expect(counts.calls == 0 && counts.recordings == 0)
        let left = try #require(try await again.purgeEvidence(first.id))
        #expect(left.plan == plan && left.rule == 2 && left.eligible == "2026-11-28")
        #expect(left.started == first.started && left.logIndex == 6)
        #expect(String(decoding: left.recordings, as: UTF8.self).contains("61250"))
        #expect(
          try await again.purgeEvidence(ofPlan: plan, after: nil, limit: 10).count == 2)
        #expect(try await again.purged(among: [first.id, .random()]) == [first.id])
        #expect(try await again.purged(ofPlan: plan) == (2, 2))
        // By the time that was judged, and by our clock where none was.
        for (since, times) in [(10, [10, 50]), (11, [50]), (51, [])] {
          let counted = try await again.purgedRecordings(
            since: Timestamp(milliseconds: Int64(since)))
          #expect(counted.map { Int($0.time.milliseconds) } == times)
          #expect(counted.allSatisfy { $0.recordings == 1 })
        }
        try await again.checkIntegrity()
      },
      ConformanceCase("calls come for planning in pages, each once") { open in
        let catalog = try await open()
        var stored: Set<Identifier> = []
        for _ in 0..<7 { stored.insert(try await store(Sample.call(), in: catalog).id) }
        var seen: [Identifier] = []
        var place: Int64? = 0
        while let after = place {
          let (calls, next) = try await catalog.retainedCalls(after: after, limit: 3)
          seen += calls.map(\.call)
          place = next
        }
        #expect(seen.count == 7 && Set(seen) == stored)
      },
    ]
  }
}
