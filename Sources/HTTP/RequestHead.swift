/// How far a request's body reaches (RFC 9112, 6.3), decided by the head alone.
public enum BodyFraming: Sendable, Equatable {
  case none
  /// One byte or more.
  case length(Int64)
  case chunked
}

/// The parsed head of a request: request line and fields.
///
/// What makes two programs disagree about where a request ends is refused, never repaired: see
/// ``init(lines:)``.
public struct RequestHead: Sendable, Equatable {
  public let method: String
  public let target: RequestTarget
  /// 0 for HTTP/1.0, 1 for HTTP/1.1.
  public let minorVersion: Int
  public let headers: Headers
  /// The host part of `Host`, lower case, without the port; brackets stay around IPv6.
  public let host: String
  public let framing: BodyFraming
  /// The client waits for `100 Continue` before it sends the body.
  public let expectsContinue: Bool
  /// The client wants, or its version means, that the connection ends after the response.
  public let closes: Bool

  /// Parses the lines of a head, without their line ends and without the blank line.
  ///
  /// The lines come from ``RequestParser``, which has refused controls and bare line ends.
  ///
  /// - Throws: ``HTTPError/Code/malformed`` and the codes for versions, codings and expectations.
  init(lines: [ArraySlice<UInt8>]) throws(HTTPError) {
    guard let first = lines.first else {
      throw HTTPError(.malformed, during: "reading the request line")
    }
    var headers = Headers()
    for line in lines.dropFirst() {
      let field = try Self.field(line)
      headers.add(field.name, field.value)
    }
    let parts = first.split(separator: 0x20, omittingEmptySubsequences: false)
    guard parts.count == 3, (1...32).contains(parts[0].count),
      parts[0].allSatisfy(Syntax.isToken)
    else { throw HTTPError(.malformed, during: "reading the request line") }
    minorVersion = try Self.minorVersion(parts[2])
    method = String(decoding: parts[0], as: UTF8.self)

    let hosts = headers.all("Host")
    guard hosts.count == 1 else {
      throw HTTPError(.malformed, during: "counting Host fields, of which there must be one")
    }
    host = try Self.host(hosts[0])
    target = try RequestTarget(parsing: Self.path(parts[1], host: hosts[0]))
    framing = try Self.framing(headers, minorVersion: minorVersion)

    let connection = headers.tokens("Connection")
    closes =
      connection.contains("close") || (minorVersion == 0 && !connection.contains("keep-alive"))
    let expectations = headers.all("Expect")
    guard expectations.allSatisfy({ Syntax.same($0, "100-continue") }) else {
      throw HTTPError(.unsupportedExpectation, during: "reading Expect")
    }
    // HTTP/1.0 clients cannot understand an interim response (RFC 9110, 10.1.1).
    expectsContinue = !expectations.isEmpty && minorVersion == 1 && framing != .none
    self.headers = headers
  }

  private static func minorVersion(_ text: ArraySlice<UInt8>) throws(HTTPError) -> Int {
    let version = Array(text)
    let prefix = Array("HTTP/".utf8)
    guard version.count == 8, version.starts(with: prefix), (0x30...0x39).contains(version[5]),
      version[6] == 0x2E, (0x30...0x39).contains(version[7])
    else { throw HTTPError(.malformed, during: "reading the HTTP version") }
    guard version[5] == 0x31, version[7] <= 0x31 else {
      throw HTTPError(.unsupportedVersion, during: "reading the HTTP version")
    }
    return Int(version[7] - 0x30)
  }

  /// One field line: a token, a colon at once, and a value trimmed of spaces and tabs.
  static func field(_ line: ArraySlice<UInt8>) throws(HTTPError) -> Headers.Field {
    guard let colon = line.firstIndex(of: 0x3A), colon > line.startIndex,
      line[..<colon].allSatisfy(Syntax.isToken)
    else { throw HTTPError(.malformed, during: "reading the name of a field") }
    let value = Syntax.trimmed(line[(colon + 1)...])
    guard let text = String(validating: value, as: UTF8.self) else {
      throw HTTPError(.malformed, during: "reading the value of a field")
    }
    return Headers.Field(String(decoding: line[..<colon], as: UTF8.self), text)
  }

  /// A host and perhaps a port; the host's name, lower case.
  private static func host(_ text: String) throws(HTTPError) -> String {
    let bytes = Array(text.utf8)
    var end = bytes.endIndex
    let bracket = bytes.first == 0x5B
    if bracket {
      guard let close = bytes.firstIndex(of: 0x5D) else {
        throw HTTPError(.malformed, during: "reading Host")
      }
      end = close + 1
    } else if let colon = bytes.firstIndex(of: 0x3A) {
      end = colon
    }
    let name = bytes[..<end]
    let port = bytes[end...]
    let inner = bracket ? name.dropFirst().dropLast() : name
    let isPort =
      port.first == 0x3A && port.count <= 6
      && port.dropFirst().allSatisfy { (0x30...0x39).contains($0) }
    guard !inner.isEmpty, name.count <= 255, port.isEmpty || isPort,
      inner.allSatisfy({ isHostCharacter($0, inBrackets: bracket) })
    else { throw HTTPError(.malformed, during: "reading Host") }
    return String(decoding: name.map(Syntax.lowered), as: UTF8.self)
  }

  private static func isHostCharacter(_ byte: UInt8, inBrackets: Bool) -> Bool {
    switch byte {
    case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, 0x2E: true
    case 0x2D, 0x5F: !inBrackets
    case 0x3A: inBrackets
    default: false
    }
  }

  /// The path and query of a target in origin-form, or in absolute-form for the host of `Host`.
  ///
  /// Another host than `Host` names is how a proxy and a server are made to disagree.
  private static func path(
    _ target: ArraySlice<UInt8>, host: String
  ) throws(HTTPError) -> ArraySlice<UInt8> {
    if target.first == 0x2F { return target }
    for scheme in ["http://", "https://"] {
      let prefix = Array(scheme.utf8)
      guard target.prefix(prefix.count).map(Syntax.lowered) == prefix else { continue }
      let rest = target.dropFirst(prefix.count)
      let slash = rest.firstIndex(of: 0x2F) ?? rest.endIndex
      guard rest[..<slash].map(Syntax.lowered) == host.utf8.map(Syntax.lowered) else { break }
      return slash == rest.endIndex ? [0x2F] : rest[slash...]
    }
    throw HTTPError(.malformed, during: "reading the request target")
  }

  private static func framing(
    _ headers: Headers, minorVersion: Int
  ) throws(HTTPError) -> BodyFraming {
    let lengths = headers.all("Content-Length")
    let codings = headers.all("Transfer-Encoding")
    guard lengths.count <= 1, codings.count <= 1, lengths.isEmpty || codings.isEmpty else {
      throw HTTPError(.malformed, during: "reading conflicting lengths")
    }
    if let coding = codings.first {
      guard minorVersion == 1 else {
        throw HTTPError(.malformed, during: "reading Transfer-Encoding in HTTP/1.0")
      }
      guard Syntax.same(coding, "chunked") else {
        throw HTTPError(.unsupportedCoding, during: "reading Transfer-Encoding")
      }
      return .chunked
    }
    guard let text = lengths.first else { return .none }
    guard let length = Syntax.wholeNumber(text.utf8) else {
      throw HTTPError(.malformed, during: "reading Content-Length")
    }
    return length == 0 ? .none : .length(length)
  }
}
