import Encoding
import Vault

/// `transcript put`, `transcript get`: what was said, as text with times.
enum TranscriptCommands {
  static let put = Command(
    name: "transcript put",
    summary: "add a version of a call's transcript",
    operands: [
      Operand(name: "CALL", summary: "the call's id"),
      Operand(name: "FILE", summary: "the transcript in JSON; - reads standard input"),
    ],
    options: Command.client,
    examples: [
      (
        "callvault transcript put 9f0c… transcript.json",
        "{\"provider\",\"language\",\"segments\":[{\"speaker\",\"text\",\"start_ms\",\"end_ms\","
          + "\"confidence\"}]}"
      )
    ],
    discussion: ["A confidence that the provider did not give is null; none is invented."]
  ) { arguments, terminal in
    let call = try identifier(arguments.requiredOperand(0), of: "a call")
    let bytes = try UserFile.whole(arguments.requiredOperand(1), limit: Transcript.Limits.bytes)
    do throws(VaultError) {
      // Told here with the place, before anything is sent.
      _ = try Transcript(parsing: bytes)
    } catch {
      throw CommandFailure(.usage, "the transcript: \(error.detail ?? "\(error)")")
    }
    let client = try ServiceClient(arguments)
    let answer = try await client.post("/v1/calls/\(call)/transcripts", jsonBytes: bytes).object()
    terminal.result("version \(answer["version"]?.integer ?? 0)", answer)
    return ExitCode.success.rawValue
  }

  static let get = Command(
    name: "transcript get",
    summary: "read a call's transcript",
    operands: [Operand(name: "CALL", summary: "the call's id")],
    options: [
      .value("version", "N", "counted from 1; the newest if not given"),
      .value("purpose", "P", "why it is read, such as TREAT", required: true),
    ] + Command.client,
    examples: [
      ("callvault transcript get 9f0c… --purpose TREAT", "the newest version, as text"),
      ("callvault transcript get 9f0c… --version 1 --purpose TREAT --json", "the first, in JSON"),
    ]
  ) { arguments, terminal in
    let call = try identifier(arguments.requiredOperand(0), of: "a call")
    var query: [(String, String)] = []
    if let version = arguments.value("version") { query.append(("version", version)) }
    let client = try ServiceClient(arguments)
    let answer = try await client.get(
      "/v1/calls/\(call)/transcripts", query: query, headers: purposeHeader(arguments)
    ).object()
    let segments = answer["segments"]?.array?.compactMap { $0.object } ?? []
    let lines = segments.map { segment in
      let start = segment["start_ms"]?.integer ?? 0
      let speaker = segment["speaker"]?.string ?? ""
      return "\(minutes(start))  \(speaker)  \(segment["text"]?.string ?? "")"
    }
    terminal.result(lines.joined(separator: "\n"), answer)
    return ExitCode.success.rawValue
  }

  /// Minutes, seconds and thousandths.
  private static func minutes(_ milliseconds: Int64) -> String {
    let seconds = milliseconds / 1000 % 60
    let rest = milliseconds % 1000
    return "\(milliseconds / 60_000):\(seconds < 10 ? "0" : "")\(seconds)"
      + ".\(rest < 100 ? "0" : "")\(rest < 10 ? "0" : "")\(rest)"
  }
}
