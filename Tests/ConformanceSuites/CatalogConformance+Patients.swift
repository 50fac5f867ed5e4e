import Audit
import Cryptography
import Encoding
import Testing
import Vault

extension CatalogConformance {
  static var patients: [ConformanceCase<CatalogDriver>] {
    [
      ConformanceCase("a patient is found by the practice's reference, once it is live") { open in
        let catalog = try await open()
        let (patient, token) = (Sample.patient(), Sample.token(.patient, "MRN-1"))
        try await catalog.insert(patient, reference: token, since: 3)
        #expect(try await catalog.patient(patient.id) == nil)
        #expect(try await catalog.patient(reference: [token]) == patient.id)
        await refused(.conflict, existing: patient.id) {
          try await catalog.insert(Sample.patient(), reference: token, since: 3)
        }
        try await catalog.confirm(RowReference(.patient, patient.id), at: Sample.position(3))
        let again = try await open()
        #expect(try await again.patient(patient.id) == patient)
        #expect(try await again.patient(reference: [Sample.token(.patient, "MRN-2")]) == nil)
      },
      ConformanceCase("a dropped patient leaves nothing") { open in
        let catalog = try await open()
        let (patient, token) = (Sample.patient(), Sample.token(.patient, "MRN-1"))
        try await catalog.insert(patient, reference: token, since: 3)
        try await catalog.dropPending(RowReference(.patient, patient.id))
        #expect(try await catalog.patient(reference: [token]) == nil)
        // The same reference, and the same key, may come again.
        try await catalog.insert(patient, reference: token, since: 4)
      },
      ConformanceCase("a call is one patient's, from when its link is live") { open in
        let catalog = try await open()
        let call = try await store(Sample.call(), in: catalog)
        let patient = Sample.patient()
        try await catalog.insert(patient, reference: Sample.token(.patient, "MRN-1"), since: 3)
        try await catalog.confirm(RowReference(.patient, patient.id), at: Sample.position(3))
        let link = PatientLinkRow(
          id: .random(), patient: patient.id, call: call.id, created: patient.created)
        try await catalog.insert(link, since: 4)
        #expect(try await catalog.call(call.id)?.patient == nil)
        #expect(try await catalog.links(of: patient.id).isEmpty)
        await refused(.conflict, existing: patient.id) {
          try await catalog.insert(
            PatientLinkRow(
              id: .random(), patient: patient.id, call: call.id, created: patient.created),
            since: 4)
        }
        try await catalog.confirm(RowReference(.link, link.id), at: Sample.position(4))
        let again = try await open()
        #expect(
          try await again.call(call.id)?.patient
            == SubjectRow(
              id: patient.id, alias: link.id, wrappedKey: patient.subject.wrappedKey))
        #expect(
          try await again.calls(matching: CatalogQuery(limit: 10)).first?.call.patient?.alias
            == link.id)
        #expect(try await again.links(of: patient.id) == [link])
        #expect(
          try await again.subjects(behind: [call.id, link.id]) == [link.id: patient.id])

        // Taken back, it stands for the patient in what was logged all the same; the call is free.
        try await again.endLink(link.id, at: Sample.position(9))
        try await again.endLink(link.id, at: Sample.position(9))
        let last = try await open()
        #expect(try await last.appliedPosition() == Sample.position(9))
        #expect(try await last.call(call.id)?.patient == nil)
        #expect(try await last.links(of: patient.id).isEmpty)
        #expect(try await last.endedLinks(of: patient.id) == [link.id])
        #expect(try await last.subjects(behind: [link.id]) == [link.id: patient.id])
        try await last.insert(
          PatientLinkRow(
            id: .random(), patient: patient.id, call: call.id, created: patient.created),
          since: 10)
      },
      ConformanceCase("a link that is to end is one until its entry is durable") { open in
        let catalog = try await open()
        let (call, link) = try await linkedCall(in: catalog)
        let end = RowReference(.unlinking, link.id)
        let time = Timestamp(milliseconds: 1_795_000_300_000)
        #expect(try await !catalog.contains(end))
        await refused(.notFound) { try await catalog.confirm(end, at: Sample.position(5)) }
        await refused(.notFound) {
          try await catalog.insertUnlinking(of: .random(), at: time, since: 5)
        }
        try await catalog.insertUnlinking(of: link.id, at: time, since: 5)
        await refused(.conflict) {
          try await catalog.insertUnlinking(of: link.id, at: time, since: 5)
        }
        let again = try await open()
        #expect(
          try await again.pendingRows(limit: 10) == [PendingRow(row: end, since: 5, blob: nil)])
        #expect(try await again.contains(end))
        #expect(try await again.links(of: link.patient) == [link])
        #expect(try await again.call(call.id)?.patient?.alias == link.id)
        // Another kind's row of the same id is not there.
        #expect(try await !again.contains(RowReference(.release, link.id)))
        try await again.dropPending(RowReference(.release, link.id))

        // Dropped, it never was.
        try await again.dropPending(end)
        #expect(try await again.pendingRows(limit: 10).isEmpty)
        #expect(try await again.links(of: link.patient) == [link])
        try await again.insertUnlinking(of: link.id, at: time, since: 6)
        try await again.confirm(end, at: Sample.position(6))
        try await again.dropPending(end)
        try await again.confirm(end, at: Sample.position(6))
        let last = try await open()
        #expect(try await last.appliedPosition() == Sample.position(6))
        #expect(try await last.pendingRows(limit: 10).isEmpty)
        #expect(try await last.contains(end))
        #expect(try await last.call(call.id)?.patient == nil)
        #expect(try await last.endedLinks(of: link.patient) == [link.id])
        await refused(.notFound) {
          try await last.insertUnlinking(of: link.id, at: time, since: 7)
        }
        try await last.checkIntegrity()
      },
      ConformanceCase("what ended otherwise, or went with its call, does not end again") { open in
        let catalog = try await open()
        let time = Timestamp(milliseconds: 1_795_000_300_000)
        for number in 0..<2 {
          let (call, link) = try await linkedCall(in: catalog, reference: "MRN-\(number)")
          try await catalog.insertUnlinking(of: link.id, at: time, since: 5)
          if number == 0 {
            try await catalog.endLink(link.id, at: Sample.position(5))
          } else {
            try await catalog.insertPurge(of: call.id, at: time, since: 5)
            try await catalog.confirm(RowReference(.purge, call.id), at: Sample.position(5))
          }
          #expect(try await catalog.pendingRows(limit: 10).isEmpty)
          // As a start does that listed what was pending before.
          try await catalog.confirm(RowReference(.unlinking, link.id), at: Sample.position(6))
          #expect(try await catalog.links(of: link.patient).isEmpty)
          #expect(try await catalog.endedLinks(of: link.patient) == (number == 0 ? [link.id] : []))
        }
        try await catalog.checkIntegrity()
      },
      ConformanceCase("a policy file is kept as it was first stored") { open in
        let catalog = try await open()
        let hash = SHA256.hash(Array("v: 1".utf8))
        #expect(try await catalog.policy(hash) == nil)
        try await catalog.keepPolicy(Array("v: 1".utf8), hash: hash)
        try await catalog.keepPolicy([1], hash: hash)
        #expect(try await open().policy(hash) == Array("v: 1".utf8))
      },
    ]
  }

  /// A call that is a patient's.
  private static func linkedCall(
    in catalog: CatalogDriver, reference: String = "MRN-1"
  ) async throws -> (CallRow, PatientLinkRow) {
    let call = try await store(Sample.call(), in: catalog)
    let patient = Sample.patient()
    try await catalog.insert(patient, reference: Sample.token(.patient, reference), since: 3)
    try await catalog.confirm(RowReference(.patient, patient.id), at: Sample.position(3))
    let link = PatientLinkRow(
      id: .random(), patient: patient.id, call: call.id, created: patient.created)
    try await catalog.insert(link, since: 4)
    try await catalog.confirm(RowReference(.link, link.id), at: Sample.position(4))
    return (call, link)
  }
}

extension Sample {
  static func patient() -> PatientRow {
    PatientRow(
      subject: SubjectRow(id: .random(), wrappedKey: subjectKey),
      created: Timestamp(milliseconds: 1_795_000_200_000))
  }
}
