import Encoding

/// What the service answered to one request.
struct ServiceAnswer {
  let status: Int
  /// Names in lower case.
  let headers: [String: String]
  let body: [UInt8]

  /// The body as a JSON object.
  ///
  /// - Throws: ``CommandFailure`` with ``ExitCode/internal`` if it is none.
  func object() throws(CommandFailure) -> JSONObject {
    do {
      if case .object(let object) = try JSONValue(
        parsing: body, limits: JSONLimits(byteCount: 64 << 20, depth: 32))
      {
        return object
      }
    } catch {
      throw CommandFailure(.internal, "the service's answer cannot be read: \(error)")
    }
    throw CommandFailure(.internal, "the service's answer is not a JSON object")
  }

  /// The failure that a problem document stands for, with the exit code scripts rely on.
  var failure: CommandFailure {
    let problem: JSONObject
    if case .object(let object)? = try? JSONValue(parsing: body) {
      problem = object
    } else {
      problem = JSONObject()
    }
    let kind = problem["type"]?.string?.split(separator: ":").last.map(String.init) ?? ""
    let detail =
      problem["detail"]?.string ?? "the service answered \(status) without saying why"
    var members: [(name: String, value: JSONValue)] = []
    for name in ["call", "recording", "token"] {
      if let value = problem[name] { members.append((name, value)) }
    }
    var sentence = detail
    if status >= 500, let request = problem["request_id"]?.string {
      sentence += " (the service's log explains request \(request))"
    }
    return CommandFailure(Self.exitCode(status: status, kind: kind), sentence, members: members)
  }

  private static func exitCode(status: Int, kind: String) -> ExitCode {
    switch (status, kind) {
    case (_, "damaged"): .damaged
    case (401, _), (403, _), (421, _): .refused
    case (404, _): .notFound
    case (409, _), (412, _): .conflict
    case (423, _), (_, "sealed"): .sealed
    case (400..<500, _): .usage
    default: .internal
    }
  }
}

extension JSONObject {
  /// A string that the service must have sent.
  func requiredString(_ name: String) throws(CommandFailure) -> String {
    guard let text = self[name]?.string else {
      throw CommandFailure(.internal, "the service's answer lacks \(name)")
    }
    return text
  }
}
