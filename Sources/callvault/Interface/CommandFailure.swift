import Encoding

/// Why a command ends without having done what was asked, in one sentence that says what to do.
struct CommandFailure: Error {
  let code: ExitCode
  let sentence: String
  /// Members for `--json`, such as the id that exists already.
  var members: [(name: String, value: JSONValue)] = []

  init(_ code: ExitCode, _ sentence: String, members: [(name: String, value: JSONValue)] = []) {
    self.code = code
    self.sentence = sentence
    self.members = members
  }
}
