import Audit
import Cryptography
import Drivers
import Durable
import Encoding
import Glibc
import Vault

// A vault that stores, purges, rotates, ratchets, backs up and restores until it is killed: a program of its
// own, because `retention run` purges only what two people approved days ago, and a kill needs hundreds of
// purges a minute. `Tests/Torture/key_kills.py` stops and kills it, and holds what it said against what it
// has afterwards.
//
//     key-worker FOLDER POLICIES [ratchet]     `ratchet` makes one and ends
//     key-worker --check POLICIES              a folder a line on standard input: each is started once, as
//                                              after a kill, and looked at

/// Does one thing after another.
func work(_ place: Place) async throws -> Never {
  let opened = try await place.open()
  let vault = opened.vault
  let administrator = try await vault.authenticate(localUser: 1000, request: .random())
  guard let write = Scope("recordings:write") else { preconditionFailure("a scope of the policy") }
  let service = try await vault.createToken(
    named: "pbx", role: .service, scopes: [write], as: administrator)
  let system = try await vault.authenticate(
    token: service.token.text, via: "test", request: .random())
  var calls = try await place.sayLive(opened)
  say("ready", "\(calls.count)")
  if CommandLine.arguments.count > 3 {
    try await ratchet(vault, administrator)
    exit(0)
  }
  while true {
    switch Int.random(in: 0..<14) {
    case 0..<5 where calls.count < 16:
      let bytes = (0..<Int.random(in: 1...9_000)).map { _ in UInt8.random(in: .min ... .max) }
      let call = try await vault.createCall(
        NewCall(source: "pbx", sourceID: "\(Identifier.random())"), as: system)
      var rest = bytes[...]
      let stored = try await vault.storeRecording(in: call.call, as: system) {
        guard !rest.isEmpty else { return nil }
        let piece = Array(rest.prefix(4_000))
        rest = rest.dropFirst(piece.count)
        return piece
      }
      calls.append(call.call)
      say("stored", "\(call.call)", "\(stored.recording)", SHA256.hash(bytes).description)
    case 5..<7 where !calls.isEmpty:
      let gone = (0..<min(calls.count, Int.random(in: 1...3))).map { _ in
        calls.remove(at: Int.random(in: calls.indices))
      }
      for call in gone { say("purging", "\(call)") }
      _ = try await vault.purge(
        gone.map { PurgeOrder(call: $0, evidence: nil, rule: "test") }, holds: NoHolds(),
        by: opened.log.system)
      for call in gone { say("purged", "\(call)") }
    case 7, 8:
      say("rotating")
      _ = try await vault.rotateKeys(as: administrator)
      try await vault.keepKeys()
      say("rotated")
    case 9, 10: try await ratchet(vault, administrator)
    case 11, 12:
      say("backing")
      let target = try BackupFolder(
        place.backup, of: place.layout, catalog: opened.catalog, tenant: opened.tenant,
        includesRing: false)
      let made = try await vault.makeBackup(into: target, at: place.backup, as: nil)
      say("backed", "\(made.note.set)")
    case 13 where try Directory.status(of: place.backup + "/BACKUP", on: place.files) != nil:
      try place.discardRestored()
      say("restoring")
      try place.restore(opened.log.verifierKey)
      say("restored")
      try place.discardRestored()
    default: continue
    }
  }
}

func ratchet(_ vault: Vault, _ administrator: Caller) async throws {
  say("ratcheting")
  _ = try await vault.startRatchet(as: administrator)
  try await vault.keepKeys()
  guard case .done(let sentence)? = try await vault.keyStatus(as: administrator).run?.state else {
    let state = try await vault.keyStatus(as: administrator).run?.state
    say("refused", "\(state.map { "\($0)" } ?? "")")
    exit(1)
  }
  say("ratcheted", sentence)
}

/// Starts what a kill left, and says what is there; then the backup, and what a restore left.
func check(_ place: Place) async throws {
  say("checking", place.folder)
  let opened = try await place.open()
  _ = try await place.sayLive(opened)
  let key = opened.log.verifierKey
  let report = try await BackupCheck(place.backup, key: key).run()
  let findings = report.findings.filter { !$0.hasSuffix("not listed") }
  // Before the first one came to its end there is none.
  if report.note == nil {
    say("backup", "0")
  } else {
    say("backup", "\(report.note?.set ?? 0)", findings.joined(separator: "; "))
  }
  let isWhole = try Directory.status(of: place.restored, on: place.files) != nil
  let isPart = try Directory.status(of: place.restored + ".part", on: place.files) != nil
  if isWhole || isPart {
    if !isWhole { try place.restore(key) }
    let layout = StorageLayout(root: place.restored)
    let log = try await LogVerifier(key: key).verify(LogFolder(layout.log))
    say("restore", isWhole ? "whole" : "part", "\(log.verdict)")
    _ = try await place.sayLive(try await place.open(layout), as: "again")
  }
  say("checked", place.folder)
}

let words = CommandLine.arguments
do {
  if words[1] == "--check" {
    while let folder = readLine() { try await check(Place(folder: folder, policies: words[2])) }
  } else {
    try await work(Place(folder: words[1], policies: words[2]))
  }
} catch {
  say("failed", "\(error)")
  exit(1)
}
