import Foundation
import Testing

@Suite struct SessionCommandTests {
  @Test func theSessionOfTheReadme() throws {
    let session = try CommandSession()
    let made = try session.json("init", "--keys", session.keys)
    let verifierKey = try made.text("verifier_key")
    #expect(verifierKey.hasPrefix(try made.text("origin") + "+"))
    try session.serve()

    let pbx = try session.token("service", "recordings:write", "transcripts:write")
    let audio = (0..<150_000).map { UInt8(truncatingIfNeeded: $0 &* 7 >> 2) }
    let file = try session.file("call.wav", audio)
    let put = try session.json(
      "put", file, "--source", "pbx", "--source-id", "1", "--from", "+13135550142", "--started",
      "2026-11-20T09:30:00-05:00", token: pbx)
    let (call, recording) = (try put.text("call"), try put.text("recording"))
    #expect(try put.text("sha256").count == 64)
    #expect(try put.document()["log_index"] is NSNumber)

    let conflict = try session.run(
      "put", file, "--source", "pbx", "--source-id", "1", token: pbx)
    #expect(conflict.code == 5 && conflict.output.contains(call))
    let again = try session.json("put", file, "--call", call, token: pbx)
    #expect(try again.text("recording") == recording)

    // As the README does it: the environment still holds the phone system's token.
    let clinician = try session.run(
      "token", "create", "--name", "Dr. Osei", "--role", "clinician", token: pbx
    ).output.trimmingCharacters(in: .whitespacesAndNewlines)
    #expect(clinician.hasPrefix("cv1_"))
    let clear = try session.run("list", token: clinician)
    #expect(clear.output.contains(call) && !clear.output.contains("+13135550142"))
    let found = try session.run(
      "list", "--party", "+13135550142", "--purpose", "TREAT", token: clinician)
    #expect(found.output.contains("+13135550142"))

    let out = session.folder.appending(path: "out.wav")
    let part = try session.json(
      "get", recording, "--purpose", "TREAT", "--range", "100-70099", "-o", out.path,
      token: clinician)
    #expect(try [UInt8](Data(contentsOf: out)) == Array(audio[100...70_099]))
    #expect(try part.document()["bytes"] as? Int == 70_000)
    _ = try session.json("get", recording, "--purpose", "TREAT", "-o", out.path, token: clinician)
    #expect(try [UInt8](Data(contentsOf: out)) == audio)

    let transcript = try session.file(
      "transcript.json",
      Array(
        """
        {"provider":"test","language":"en","segments":[{"speaker":"caller","text":"Good morning",\
        "start_ms":0,"end_ms":900,"confidence":null}]}
        """.utf8))
    _ = try session.json("transcript", "put", call, transcript, token: pbx)
    let said = try session.run(
      "transcript", "get", call, "--purpose", "TREAT", token: clinician)
    #expect(said.output.contains("caller  Good morning"))

    let officer = try session.token("privacy-officer")
    let folder = session.folder.appending(path: "export")
    let export = try session.json(
      "export", recording, "--out", folder.path, "--with-key", token: officer)
    #expect(try export.text("key_hex").count == 64)
    #expect(try export.document()["segment_size"] as? Int == 65_536)
    #expect(try export.text("ciphertext_sha256") == put.text("sha256"))
    let sealed = try Data(contentsOf: folder.appending(path: export.text("ciphertext")))
    #expect(sealed.count > audio.count)

    let auditor = try session.token("auditor")
    let shown = try session.run(
      "audit", "show", "--action", "recording.opened", "--object", recording, token: auditor)
    #expect(shown.output.split(separator: "\n").count == 4, "\(shown.output)")
    let evidence = session.folder.appending(path: "evidence").path
    _ = try session.json("audit", "export", evidence, token: auditor)
    let unanchored = try session.run("audit", "verify", evidence, "--key", verifierKey)
    #expect(unanchored.code == 10 && unanchored.output.contains("Unanchored"))
    let intact = try session.run(
      "audit", "verify", evidence, "--key", verifierKey, "--checkpoint", evidence + "/checkpoint")
    #expect(intact.code == 0 && intact.output.contains("Intact"))
    try flip(evidence + "/tile/entries", at: 200)
    let altered = try session.run("audit", "verify", evidence, "--key", verifierKey, "--json")
    #expect(altered.code == 20 && altered.output.contains("\"verdict\":\"altered\""))

    #expect(try session.stop() == 0)
    let doctor = try session.run("doctor", "--json")
    #expect(doctor.code == 0 || doctor.code == 1, "\(doctor.output)")
    #expect(doctor.output.contains("\"check\":\"catalog\",\"state\":\"ok\""))
    #expect(try session.run("audit", "verify", "--key", verifierKey).code == 10)
  }

  @Test func eachWayToFailHasItsCode() throws {
    let session = try CommandSession()
    #expect(try session.run("list").code == 1)
    #expect(try session.run("serve").code == 2)
    #expect(try session.run("frobnicate").code == 2)
    _ = try session.json("init", "--keys", session.keys)
    #expect(try session.run("init", "--keys", session.keys).code == 5)
    let elsewhere = session.folder.appending(path: "elsewhere").path
    let shut = try session.run("serve", "--keys", elsewhere, "--listen", "127.0.0.1:0")
    #expect(shut.code == 6 && shut.errors.contains("key"), "\(shut.errors)")
    try session.serve()
    let second = try session.run("serve", "--keys", session.keys, "--listen", "127.0.0.1:0")
    #expect(second.code == 8 && second.errors.contains("another process"))

    let pbx = try session.token("service", "recordings:write")
    let clinician = try session.token("clinician")
    let file = try session.file("call.wav", [UInt8](repeating: 5, count: 200_000))
    let put = try session.json("put", file, "--source", "a", "--source-id", "1", token: pbx)
    let recording = try put.text("recording")
    let out = session.folder.appending(path: "out").path
    let nobody = "3b7e1f0a-0000-4000-8000-000000000000"
    let cases: [([String], String?, Int32)] = [
      (["get", nobody, "--purpose", "TREAT", "-o", out], clinician, 3),
      (["get", recording, "--purpose", "TREAT", "-o", out], pbx, 4),
      (["get", recording, "--purpose", "TREAT", "-o", out], nil, 4),
      (["get", recording, "--purpose", "TREAT", "-o", out], "cv1_wrong", 4),
      (["get", recording, "--purpose", "FUN", "-o", out], clinician, 2),
      (["get", recording, "-o", out], clinician, 2),
    ]
    for (words, token, code) in cases {
      #expect(try session.run(words, token: token).code == code, "\(words)")
      #expect(!FileManager.default.fileExists(atPath: out))
    }

    // One byte of the sealed object is changed: nothing of it is given out, and no file is left.
    let objects = session.folder.appending(path: "data/objects").path
    try flip(objects, at: 150_000)
    let damaged = try session.run(
      "get", recording, "--purpose", "TREAT", "--range", "140000-199999", "-o", out,
      token: clinician)
    #expect(damaged.code == 7, "\(damaged.errors)")
    #expect(!FileManager.default.fileExists(atPath: out))
    let broken = try session.run(
      "get", recording, "--purpose", "TREAT", "-o", out, token: clinician)
    #expect(broken.code != 0 && !FileManager.default.fileExists(atPath: out))
    #expect(try session.stop() == 0)
  }

  /// Changes one byte of the largest file below `folder`.
  private func flip(_ folder: String, at offset: Int) throws {
    let files = (FileManager.default.enumerator(atPath: folder)?.allObjects ?? [])
      .compactMap { ($0 as? String).map { folder + "/" + $0 } }
      .filter { path in
        let attributes = try? FileManager.default.attributesOfItem(atPath: path)
        return attributes?[.type] as? FileAttributeType == .typeRegular
      }
    let largest = try #require(
      files.max { left, right in
        (try? Data(contentsOf: URL(filePath: left)).count) ?? 0
          < (try? Data(contentsOf: URL(filePath: right)).count) ?? 0
      })
    var bytes = try Data(contentsOf: URL(filePath: largest))
    bytes[offset] ^= 1
    try bytes.write(to: URL(filePath: largest))
  }
}
