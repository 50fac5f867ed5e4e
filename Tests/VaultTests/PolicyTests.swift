import Audit
import Foundation
import Retention
import Testing
import YAML

@testable import Vault

/// The files in Policies/, and everything a person may get wrong in them.
enum PolicyFiles {
  static func bytes(_ name: String) throws -> [UInt8] {
    let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
      .deletingLastPathComponent().deletingLastPathComponent()
    return [UInt8](try Data(contentsOf: root.appending(path: "Policies/\(name)")))
  }

  static func access() throws -> AccessPolicy {
    try AccessPolicy(parsing: bytes("access.yaml"), file: "access.yaml")
  }

  static func retention() throws -> RetentionSchedule {
    try RetentionSchedule(parsing: bytes("retention.yaml"), file: "retention.yaml")
  }

  /// The shipped policy, or one that keeps calls without consent from everybody.
  static func consent(strict: Bool) throws -> ConsentPolicy {
    let text = String(decoding: try bytes("consent.yaml"), as: UTF8.self)
      .replacingOccurrences(
        of: "missing: note", with: strict ? "missing: quarantine" : "missing: note")
    return try ConsentPolicy(parsing: Array(text.utf8), file: "consent.yaml")
  }

  /// The file with one text replaced by another, and where the replaced text begins.
  static func altered(
    _ name: String, _ old: String, _ new: String
  ) throws -> (bytes: [UInt8], line: Int) {
    let text = String(decoding: try bytes(name), as: UTF8.self)
    let range = try #require(text.range(of: old), "the file no longer holds \(old)")
    let line = text[..<range.lowerBound].filter { $0 == "\n" }.count + 1
    return (Array(text.replacingCharacters(in: range, with: new).utf8), line)
  }
}

@Suite struct AccessPolicyTests {
  static let content: Set<Right> = Set(Right.allCases.filter(\.isContent))

  /// Role × right without scopes: what is not listed is denied.
  static let granted: [Role: Set<Right>] = [
    .clinician: [
      .listCalls, .readDetails, .openRecording, .playRecording, .readTranscript, .readNote,
      .storeNote, .storeConsent, .readConsent, .createSubject, .linkSubject,
    ],
    .privacyOfficer: [
      .listCalls, .readDetails, .openRecording, .playRecording, .readCiphertext, .exportKey,
      .readTranscript, .readNote, .storeNote, .storeConsent, .readConsent, .reviewIncidents,
      .exciseRecording, .listTokens, .readAudit,
      .readOpenings, .createSubject, .linkSubject, .proveSubject, .planRetention,
      .approveRetention, .manageHolds,
    ],
    .auditor: [.readAudit],
    .recordsManager: [
      .listCalls, .planRetention, .approveRetention, .runRetention, .manageHolds,
    ],
    .operator: [.createCall, .listCalls, .storeRecording, .storeTranscript, .readMetrics],
    .administrator: [
      .listCalls, .createToken, .listTokens, .revokeToken, .readMetrics, .seal, .manageKeys,
      .runMaintenance,
    ],
    .service: [],
  ]

  @Test(arguments: Role.allCases, Right.allCases)
  func theMatrixIsWhatThePagesSay(role: Role, right: Right) throws {
    let policy = try PolicyFiles.access()
    let decision = policy.decide(right, role: role, scopes: [], purpose: .treatment)
    let expected = Self.granted[role]?.contains(right) == true
    #expect((decision == .granted(rule: role)) == expected)
  }

  @Test(arguments: AccessPolicy.rolesWithoutContent)
  func someRolesNeverHearAPatient(role: Role) throws {
    let policy = try PolicyFiles.access()
    let all = policy.scopeNames.compactMap(Scope.init)
    #expect(policy.rights(of: role, with: all).isDisjoint(with: Self.content))
    #expect(policy.rights(of: role, with: []).isDisjoint(with: Self.content))
  }

  @Test func aServiceHasExactlyItsScopes() throws {
    let policy = try PolicyFiles.access()
    let write = try #require(Scope("recordings:write"))
    #expect(
      policy.rights(of: .service, with: [write]) == [.createCall, .storeRecording, .storeConsent])
    let read = try #require(Scope("recordings:read"))
    #expect(policy.rights(of: .service, with: [read]).isEmpty)
    #expect(policy.rights(of: .service, with: []).isEmpty)
    // A scope narrows a role and never widens it.
    #expect(policy.rights(of: .clinician, with: [read]) == [.openRecording, .playRecording])
    #expect(policy.rights(of: .clinician, with: [write]) == [.storeConsent])
  }

  @Test func contentNeedsAReasonThatTheRoleMayGive() throws {
    let policy = try PolicyFiles.access()
    for right in [Right.openRecording, .readTranscript, .readDetails, .storeNote] {
      guard
        case .refused(.purposeMissing, _) = policy.decide(
          right, role: .clinician, scopes: [], purpose: nil),
        case .refused(.purposeRefused, _) = policy.decide(
          right, role: .clinician, scopes: [], purpose: .payment)
      else {
        Issue.record("\(right) was not refused for its purpose")
        continue
      }
    }
    #expect(
      policy.decide(.listCalls, role: .clinician, scopes: [], purpose: nil)
        == .granted(rule: .clinician))
  }

  @Test(arguments: [
    ("v: 1\n", "v: 2\n", "a number from 1 to 1", 0),
    ("owner: privacy officer", "ownr: privacy officer", "unknown key 'ownr'", 0),
    ("owner: privacy officer", "version: again", "version", 0),
    ("effective: \"2026-11-20\"", "effective: \"2026-02-30\"", "a day like", 0),
    ("  clinician:", "  doctor:", "unknown role 'doctor'", 0),
    ("      - recording.open\n", "      - recording.listen\n", "unknown right", 0),
    ("      - recording.open\n", "      - call.list\n", "listed twice", 0),
    ("purposes: [TREAT, ETREAT]", "purposes: [TREAT, FUN]", "unknown purpose", 0),
    ("purposes: [TREAT, ETREAT]", "purposes: [TREAT, TREAT]", "listed twice", 0),
    ("unscoped: nothing", "unscoped: all", "'everything' or 'nothing'", 0),
    (
      "      - audit.read\n    unscoped", "      - recording.open\n    unscoped",
      "must never have a content right", 0
    ),
    ("      - token.create\n", "      - note.read\n", "must never have a content right", 0),
    ("\"calls:write\": [call.create]", "\"calls\": [call.create]", "a scope is named like", 0),
    ("\"calls:write\": [call.create]", "\"calls:write\": call.create", "a list is expected", 0),
    ("cite: 45 CFR 164.506(c)\n", "\n", "'cite' is missing", -2),
  ])
  func aWrongFileIsRefusedAtItsPlace(
    old: String, new: String, saying detail: String, linesBelow: Int
  ) throws {
    let (bytes, line) = try PolicyFiles.altered("access.yaml", old, new)
    let error = #expect(throws: YAMLError.self) {
      try AccessPolicy(parsing: bytes, file: "access.yaml")
    }
    let description = error?.description ?? ""
    #expect(description.contains(detail), "\(description)")
    #expect(description.hasPrefix("access.yaml:"), "\(description)")
    if linesBelow == 0 { #expect(error?.position.line == line, "\(description)") }
  }

  @Test(arguments: Role.allCases)
  func everyRoleMustBeThere(role: Role) throws {
    var text = String(decoding: try PolicyFiles.bytes("access.yaml"), as: UTF8.self)
    let range = try #require(text.range(of: "  \(role.rawValue):\n"))
    text.replaceSubrange(range, with: "  # \(role.rawValue):\n")
    #expect(throws: YAMLError.self) {
      try AccessPolicy(parsing: Array(text.utf8), file: "access.yaml")
    }
  }
}
