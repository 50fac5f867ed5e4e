import Cryptography
import Encoding
import Glibc

/// `unseal` and `seal`: the root key comes into a running service's memory, and goes out of it.
enum UnsealCommands {
  static let unseal = Command(
    name: "unseal",
    summary: "give a share to a sealed service, or have it ask for its root key again",
    operands: [
      Operand(
        name: "FILE", summary: "a file with the words of one share, in place of typing them",
        isOptional: true)
    ],
    options: Command.client,
    examples: [
      ("callvault unseal", "each keeper runs it and types the words of their share"),
      ("callvault unseal /run/share", "the same from a file"),
      ("callvault unseal", "after the key volume, the passphrase file or the token is back"),
    ],
    discussion: [
      "Where the root key was shared out, the words are asked for; they are not shown. After as many shares "
        + "as the ceremony asked for the vault opens. Shares that are not yet enough are wiped after 15 "
        + "minutes.",
      "Every attempt is in a log of its own, DATA/unsealing/log, which the vault's log joins when it opens.",
    ]
  ) { arguments, terminal in
    let client = try ServiceClient(arguments)
    let state = try await client.get("/v1/seal").object()
    guard state["sealed"]?.bool == true else {
      throw CommandFailure(.conflict, "the vault is open; nothing was sent")
    }
    let answer: JSONObject
    if state["custodian"]?.string == "shares" {
      let share = try words(arguments.operand(0), terminal)
      answer = try await client.post("/v1/unseal", text: share).object()
    } else {
      answer = try await client.post("/v1/unseal").object()
    }
    let text: String
    if answer["sealed"]?.bool == false {
      text = "open"
    } else {
      let given = answer["given"]?.integer ?? 0
      let threshold = answer["threshold"]?.integer ?? 0
      text = "\(given) of \(threshold) shares; the vault is still sealed"
    }
    terminal.result(text, answer)
    return ExitCode.success.rawValue
  }

  static let seal = Command(
    name: "seal",
    summary: "take the root key and every key under it out of a running service's memory",
    options: Command.client,
    examples: [("callvault seal", "content is shut at once; intake waits at its source")],
    discussion: [
      "Content answers 423 and intake 503 until the vault is unsealed. Health and the log's last head stay "
        + "readable, and `audit verify` works on the files."
    ]
  ) { arguments, terminal in
    let client = try ServiceClient(arguments, administers: true)
    let answer = try await client.post("/v1/seal").object()
    terminal.result("sealed", answer)
    return ExitCode.success.rawValue
  }

  private static func words(
    _ file: String?, _ terminal: Terminal
  ) throws(CommandFailure) -> [UInt8] {
    if let file {
      return try UserFile.whole(file, limit: 1024)
    }
    let line = try SecretPrompt(terminal: terminal).line("Type the words of your share: ")
    return line.withBytes { (bytes: RawSpan) in
      unsafe bytes.withUnsafeBytes { unsafe Array($0) }
    }
  }
}
