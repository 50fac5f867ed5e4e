import CLinux
import Durable
import Encoding
import Glibc
import Host

/// The demonstration: every line after a `$` is a command that was run, with what it printed.
struct Demo {
  private let folder: String
  private let listen: String
  private let serves: Bool
  private let shell: DemoShell
  private let files = LinuxFileSystem()
  /// Marks a folder that an earlier demonstration made, which alone may be removed.
  private static let mark = "made-by-callvault-demo"

  private var vault: String { folder + "/vault" }
  private var keys: String { folder + "/keys" }
  private var calls: String { folder + "/from-the-phone-system" }

  /// - Parameters:
  ///   - folder: made for it; an earlier demonstration's is replaced.
  ///   - listen: address and port of the service.
  ///   - serves: whether the service goes on when the demonstration is over.
  init(folder: String, listen: String, serves: Bool) {
    self.folder = folder
    self.listen = listen
    self.serves = serves
    shell = DemoShell(vault: folder + "/vault")
  }

  /// Runs it.
  ///
  /// - Throws: ``DemoError`` at the first step that does not do what it should.
  func run() throws(DemoError) {
    try prepareFolder()

    shell.title("1. Some calls, as a phone system hands them over")
    try makeFolder(calls)
    var assembled: [AssembledCall] = []
    for call in DemoCall.all {
      let made = try DemoSpeech.assemble(call)
      try write(made.audio, to: audioFile(call))
      try write(made.transcript.encoded() + [0x0A], to: transcriptFile(call))
      shell.say("   \(audioFile(call))  \(seconds(made.milliseconds)), \(made.audio.count) bytes")
      assembled.append(made)
    }
    shell.say("   Real telephone speech from Debian's asterisk-core-sounds-en-wav and")
    shell.say("   pocketsphinx-testdata; people and numbers are invented.")

    shell.title("2. A vault, its keys in another place")
    let made = try shell.json(shell.callvault("init", "--data", vault, "--keys", keys, "--json"))
    let verifierKey = try text(made, "verifier_key")

    shell.title("3. The service")
    // From here on a Ctrl-C must end the service too; the shell looks for it before each command.
    StopSignals.expect()
    var service = try startService()
    let address = service.address
    shell.say("   listening on \(address)")

    shell.title("4. Tokens: a phone system that may only store, a clinician, an auditor")
    let intake = try token(
      "phone system", "service", "calls:write", "recordings:write", "transcripts:write")
    let clinician = try token("Dr. Rivera", "clinician")
    let auditor = try token("Okafor and Lind", "auditor")

    shell.title("5. Seal the calls and their transcripts")
    var recordings: [String] = []
    for one in assembled {
      let call = one.call
      let stored = try shell.json(
        shell.callvault(
          "put", audioFile(call), "--source", "front-desk-pbx", "--source-id", call.sourceID,
          "--started", call.started, "--direction", call.direction, "--from", call.from, "--to",
          call.to, "--extension", call.number, "--agent", call.agent, "--location", call.location,
          "--json", as: intake))
      recordings.append(try text(stored, "recording"))
      try shell.callvault(
        "transcript", "put", text(stored, "call"), transcriptFile(call), "--json", as: intake)
    }
    try shell.callvault("list", as: clinician)
    shell.say("   Numbers and names are sealed: the list shows what is in clear only.")

    shell.title("6. An auditor keeps a checkpoint")
    let earlier = folder + "/checkpoint-that-the-auditor-kept"
    try shell.command(
      curl() + [
        "--header", "Authorization: Bearer \(auditor.secret)", "--output", earlier,
        address + "/v1/audit/checkpoint",
      ], hiding: auditor)
    try show(earlier)

    shell.title("7. The clinician hears a stretch of the first call")
    let part = folder + "/stretch.bin"
    let range = 64_000...95_999
    try shell.command(
      curl() + [
        "--header", "Authorization: Bearer \(clinician.secret)", "--header",
        "Purpose-Of-Use: TREAT", "--range", "\(range.lowerBound)-\(range.upperBound)",
        "--dump-header", "-", "--output", part, address + "/v1/recordings/\(recordings[0])/audio",
      ], hiding: clinician)
    guard try read(part) == Array(assembled[0].audio[range]) else {
      throw DemoError("the stretch is not what the phone system handed over")
    }
    shell.say("   Its \(range.count) bytes are those of \(audioFile(assembled[0].call)).")
    try shell.callvault(
      "audit", "show", "--object", recordings[0], "--action", "recording.opened", as: auditor)
    shell.say(
      "   An intent, durable before the first byte left, and its outcome with the bytes released.")

    shell.title("8. Without a right, nothing; and the attempt is in the log")
    try shell.callvault(
      "get", recordings[0], "--purpose", "TREAT", "-o", part, as: auditor, expecting: 4)

    shell.title("9. The auditor verifies a copy of the log, without keys and without the service")
    let copy = folder + "/log-copy"
    try shell.callvault("audit", "export", copy, as: auditor)
    try shell.callvault(
      "audit", "verify", copy, "--key", verifierKey, "--checkpoint", earlier, expecting: 0)

    shell.title("10. One byte of another copy is changed")
    let flipped = folder + "/log-copy-with-a-changed-byte"
    try shell.callvault("audit", "export", flipped, as: auditor)
    let entry = try flipByte(below: flipped)
    try shell.callvault(
      "audit", "verify", flipped, "--key", verifierKey, "--checkpoint", earlier, expecting: 20)
    shell.say("   Entry \(entry) was changed: exit code 20, altered.")

    shell.title("That was the demonstration")
    if serves {
      invite(address: address, recording: recordings[0])
      try keepServing(&service)
    } else {
      let code = service.process.stop()
      guard code == 0 else { throw DemoError("the service ended with exit code \(code)") }
      shell.say(
        "The service was stopped. `make run` keeps it running. Everything lies in \(folder).")
    }
  }

  private struct RunningService: ~Copyable {
    var process: DemoProcess
    let address: String
  }

  private func startService() throws(DemoError) -> RunningService {
    let log = folder + "/service.log"
    let words = ["serve", "--data", vault, "--listen", listen, "--ready-fd", "3"]
    shell.say("$ callvault \(words.map(shell.quoted).joined(separator: " ")) 2>\(log) &")
    let output = unsafe open(log, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
    guard output >= 0 else { throw DemoError("cannot write \(log)") }
    defer { close(output) }
    let ready = try DemoPipe()
    var process = try DemoProcess(
      ["/proc/self/exe"] + words, output: output, extra: ready.writing)
    ready.closeWriting()
    guard let address = ready.readLine(), address.hasPrefix("https://") else {
      let code = process.stop()
      let said = String(decoding: try read(log), as: UTF8.self)
      throw DemoError("the service did not start (exit code \(code)):\n\(said)")
    }
    return RunningService(process: process, address: address)
  }

  private func keepServing(_ service: inout RunningService) throws(DemoError) {
    while true {
      if StopSignals.arrived != nil {
        shell.say("\nStopping the service …")
        let code = service.process.stop()
        guard code == 0 else { throw DemoError("the service ended with exit code \(code)") }
        return
      }
      if let code = service.process.ended() {
        throw DemoError("the service ended by itself with exit code \(code): \(folder)/service.log")
      }
      usleep(200_000)
    }
  }

  private func invite(address: String, recording: String) {
    shell.say(
      """
      The service goes on at \(address) until Ctrl-C. In another terminal:

        export CALLVAULT_DATA=\(shell.quoted(vault)) PATH="$PATH:\(shell.quoted(programFolder()))"
        callvault token create --name me --role clinician     # prints a token
        CALLVAULT_TOKEN=… callvault get \(recording) --purpose TREAT -o call.wav
        callvault doctor

      The API describes itself at \(address)/openapi.json.
      """)
  }

  private func programFolder() -> String {
    var path = [CChar](repeating: 0, count: 4096)
    let count = unsafe readlink("/proc/self/exe", &path, path.count - 1)
    let text = String(
      decoding: path.prefix(max(0, count)).map { UInt8(bitPattern: $0) }, as: UTF8.self)
    return String(text[..<(text.lastIndex(of: "/") ?? text.endIndex)])
  }

  private func token(
    _ name: String, _ role: String, _ scopes: String...
  ) throws(DemoError) -> DemoShell.Token {
    var words = ["token", "create", "--name", name, "--role", role]
    for scope in scopes { words += ["--scope", scope] }
    shell.say("$ callvault " + words.map(shell.quoted).joined(separator: " ") + " --json")
    let answer = try shell.execute(["/proc/self/exe"] + words + ["--json"], nil, expecting: 0)
    let secret = try text(try shell.json(answer), "token")
    let hidden = secret.prefix(7) + "…"
    shell.say(
      shell.indented(String(decoding: answer, as: UTF8.self).replacing(secret, with: hidden)))
    return DemoShell.Token(secret: secret, variable: "$" + role.uppercased())
  }

  private func curl() -> [String] {
    ["curl", "--silent", "--show-error", "--fail", "--cacert", vault + "/tls/certificate.pem"]
  }

  private func text(_ object: JSONObject, _ key: String) throws(DemoError) -> String {
    guard let text = object[key]?.string else { throw DemoError("that printed no '\(key)'") }
    return text
  }

  private func prepareFolder() throws(DemoError) {
    if unsafe access(folder, F_OK) == 0 {
      guard unsafe access(folder + "/" + Self.mark, F_OK) == 0 else {
        throw DemoError(
          "\(folder) exists and was not made by a demonstration; choose another --dir")
      }
      _ = try shell.execute(["rm", "-rf", "--", folder], nil, expecting: 0)
    }
    try makeFolder(folder)
    try write([], to: folder + "/" + Self.mark)
  }

  /// Changes a digit of a time in the middle of the newest bundle of entries.
  ///
  /// - Returns: the index of the entry changed.
  private func flipByte(below log: String) throws(DemoError) -> Int {
    let listing = try shell.execute(
      ["find", log + "/tile/entries", "-type", "f", "-name", "[0-9]*"], nil, expecting: 0)
    let paths = String(decoding: listing, as: UTF8.self).split(separator: "\n").sorted()
    guard let path = paths.first.map(String.init) else {
      throw DemoError("the copy has no entries")
    }
    var bytes = try read(path)
    // Entries lie behind their length in two bytes; documented in formats/audit-log.md.
    var offset = 0
    var index = 0
    while offset + 2 <= bytes.count {
      let length = Int(bytes[offset]) << 8 | Int(bytes[offset + 1])
      let end = min(offset + 2 + length, bytes.count)
      let entry = bytes[(offset + 2)..<end]
      if let place = position(of: Array("\"time\":".utf8), in: entry), end * 2 > bytes.count {
        let digit = place + 7 + 9
        shell.say("$ # byte \(digit) of \(path): \(character(bytes[digit])) becomes …")
        bytes[digit] = bytes[digit] == UInt8(ascii: "7") ? UInt8(ascii: "3") : UInt8(ascii: "7")
        shell.say("    … \(character(bytes[digit])), in entry \(index)")
        try write(bytes, to: path)
        return index
      }
      offset = end
      index += 1
    }
    throw DemoError("no entry to change was found")
  }

  private func character(_ byte: UInt8) -> String { "'\(Character(UnicodeScalar(byte)))'" }

  private func position(of word: [UInt8], in bytes: ArraySlice<UInt8>) -> Int? {
    bytes.indices.first { bytes[$0...].starts(with: word) }
  }

  private func makeFolder(_ path: String) throws(DemoError) {
    guard unsafe mkdir(path, 0o700) == 0 || errno == EEXIST else {
      throw DemoError("cannot make the folder \(path)")
    }
  }

  private func write(_ bytes: [UInt8], to path: String) throws(DemoError) {
    do {
      try AtomicFile.write(bytes, to: path, on: files)
    } catch {
      throw DemoError("cannot write \(path): \(error)")
    }
  }

  private func read(_ path: String) throws(DemoError) -> [UInt8] {
    do {
      return try AtomicFile.read(path, limit: 64 << 20, on: files)
    } catch {
      throw DemoError("cannot read \(path): \(error)")
    }
  }

  private func show(_ path: String) throws(DemoError) {
    shell.say(shell.indented(String(decoding: try read(path), as: UTF8.self)))
  }

  private func audioFile(_ call: DemoCall) -> String { "\(calls)/\(call.sourceID).wav" }

  private func transcriptFile(_ call: DemoCall) -> String { "\(calls)/\(call.sourceID).json" }

  private func seconds(_ milliseconds: Int) -> String {
    "\(milliseconds / 1000).\(milliseconds % 1000 / 100) s"
  }
}
