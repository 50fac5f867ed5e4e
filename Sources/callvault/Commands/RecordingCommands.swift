import Cryptography
import Encoding
import Glibc
import Threading

/// `put`, `get`, `export`: a recording in, a recording out, and the key of one.
enum RecordingCommands {
  static let put = Command(
    name: "put",
    summary: "store a recording",
    operands: [Operand(name: "FILE", summary: "the recording, kept byte for byte")],
    options: [
      .value("source", "S", "the phone system, by the name the practice gave it"),
      .value("source-id", "ID", "what that system calls the call"),
      .value("call", "CALL", "a call registered before, instead of --source and --source-id"),
      .value("started", "T", "when the call began (RFC 3339 with offset)"),
      .value("from", "N", "the number that called"),
      .value("to", "N", "the number called"),
      .value("extension", "E", "the extension"),
      .value("direction", "D", "inbound, outbound or internal"),
      .value("agent", "A", "the person or AI agent that spoke"),
      .value("location", "L", "the site"),
    ] + Command.client,
    examples: [
      (
        "callvault put call.wav --source pbx --source-id 2026-11-20/17 --from +13135550142",
        "registers the call and stores its recording"
      ),
      (
        "callvault put second.wav --call 9f0c…",
        "stores another recording of a call; the same bytes again get the same receipt"
      ),
    ],
    discussion: [
      "The file's SHA-256 travels with it (Content-Digest): bytes damaged on the way store nothing.",
      "The same --source and --source-id again is a conflict: the id of the call that exists is "
        + "printed, and the file is not stored.",
    ]
  ) { arguments, terminal in
    let path = try arguments.requiredOperand(0)
    let file = try UserFile(path)
    guard let length = file.length else {
      throw CommandFailure(.usage, "\(path) must be a plain file, which can be read twice")
    }
    // Said here, since the service would say it only after the call is registered.
    guard length > 0 else { throw CommandFailure(.usage, "\(path) is empty; nothing was stored") }
    let target = try callToUse(arguments)
    let client = try ServiceClient(arguments)
    let digest = try file.digest()
    let call: String
    switch target {
    case .existing(let id): call = id.description
    case .new(let body): call = try await register(body, with: client)
    }
    let answer: JSONObject
    do throws(CommandFailure) {
      answer = try await client.upload(
        "/v1/calls/\(call)/recordings", file: path,
        headers: [
          ("Content-Type", mediaType(path)),
          ("Content-Digest", "sha-256=:\(Base64.encode(digest.digest.bytes)):"),
        ]
      ).object()
    } catch {
      guard case .new = target else { throw error }
      throw CommandFailure(
        error.code,
        "\(error.sentence) The call is registered; to try again: callvault put \(path) --call "
          + call, members: error.members + [("call", .string(call))])
    }
    let recording = try answer.requiredString("recording")
    let sealed = try answer.requiredString("sha256")
    terminal.result(
      "recording \(recording)\ncall      \(call)\nsha256    \(sealed)\n"
        + "entry     \(answer["log_index"]?.integer ?? 0)",
      answer)
    return ExitCode.success.rawValue
  }

  static let get = Command(
    name: "get",
    summary: "fetch a recording, or a range of its bytes",
    operands: [Operand(name: "REC", summary: "the recording's id")],
    options: [
      .value("purpose", "P", "why it is heard, such as TREAT", required: true),
      .value("range", "A-B", "only these bytes, counted from 0; A- and -N also work"),
      .value("output", "FILE", "where to; standard output if not given", short: "o"),
    ] + Command.client,
    examples: [
      ("callvault get c1d2… --purpose TREAT -o call.wav", "the whole recording"),
      ("callvault get c1d2… --purpose TREAT --range 0-65535 > head", "the first 64 KiB"),
    ],
    discussion: [
      "The file gets its name only when every byte is there and every segment was authentic."
    ]
  ) { arguments, terminal in
    let id = try identifier(arguments.requiredOperand(0), of: "a recording")
    let output = try arguments.value("output").map { path throws(CommandFailure) in
      (path, try OutputFile(path))
    }
    if terminal.isJSON, output == nil {
      throw CommandFailure(.usage, "--json needs -o FILE: the recording itself is not JSON")
    }
    if output == nil, isatty(STDOUT_FILENO) == 1 {
      throw CommandFailure(.usage, "a recording is no text for a terminal; use -o FILE")
    }
    var headers = purposeHeader(arguments)
    if let range = arguments.value("range") { headers.append(("Range", try byteRange(range))) }
    let client = try ServiceClient(arguments)
    let received = Lock(Int64(0))
    let start = arguments.value("range").map { Int64($0.prefix { $0 != "-" }) } ?? 0
    let answer = try await client.downloadRecording(
      "/v1/recordings/\(id)/audio", headers: headers, from: start
    ) { (bytes) throws(CommandFailure) in
      received.withLock { $0 += Int64(bytes.count) }
      if let output { try output.1.write(bytes) } else { try terminal.bytes(bytes) }
    }
    guard let output else { return ExitCode.success.rawValue }
    try output.1.commit()
    var document = JSONObject()
    document["recording"] = .string(id.description)
    document["file"] = .string(output.0)
    let count = received.withLock { $0 }
    document["bytes"] = .integer(count)
    if let range = answer.headers["content-range"] { document["content_range"] = .string(range) }
    if let tag = answer.headers["etag"] {
      document["sha256"] = .string(tag.filter { $0 != "\"" })
    }
    terminal.result("\(count) bytes in \(output.0)", document)
    return ExitCode.success.rawValue
  }

  static let export = Command(
    name: "export",
    summary: "copy a recording sealed, with the key that opens it elsewhere",
    operands: [Operand(name: "REC", summary: "the recording's id")],
    options: [
      .value("out", "DIR", "the folder to write to, made if absent", required: true),
      .flag("with-key", "also give the recording's key: it leaves CallVault, and the log says so"),
      .value("purpose", "P", "why the key leaves; HOPERAT if not given"),
    ] + Command.client,
    examples: [
      (
        "callvault export c1d2… --out case-17 --with-key --json",
        "sealed bytes and the key, for PyPI tink or another reader of the format"
      )
    ],
    discussion: [
      "For a privacy officer. The key opens this one recording, not the rest of the call."
    ]
  ) { arguments, terminal in
    let id = try identifier(arguments.requiredOperand(0), of: "a recording")
    let folder = try arguments.required("out")
    let client = try ServiceClient(arguments)
    var document = JSONObject()
    document["v"] = 1
    document["recording"] = .string(id.description)
    if arguments.has("with-key") {
      let purpose = arguments.value("purpose") ?? "HOPERAT"
      let key = try await client.post(
        "/v1/recordings/\(id)/export", headers: [("Purpose-Of-Use", purpose)]
      ).object()
      for member in key.members { document[member.key] = member.value }
    }
    try makeFolder(folder)
    let name = "\(id).sealed"
    let file = try OutputFile("\(folder)/\(name)")
    let answer = try await client.download("/v1/recordings/\(id)/ciphertext", headers: []) {
      (bytes) throws(CommandFailure) in try file.write(bytes)
    }
    try file.commit()
    let written = try UserFile("\(folder)/\(name)").digest().digest.hex
    guard answer.headers["etag"] == nil || answer.headers["etag"] == "\"\(written)\"" else {
      _ = unsafe unlink("\(folder)/\(name)")
      throw CommandFailure(
        .damaged, "the sealed bytes are not those that were stored; nothing was exported")
    }
    document["ciphertext"] = .string(name)
    if document["ciphertext_sha256"] == nil, let tag = answer.headers["etag"] {
      document["ciphertext_sha256"] = .string(tag.filter { $0 != "\"" })
    }
    let description = try OutputFile("\(folder)/\(id).json")
    try description.write(JSONValue.object(document).encoded() + [0x0A])
    try description.commit()
    if arguments.has("with-key"), !terminal.isJSON {
      terminal.note("\(folder)/\(id).json holds the recording's key: keep it as you keep the call.")
    }
    terminal.result("\(folder)/\(name)\n\(folder)/\(id).json", document)
    return ExitCode.success.rawValue
  }

  private static func register(
    _ call: JSONObject, with client: ServiceClient
  ) async throws(CommandFailure) -> String {
    do throws(CommandFailure) {
      return try await client.post("/v1/calls", json: call).object().requiredString("call")
    } catch {
      guard error.code == .conflict else { throw error }
      throw CommandFailure(
        .conflict,
        "this --source and --source-id are registered already, as the call printed; to add the "
          + "file to it, give --call instead", members: error.members)
    }
  }

  /// The call that a recording goes to.
  private enum Target {
    case existing(Identifier)
    case new(JSONObject)
  }

  private static func callToUse(_ arguments: Arguments) throws(CommandFailure) -> Target {
    let fields = [
      ("source", "source"), ("source-id", "source_id"), ("started", "started"), ("from", "from"),
      ("to", "to"), ("extension", "extension"), ("direction", "direction"), ("agent", "agent"),
      ("location", "location"),
    ]
    if let call = arguments.value("call") {
      if let extra = fields.first(where: { arguments.value($0.0) != nil }) {
        throw CommandFailure(
          .usage, "--\(extra.0) describes a new call; it does not go with --call")
      }
      return .existing(try identifier(call, of: "a call"))
    }
    for name in ["source", "source-id"] where arguments.value(name) == nil {
      throw CommandFailure(.usage, "--\(name) is missing: it names the call; or give --call")
    }
    var body = JSONObject()
    for (option, member) in fields {
      if let value = arguments.value(option) { body[member] = .string(value) }
    }
    return .new(body)
  }

  /// The media type by the file's ending; the service looks at the bytes itself.
  private static func mediaType(_ path: String) -> String {
    switch path.split(separator: ".").last?.lowercased() {
    case "wav": "audio/wav"
    case "flac": "audio/flac"
    case "ogg", "opus": "audio/ogg"
    case "mp3": "audio/mpeg"
    default: "application/octet-stream"
    }
  }

  private static func byteRange(_ text: String) throws(CommandFailure) -> String {
    let parts = text.split(separator: "-", omittingEmptySubsequences: false)
    guard parts.count == 2, !(parts[0].isEmpty && parts[1].isEmpty),
      parts.allSatisfy({ part in
        part.utf8.count <= 18 && part.utf8.allSatisfy { (0x30...0x39).contains($0) }
      })
    else {
      throw CommandFailure(.usage, "--range must be A-B, A- or -N, in bytes counted from 0")
    }
    if let first = Int64(parts[0]), let last = Int64(parts[1]), first > last {
      throw CommandFailure(.usage, "--range ends before it begins")
    }
    return "bytes=\(text)"
  }
}
