import Encoding
import HTTP
import Vault

/// One request on its way through the API: who asks, for what, and how to answer.
struct RequestContext: Sendable {
  let request: Request
  /// Ours, never the client's: entries of the log and the operator's lines carry it.
  let requestID: Identifier
  let route: Route
  /// The variables of the path.
  let variables: [String: String]
  /// Who asks; nil on open routes.
  let known: Caller?
  let body: RequestBody
  let reply: Reply

  /// Who asks, on routes that require it.
  var caller: Caller {
    get throws(ProblemDetail) {
      guard let known else { throw .unauthenticated }
      return known
    }
  }

  /// An id in the path; what is no id names nothing, and that is all the answer says.
  func identifier(_ name: String) throws(ProblemDetail) -> Identifier {
    guard let text = variables[name], let id = Identifier(text) else { throw .notFound }
    return id
  }

  /// A body of JSON.
  ///
  /// - Throws: ``ProblemDetail`` when it is over the route's bound or not JSON.
  func objectBytes() async throws -> [UInt8] {
    let limit: Int
    switch route.body {
    case .object(let most), .optionalObject(let most): limit = most
    case .none, .file: throw ProblemDetail(.internal, "This route reads no body.")
    }
    do throws(HTTPError) {
      return try await body.collect(upTo: limit)
    } catch {
      guard error.code == .tooLarge else { throw error }
      throw ProblemDetail(.tooLarge, "The body may have at most \(limit) bytes.")
    }
  }

  /// The members of a JSON body.
  func fields(_ known: [String]) async throws -> ObjectFields {
    try ObjectFields(await objectBytes(), known: known)
  }

  // MARK: Query

  /// The value of a query parameter that may be given once.
  func query(_ name: String) throws(ProblemDetail) -> String? {
    let values = request.queryValues(name)
    guard values.count <= 1 else {
      throw ProblemDetail(.badRequest, "The query parameter `\(name)` may be given once.")
    }
    return values.first
  }

  func queryText(_ name: String, limit: Int) throws(ProblemDetail) -> String? {
    guard let text = try query(name) else { return nil }
    guard !text.isEmpty, text.utf8.count <= limit,
      text.unicodeScalars.allSatisfy({ $0.properties.generalCategory != .control })
    else {
      throw ProblemDetail(
        .badRequest, "The query parameter `\(name)` must be text of 1 to \(limit) bytes.")
    }
    return text
  }

  func queryInteger(_ name: String, in range: ClosedRange<Int64>) throws(ProblemDetail) -> Int64? {
    guard let text = try query(name) else { return nil }
    guard let number = decimal(text), range.contains(number) else {
      throw ProblemDetail(
        .badRequest,
        "The query parameter `\(name)` must be a whole number from \(range.lowerBound) to "
          + "\(range.upperBound).")
    }
    return number
  }

  func queryTime(_ name: String) throws(ProblemDetail) -> Timestamp? {
    guard let text = try query(name) else { return nil }
    guard let time = OffsetTime(text) else {
      throw ProblemDetail(
        .badRequest,
        "The query parameter `\(name)` must be a time by RFC 3339, such as "
          + "2026-11-20T00:00:00Z.")
    }
    return time.instant
  }

  func queryIdentifier(_ name: String) throws(ProblemDetail) -> Identifier? {
    guard let text = try query(name) else { return nil }
    guard let id = Identifier(text) else {
      throw ProblemDetail(
        .badRequest, "The query parameter `\(name)` must be an id: a UUID in lower case.")
    }
    return id
  }

  func queryChoice<Value: RawRepresentable & CaseIterable>(
    _ name: String, of type: Value.Type
  ) throws(ProblemDetail) -> Value? where Value.RawValue == String {
    guard let text = try query(name) else { return nil }
    guard let value = Value(rawValue: text) else {
      throw ProblemDetail(
        .badRequest,
        "The query parameter `\(name)` must be one of: "
          + Value.allCases.map { $0.rawValue }.joined(separator: ", ") + ".")
    }
    return value
  }
}

/// Plain digits without leading zeros, below 2^53.
func decimal(_ text: String) -> Int64? {
  guard (1...16).contains(text.utf8.count), text.utf8.allSatisfy({ (0x30...0x39).contains($0) }),
    text == "0" || !text.hasPrefix("0"), let number = Int64(text), number < 1 << 53
  else { return nil }
  return number
}
