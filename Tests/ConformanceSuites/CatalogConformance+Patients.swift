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
}

extension Sample {
  static func patient() -> PatientRow {
    PatientRow(
      subject: SubjectRow(id: .random(), wrappedKey: subjectKey),
      created: Timestamp(milliseconds: 1_795_000_200_000))
  }
}
