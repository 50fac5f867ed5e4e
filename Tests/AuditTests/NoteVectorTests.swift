import Audit
import Cryptography
import Encoding
import Foundation
import Testing

private struct NoteCase: Decodable {
  let id: String
  let expect: Expectation
  let noteBase64: Data
  let knownVkeys: [String]
  let verified: [String]?
}

private struct NoteFile: Decodable {
  struct Key: Decodable {
    let id: String
    let expect: Expectation
    let vkey: String
  }
  let cases: [NoteCase]
  let vkeys: [Key]
}

private struct CosignatureFile: Decodable { let cases: [NoteCase] }

private struct KeyFile: Decodable {
  struct Key: Decodable {
    let name: String
    let ed25519SeedHex: String
    let ed25519PublicHex: String
    let keyIdHex: String
    let vkey: String
    let signatureTypeByte: UInt8
  }
  let log: Key
  let log2: Key
  let logRotated: Key
  let unknown: Key
  let witnesses: [Key]
}

private struct CheckpointFile: Decodable {
  struct Case: Decodable {
    let id: String
    let expect: Expectation
    let textBase64: Data
    let origin: String?
    let size: String?
    let rootHex: String?
    let `extension`: [String]?
  }
  let cases: [Case]
}

private struct ProofFile: Decodable {
  struct Policy: Decodable {
    let log: String
    let witnesses: [String]
    let quorum: Int
  }
  struct Case: Decodable {
    let id: String
    let expect: Expectation
    let proof: String
    let entryHex: String
  }
  let policy: Policy
  let cases: [Case]
}

private func short(_ key: VerifierKey) -> String { "\(key.name)+\(Hex.encode(key.keyID))" }

@Suite struct NoteVectorTests {
  @Test func keysHaveTheirIDsAndOneSpelling() throws {
    let file = try Vectors.load(KeyFile.self, from: "keys.json")
    for vector in [file.log, file.log2, file.logRotated, file.unknown] + file.witnesses {
      let key = try #require(VerifierKey(vector.vkey))
      #expect(key.description == vector.vkey)
      #expect(key.name == vector.name)
      #expect(Hex.encode(key.keyID) == vector.keyIdHex)
      #expect(Hex.encode(key.publicKey) == vector.ed25519PublicHex)
      #expect(key.type.rawValue == vector.signatureTypeByte)
    }
  }

  @Test func keyTextsAreTakenOrRefused() throws {
    for vector in try Vectors.load(NoteFile.self, from: "notes.json").vkeys {
      vector.expect.check(VerifierKey(vector.vkey) != nil, vector.id)
    }
  }

  @Test func notesAreOpenedOrRefused() throws {
    let cases = try Vectors.load(NoteFile.self, from: "notes.json").cases
    #expect(cases.count >= 44)
    for vector in cases { try checkNote(vector) }
  }

  @Test func cosignaturesAreOpenedOrRefused() throws {
    let cases = try Vectors.load(CosignatureFile.self, from: "cosignatures.json").cases
    #expect(cases.count >= 12)
    for vector in cases { try checkNote(vector) }
  }

  private func checkNote(_ vector: NoteCase) throws {
    let accepted = succeeds {
      let note = try SignedNote(parsing: Array(vector.noteBase64))
      try demand(note.encoded == Array(vector.noteBase64))
      let keys = try vector.knownVkeys.map { try #require(VerifierKey($0)) }
      let signers = try note.open(with: keys)
      if let verified = vector.verified {
        try demand(signers.verified.map(short).sorted() == verified.sorted())
      }
    }
    vector.expect.check(accepted, vector.id)
  }

  /// The library at hand cannot check ML-DSA-44: a good line and a bad one are the same to us.
  @Test func postQuantumLinesAreReportedAndNeverAccepted() throws {
    for vector in try Vectors.load(CosignatureFile.self, from: "cosignatures_mldsa44.json").cases {
      let keys = try vector.knownVkeys.map { try #require(VerifierKey($0)) }
      let note = try SignedNote(parsing: Array(vector.noteBase64))
      let signers = try note.open(with: keys)
      #expect(signers.verified.allSatisfy { $0.type != .mldsa44 }, "\(vector.id)")
      #expect(signers.unsupported.count == 1, "\(vector.id)")
      let alone = keys.filter { $0.type == .mldsa44 }
      #expect(throws: AuditError.self) { try note.open(with: alone) }
    }
  }

  @Test func checkpointsAreTakenOrRefused() throws {
    for vector in try Vectors.load(CheckpointFile.self, from: "checkpoints.json").cases {
      let accepted = succeeds {
        let checkpoint = try Checkpoint(parsing: Array(vector.textBase64))
        try demand(checkpoint.text == Array(vector.textBase64))
        if let origin = vector.origin {
          try demand(checkpoint.origin == origin && String(checkpoint.size) == vector.size)
          try demand(checkpoint.root.hex == vector.rootHex)
          try demand(checkpoint.extensions == vector.extension ?? [])
        }
      }
      vector.expect.check(accepted, vector.id)
    }
  }

  @Test func proofFilesAreAcceptedOrRefused() throws {
    let file = try Vectors.load(ProofFile.self, from: "tlog_proofs.json")
    let log = try #require(VerifierKey(file.policy.log))
    let witnesses = try file.policy.witnesses.map { try #require(VerifierKey($0)) }
    let policy = try #require(
      WitnessPolicy(log: log, witnesses: witnesses, quorum: file.policy.quorum))
    #expect(file.cases.count >= 14)
    for vector in file.cases {
      let accepted = succeeds {
        let proof = try TLogProof(parsing: Array(vector.proof.utf8))
        try demand(proof.encoded == Array(vector.proof.utf8))
        let entry = try #require(Hex.decode(vector.entryHex))
        _ = try proof.verify(leaf: MerkleTree.leafHash(entry), policy: policy)
      }
      vector.expect.check(accepted, vector.id)
    }
  }
}
