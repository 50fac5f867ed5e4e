import Encoding

/// The members of a JSON body, read one by one: a member nobody reads is refused.
///
/// Sentences name members that this route knows; what a client sent is never repeated.
struct ObjectFields {
  private let object: JSONObject
  private let known: [String]

  /// Reads a body of which `known` are all members the route reads.
  ///
  /// - Throws: ``ProblemDetail`` when the body is no JSON object (400) or has another member (422).
  init(_ bytes: [UInt8], known: [String]) throws(ProblemDetail) {
    let value: JSONValue
    do {
      value = try JSONValue(parsing: bytes)
    } catch {
      throw ProblemDetail(.badRequest, "The body is not JSON: \(error).")
    }
    guard case .object(let object) = value else {
      throw ProblemDetail(.badRequest, "The body must be a JSON object.")
    }
    try self.init(object, known: known)
  }

  init(_ object: JSONObject, known: [String]) throws(ProblemDetail) {
    self.object = object
    self.known = known
    guard object.keys.allSatisfy({ known.contains($0) }) else {
      throw ProblemDetail(
        .unprocessable,
        "There is a member that is not read here; members are: "
          + known.joined(separator: ", ") + ".")
    }
  }

  func has(_ name: String) -> Bool { object[name] != nil }

  /// Text of 1 to `limit` bytes without control characters, or nil where the member is absent.
  func text(_ name: String, limit: Int, allowsLines: Bool = false) throws(ProblemDetail) -> String?
  {
    guard let value = object[name] else { return nil }
    guard case .string(let text) = value, !text.isEmpty, text.utf8.count <= limit else {
      throw ProblemDetail(.unprocessable, "`\(name)` must be text of 1 to \(limit) bytes.")
    }
    let isClean = text.unicodeScalars.allSatisfy { scalar in
      scalar.properties.generalCategory != .control
        || (allowsLines && (scalar == "\n" || scalar == "\t" || scalar == "\r"))
    }
    guard isClean else {
      throw ProblemDetail(.unprocessable, "`\(name)` must not hold control characters.")
    }
    return text
  }

  func requiredText(
    _ name: String, limit: Int, allowsLines: Bool = false
  ) throws(ProblemDetail) -> String {
    guard let text = try text(name, limit: limit, allowsLines: allowsLines) else {
      throw ProblemDetail(.unprocessable, "`\(name)` is missing.")
    }
    return text
  }

  /// An integer within `range`, or nil where the member is absent.
  func integer(_ name: String, in range: ClosedRange<Int64>) throws(ProblemDetail) -> Int64? {
    guard let value = object[name] else { return nil }
    guard case .integer(let number) = value, range.contains(number) else {
      throw ProblemDetail(
        .unprocessable,
        "`\(name)` must be a whole number from \(range.lowerBound) to \(range.upperBound).")
    }
    return number
  }

  func requiredInteger(
    _ name: String, in range: ClosedRange<Int64>
  ) throws(ProblemDetail) -> Int64 {
    guard let number = try integer(name, in: range) else {
      throw ProblemDetail(.unprocessable, "`\(name)` is missing.")
    }
    return number
  }

  /// A time by RFC 3339 with its offset.
  func time(_ name: String) throws(ProblemDetail) -> OffsetTime? {
    guard let value = object[name] else { return nil }
    guard case .string(let text) = value, let time = OffsetTime(text) else {
      throw ProblemDetail(
        .unprocessable,
        "`\(name)` must be a time by RFC 3339 with an offset, such as 2026-11-20T09:30:00-05:00.")
    }
    return time
  }

  /// One of a closed list.
  func choice<Value: RawRepresentable & CaseIterable>(
    _ name: String, of type: Value.Type
  ) throws(ProblemDetail) -> Value? where Value.RawValue == String {
    guard let value = object[name] else { return nil }
    guard case .string(let text) = value, let choice = Value(rawValue: text) else {
      throw ProblemDetail(
        .unprocessable,
        "`\(name)` must be one of: "
          + Value.allCases.map { $0.rawValue }.joined(separator: ", ") + ".")
    }
    return choice
  }

  /// An array of at most `limit` members.
  func array(_ name: String, limit: Int) throws(ProblemDetail) -> [JSONValue]? {
    guard let value = object[name] else { return nil }
    guard case .array(let items) = value, items.count <= limit else {
      throw ProblemDetail(
        .unprocessable, "`\(name)` must be an array of at most \(limit) members.")
    }
    return items
  }

  /// The value as it is, null included.
  func value(_ name: String) -> JSONValue? { object[name] }
}
