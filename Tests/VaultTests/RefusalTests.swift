import Audit
import Cryptography
import Drivers
import Encoding
import Testing

@testable import Vault

/// Who may do what, asked of every operation and not only of the policy.
@Suite struct RefusalTests {
  enum Operation: String, CaseIterable, Sendable {
    case createCall, findCalls, findDetails, call, callDetails, storeRecording, open, grant
    case ciphertext, export, storeTranscript, transcript, storeNote, notes
    case createToken, tokens, revokeToken, audit, metrics

    var right: Right {
      switch self {
      case .createCall: .createCall
      case .findCalls, .call: .listCalls
      case .findDetails, .callDetails: .readDetails
      case .storeRecording: .storeRecording
      case .open: .openRecording
      case .grant: .playRecording
      case .ciphertext: .readCiphertext
      case .export: .exportKey
      case .storeTranscript: .storeTranscript
      case .transcript: .readTranscript
      case .storeNote: .storeNote
      case .notes: .readNote
      case .createToken: .createToken
      case .tokens: .listTokens
      case .revokeToken: .revokeToken
      case .audit: .readAudit
      case .metrics: .readMetrics
      }
    }

    func perform(
      in practice: Practice, on recording: RecordingReceipt, as caller: Caller,
      purpose: PurposeOfUse? = .treatment
    ) async throws {
      let vault = practice.vault
      switch self {
      case .createCall:
        _ = try await vault.createCall(
          NewCall(source: "3cx", sourceID: Identifier.random().description), as: caller)
      case .findCalls: _ = try await vault.findCalls(CallSearch(), as: caller, purpose: nil)
      case .findDetails: _ = try await vault.findCalls(CallSearch(), as: caller, purpose: purpose)
      case .call: _ = try await vault.call(recording.call, as: caller, purpose: nil)
      case .callDetails: _ = try await vault.call(recording.call, as: caller, purpose: purpose)
      case .storeRecording:
        _ = try await practice.store(
          Identifier.random().bytes, in: recording.call, as: caller)
      case .open: _ = try await practice.read(recording.recording, as: caller, purpose: purpose)
      case .grant:
        _ = try await vault.grantPlayback(of: recording.recording, as: caller, purpose: purpose)
      case .ciphertext:
        try await vault.readCiphertext(of: recording.recording, as: caller) { _, _ in }
      case .export:
        _ = try await vault.exportKey(of: recording.recording, as: caller, purpose: purpose)
      case .storeTranscript:
        _ = try await vault.storeTranscript(
          Transcript(provider: "x", language: "en", segments: []), of: recording.call, as: caller)
      case .transcript:
        _ = try await vault.transcript(
          of: recording.call, version: 1, as: caller, purpose: purpose)
      case .storeNote:
        _ = try await vault.storeNote("x", of: recording.call, as: caller, purpose: purpose)
      case .notes: _ = try await vault.notes(of: recording.call, as: caller, purpose: purpose)
      case .createToken:
        _ = try await vault.createToken(named: "x", role: .auditor, scopes: [], as: caller)
      case .tokens: _ = try await vault.tokens(as: caller)
      case .revokeToken: try await vault.revokeToken(.random(), as: caller)
      case .audit: try await vault.admitAuditReader(caller)
      case .metrics: try await vault.admitMetricsReader(caller)
      }
    }
  }

  @Test(arguments: Role.allCases)
  func everyOperationAsksThePolicy(role: Role) async throws {
    let practice = try await Practice.new()
    let receipt = try await practice.recording()
    _ = try await practice.vault.storeTranscript(
      Transcript(provider: "x", language: "en", segments: []), of: receipt.call,
      as: practice.phoneSystem())
    let caller = try await practice.caller(role)
    for operation in Operation.allCases {
      let entries = try await practice.entriesOf {
        let granted = AccessPolicyTests.granted[role]?.contains(operation.right) == true
        do {
          try await operation.perform(in: practice, on: receipt, as: caller)
          #expect(granted, "\(role) was let to \(operation)")
        } catch let error as VaultError {
          // Revoking a token that does not exist is not found, for who may revoke.
          if granted {
            #expect(operation == .revokeToken && error.code == .notFound, "\(operation): \(error)")
          } else {
            #expect(error.code == .denied, "\(role) \(operation): \(error)")
            #expect(error.detail != nil)
          }
        }
        if !granted { return }
      }
      guard AccessPolicyTests.granted[role]?.contains(operation.right) != true else { continue }
      #expect(entries.count == 1, "\(role) \(operation)")
      #expect(entries.first?.outcome == .refused)
      #expect(entries.first?.phase == .single)
      #expect(entries.first?.reason == .roleLacksRight || role == .service)
      #expect(entries.first?.actor.id == caller.actor.id)
    }
  }

  @Test(arguments: Operation.allCases.filter { $0.right.needsPurpose })
  func contentIsRefusedWithoutAReason(operation: Operation) async throws {
    let practice = try await Practice.new()
    let receipt = try await practice.recording()
    let officer = try await practice.caller(.privacyOfficer)
    guard operation != .findDetails, operation != .callDetails else { return }
    for (purpose, reason, code) in [
      (nil, Reason.purposeMissing, VaultError.Code.invalid),
      (.payment, .purposeRefused, .denied), (.breakGlass, .purposeRefused, .denied),
    ] as [(PurposeOfUse?, Reason, VaultError.Code)] {
      let entries = try await practice.entriesOf {
        let error = await #expect(throws: VaultError.self) {
          try await operation.perform(
            in: practice, on: receipt, as: officer, purpose: purpose)
        }
        #expect(error?.code == code)
      }
      #expect(entries.map(\.reason) == [reason])
    }
  }

  /// What a caller may not know of answers as what does not exist; the log tells them apart.
  @Test func whatLiesOutsideTheScopeIsNotThere() async throws {
    let practice = try await Practice.new()
    let here = try await practice.recording(location: "main", callExtension: "204")
    let there = try await practice.recording(location: "branch", callExtension: "300")
    let clinician = try await practice.caller(.clinician, "location=main")
    #expect(
      try await practice.vault.findCalls(CallSearch(), as: clinician, purpose: .treatment)
        .calls.map(\.call) == [here.call])
    _ = try await practice.read(here.recording, as: clinician)
    for operation in [
      Operation.call, .callDetails, .open, .grant, .transcript, .storeNote, .notes,
    ] {
      let missing = RecordingReceipt(
        recording: .random(), call: .random(), number: 1, digest: here.digest, length: 1,
        logIndex: 0, isRepeated: false)
      var errors: [VaultError] = []
      var reasons: [Reason?] = []
      for target in [there, missing] {
        let entries = try await practice.entriesOf {
          let error = await #expect(throws: VaultError.self) {
            try await operation.perform(in: practice, on: target, as: clinician)
          }
          if let error { errors.append(error) }
        }
        #expect(entries.count == 1, "\(operation)")
        reasons.append(entries.first?.reason)
        if target.call == there.call { #expect(entries.first?.objects.first == there.call) }
      }
      #expect(errors.map(\.code) == [.notFound, .notFound])
      #expect(errors.map(\.description).first == errors.map(\.description).last)
      #expect(reasons == [.outOfScope, .notFound], "\(operation)")
    }
  }

  @Test func aServiceOfOneSourceStoresForNoOther() async throws {
    let practice = try await Practice.new()
    let system = try await practice.caller(.service, "recordings:write", "source=3cx")
    _ = try await practice.vault.createCall(NewCall(source: "3cx", sourceID: "1"), as: system)
    let error = await #expect(throws: VaultError.self) {
      try await practice.vault.createCall(NewCall(source: "twilio", sourceID: "1"), as: system)
    }
    #expect(error?.code == .denied)
    let other = try await practice.recording(source: "twilio")
    let hidden = await #expect(throws: VaultError.self) {
      try await practice.store([1], in: other.call, as: system)
    }
    #expect(hidden?.code == .notFound)
  }
}

@Suite struct TokenTests {
  @Test func aTokenIsLoggedBeforeItWorksAndEndsBeforeItIsLogged() async throws {
    let practice = try await Practice.new()
    let administrator = try await practice.administrator()
    var new: NewToken?
    let entries = try await practice.entriesOf {
      new = try await practice.vault.createToken(
        named: "Dr. Adams", role: .clinician, scopes: [], as: administrator)
    }
    let token = try #require(new)
    #expect(entries.map(\.action) == [.personCreated, .authTokenCreated])
    #expect(entries.last?.flags == [.bootstrap])
    #expect(entries.last?.objects.first == token.facts.id)
    #expect(try await practice.log.openings(of: entries[0])[.name] == Array("Dr. Adams".utf8))
    let row = try #require(await practice.catalog.token(token.facts.id))
    #expect(row.digest == token.token.digest)

    let caller = try await practice.vault.authenticate(
      token: token.token.text, via: "192.0.2.1", request: .random())
    #expect(caller.role == .clinician)
    try await practice.vault.revokeToken(token.facts.id, as: administrator)
    for _ in 0..<2 {
      let refused = try await practice.entriesOf {
        let error = await #expect(throws: VaultError.self) {
          try await practice.vault.authenticate(
            token: token.token.text, via: "192.0.2.1", request: .random())
        }
        #expect(error?.code == .unauthenticated)
      }
      // It names a known credential, and so do its counts if there are many.
      #expect(refused.map(\.reason) == [.credentialRevoked])
      #expect(refused.first?.objects == [token.facts.id])
    }
  }

  @Test func aTokenWithoutContentIsNoBootstrap() async throws {
    let practice = try await Practice.new()
    let administrator = try await practice.administrator()
    for (role, scopes, flagged) in [
      (Role.auditor, [String](), false), (.service, ["recordings:write"], false),
      (.recordsManager, [], false), (.privacyOfficer, [], true),
      (.clinician, ["notes:write"], false), (.clinician, ["location=main"], true),
    ] {
      let token = try await practice.vault.createToken(
        named: "x", role: role, scopes: scopes.compactMap(Scope.init), as: administrator)
      #expect(token.facts.isBootstrap == flagged, "\(role) \(scopes)")
    }
  }

  @Test func onePersonIsIntroducedOnce() async throws {
    let practice = try await Practice.new()
    let administrator = try await practice.administrator()
    let start = await practice.log.durableHead.size
    let holders = try await withThrowingTaskGroup(of: Identifier.self) { group in
      for _ in 0..<16 {
        group.addTask {
          let token = try await practice.vault.createToken(
            named: "Kim", role: .auditor, scopes: [], as: administrator)
          return try #require(await practice.catalog.token(token.facts.id)).holder
        }
      }
      return try await group.reduce(into: Set<Identifier>()) { $0.insert($1) }
    }
    #expect(holders.count == 1)
    let entries = try await practice.entries(from: start)
    #expect(entries.filter { $0.action == .personCreated }.count == 1)
  }

  @Test func nobodyKnownIsCountedAndToldNothing() async throws {
    let practice = try await Practice.new()
    let text = try AccessToken.random().text
    let entries = try await practice.entriesOf {
      for number in 0..<30 {
        let error = await #expect(throws: VaultError.self) {
          try await practice.vault.authenticate(
            token: number.isMultiple(of: 2) ? text : "nonsense", via: "198.51.100.\(number)",
            request: .random())
        }
        #expect(error?.code == .unauthenticated)
      }
    }
    #expect(entries.count == 10)
    #expect(entries.allSatisfy { $0.action == .authRefused && $0.actor.kind == .unknown })
  }

  @Test func onlyWhoRanInitIsTheLocalAdministrator() async throws {
    let practice = try await Practice.new()
    #expect(try await practice.administrator().role == .administrator)
    for user in [0, 1, 999, 1001, UInt32.max] {
      let error = await #expect(throws: VaultError.self) {
        try await practice.vault.authenticate(localUser: user, request: .random())
      }
      #expect(error?.code == .unauthenticated)
    }
  }

  @Test(arguments: ["", " x", "-x", "a/b", "a\n", String(repeating: "x", count: 65), "é"])
  func aNameOfAnotherFormIsRefused(name: String) async throws {
    let practice = try await Practice.new()
    let administrator = try await practice.administrator()
    let error = await #expect(throws: VaultError.self) {
      try await practice.vault.createToken(
        named: name, role: .auditor, scopes: [], as: administrator)
    }
    #expect(error?.code == .invalid)
    let life = await #expect(throws: VaultError.self) {
      try await practice.vault.createToken(
        named: "x", role: .auditor, scopes: [], seconds: 0, as: administrator)
    }
    #expect(life?.code == .invalid)
    let scope = await #expect(throws: VaultError.self) {
      try await practice.vault.createToken(
        named: "x", role: .service, scopes: [try #require(Scope("keys:write"))],
        as: administrator)
    }
    #expect(scope?.detail?.contains("recordings:write") == true)
  }

  @Test func readingTheLogIsOneEntryForEachSessionAndSize() async throws {
    let practice = try await Practice.new()
    let auditor = try await practice.caller(.auditor)
    let first = try await practice.entriesOf {
      for _ in 0..<5 { try await practice.vault.admitAuditReader(auditor) }
      for _ in 0..<5 {
        try await practice.vault.admitAuditReader(auditor, belowCheckpoint: true)
      }
    }
    #expect(first.map(\.action) == [.auditRead])
    _ = try await practice.recording()
    let second = try await practice.entriesOf {
      try await practice.vault.admitAuditReader(auditor, belowCheckpoint: true)
      try await practice.vault.admitAuditReader(auditor)
      try await practice.vault.admitAuditReader(auditor)
    }
    #expect(second.map(\.action) == [.auditRead])
  }

  /// Who asks that entries go for ever is on record, refused or not.
  @Test func onlyAnAdministratorPrunesAndTheLogSaysWho() async throws {
    let practice = try await Practice.new()
    let officer = try await practice.caller(.privacyOfficer)
    let refused = try await practice.entriesOf {
      let error = await #expect(throws: VaultError.self) {
        _ = try await practice.vault.pruneLog(before: 256, as: officer)
      }
      #expect(error?.code == .denied)
    }
    #expect(refused.map(\.action) == [.logPrune])
    #expect(refused.first?.actor == officer.actor && refused.first?.outcome == .refused)
    let administrator = try await practice.administrator()
    // Nothing is old enough; who may ask is asked first.
    await #expect(throws: PruningRefusal.self) {
      _ = try await practice.vault.pruneLog(before: 256, as: administrator)
    }
  }
}
