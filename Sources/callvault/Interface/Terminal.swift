import Encoding
import Glibc

/// Where a command speaks: results on standard output, everything else on standard error.
struct Terminal: Sendable {
  /// Whether results are one JSON document.
  let isJSON: Bool

  /// Prints a result: `members` under `--json`, else `text`.
  func result(_ text: @autoclosure () -> String, _ members: @autoclosure () -> JSONObject) {
    if isJSON {
      write(JSONValue.object(members()).encoded() + [0x0A], to: STDOUT_FILENO)
    } else {
      write(Array(text().utf8) + [0x0A], to: STDOUT_FILENO)
    }
  }

  /// Writes bytes of a result as they are.
  func bytes(_ bytes: [UInt8]) throws(CommandFailure) {
    guard write(bytes, to: STDOUT_FILENO) else {
      throw CommandFailure(.internal, "standard output was closed before all was written")
    }
  }

  /// Tells a person how things go; scripts do not read this.
  func note(_ text: String) { write(Array((text + "\n").utf8), to: STDERR_FILENO) }

  /// Tells why the command failed, on standard error and, under `--json`, on standard output.
  func failure(_ failure: CommandFailure) {
    note("callvault: " + failure.sentence)
    guard isJSON else {
      for member in failure.members {
        if case .string(let text) = member.value {
          write(Array((text + "\n").utf8), to: STDOUT_FILENO)
        }
      }
      return
    }
    var error = JSONObject()
    error["code"] = .string(failure.code.name)
    error["exit"] = .integer(Int64(failure.code.rawValue))
    error["message"] = .string(failure.sentence)
    for member in failure.members { error[member.name] = member.value }
    var document = JSONObject()
    document["error"] = .object(error)
    write(JSONValue.object(document).encoded() + [0x0A], to: STDOUT_FILENO)
  }

  @discardableResult
  private func write(_ bytes: [UInt8], to descriptor: Int32) -> Bool {
    var rest = bytes[...]
    while !rest.isEmpty {
      let count = unsafe rest.withUnsafeBytes { buffer in
        unsafe Glibc.write(descriptor, buffer.baseAddress, buffer.count)
      }
      if count < 0 {
        if errno == EINTR { continue }
        return false
      }
      rest = rest.dropFirst(count)
    }
    return true
  }
}
