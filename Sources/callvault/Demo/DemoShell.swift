import Encoding
import Glibc
import Host

/// The terminal of the demonstration: shows what is typed, runs it, shows what it printed.
struct DemoShell {
  /// The data directory that commands find in CALLVAULT_DATA.
  let vault: String

  /// A token, and how it stands in what is shown.
  struct Token {
    let secret: String
    let variable: String
  }

  /// Runs a command of callvault, with what was typed and what it printed.
  @discardableResult
  func callvault(
    _ words: String..., as token: Token? = nil, expecting code: Int32 = 0
  ) throws(DemoError) -> [UInt8] {
    let who = token.map { "CALLVAULT_TOKEN=\($0.variable) " } ?? ""
    say("$ \(who)callvault " + words.map(quoted).joined(separator: " "))
    let answer = try execute(["/proc/self/exe"] + words, token, expecting: code)
    say(indented(String(decoding: answer, as: UTF8.self)))
    return answer
  }

  /// Runs another program, with what was typed and what it printed.
  func command(_ words: [String], hiding token: Token) throws(DemoError) {
    let typed = words.map { word in
      word.contains(token.secret)
        ? "\"\(word.replacing(token.secret, with: token.variable))\"" : quoted(word)
    }
    say("$ " + typed.joined(separator: " "))
    let answer = try execute(words, nil, expecting: 0)
    if !answer.isEmpty { say(indented(String(decoding: answer, as: UTF8.self))) }
  }

  func execute(
    _ words: [String], _ token: Token?, expecting code: Int32
  ) throws(DemoError) -> [UInt8] {
    if StopSignals.arrived != nil { throw DemoError("it was asked to") }
    let pipe = try DemoPipe()
    var environment = [(name: "CALLVAULT_DATA", value: vault)]
    environment.append((name: "CALLVAULT_TOKEN", value: token?.secret ?? ""))
    var process = try DemoProcess(words, environment: environment, output: pipe.writing)
    pipe.closeWriting()
    let answer = pipe.readToEnd()
    let ended = process.wait()
    guard ended == code else {
      throw DemoError(
        "that ended with exit code \(ended), not \(code):\n"
          + String(decoding: answer, as: UTF8.self))
    }
    return answer
  }

  func json(_ bytes: [UInt8]) throws(DemoError) -> JSONObject {
    // Notes for people come before the document, on the same pipe.
    let lines = bytes.split(separator: 0x0A)
    for line in lines.reversed() where line.first == UInt8(ascii: "{") {
      do {
        if let object = try JSONValue(parsing: Array(line)).object { return object }
      } catch {
        throw DemoError("that printed a document which cannot be read: \(error)")
      }
    }
    throw DemoError("that printed no document")
  }

  func title(_ text: String) { say("\n\(text)\n") }

  func indented(_ text: String) -> String {
    text.split(whereSeparator: \.isNewline).map { "    " + $0 }.joined(separator: "\n")
  }

  /// A word as a shell would take it.
  func quoted(_ word: String) -> String {
    let plain = word.utf8.allSatisfy { byte in
      (0x30...0x39).contains(byte) || (0x41...0x5A).contains(byte) || (0x61...0x7A).contains(byte)
        || "-_./:=+,@%".utf8.contains(byte)
    }
    return plain && !word.isEmpty ? word : "'\(word.replacing("'", with: "'\\''"))'"
  }

  func say(_ text: String) {
    print(text)
    // A pipe is buffered; the reader is watching.
    fflush(nil)
  }
}
