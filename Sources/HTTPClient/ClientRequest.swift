/// Where a server is, and how it proves who it is.
public enum Endpoint: Sendable, Equatable {
  /// An origin such as `https://vault.example:8443`, without a path.
  ///
  /// Clear `http` is accepted for this machine only: a token must not travel in the open.
  case server(origin: String, trust: Trust)
  /// An origin where clear `http` is accepted for any machine: for what is public both ways and
  /// whose answers are signed, never with a token.
  case openServer(origin: String, trust: Trust)
  /// A unix socket, where the kernel vouches for both ends.
  case socket(path: String)

  /// Whose certificates are believed.
  public enum Trust: Sendable, Equatable {
    /// The authorities that the operating system knows.
    case system
    /// Those in a PEM file alone: an authority, or one self-signed certificate.
    case file(String)
  }
}

/// What is asked of a server.
public struct ClientRequest: Sendable {
  /// The bytes that go with the request.
  public enum Body: Sendable {
    case none
    case bytes([UInt8])
    /// A file, read as it is sent.
    case file(path: String)
  }

  /// One line of a head.
  public struct Header: Sendable, Equatable {
    public let name: String
    public let value: String

    public init(_ name: String, _ value: String) {
      self.name = name
      self.value = value
    }
  }

  public var method: String
  /// Path and query, encoded, from the first slash on.
  public var target: String
  public var headers: [Header]
  public var body: Body

  public init(
    _ method: String, _ target: String, headers: [Header] = [], body: Body = .none
  ) {
    self.method = method
    self.target = target
    self.headers = headers
    self.body = body
  }

  /// Text with everything but letters, digits and `-._~` percent-encoded, for a path or a query.
  public static func encoded(_ text: String) -> String {
    var encoded = ""
    for byte in text.utf8 {
      switch byte {
      case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, 0x2D, 0x2E, 0x5F, 0x7E:
        encoded.unicodeScalars.append(Unicode.Scalar(byte))
      default:
        let digits = String(byte, radix: 16, uppercase: true)
        encoded += digits.utf8.count == 1 ? "%0" + digits : "%" + digits
      }
    }
    return encoded
  }
}

/// What a server answered.
public struct ClientResponse: Sendable {
  public let status: Int
  public let headers: [ClientRequest.Header]
  /// The body, but for what went to the caller's closure.
  public let body: [UInt8]

  /// The first value of that name, without regard to ASCII case.
  public subscript(name: String) -> String? {
    let wanted = name.lowercased()
    return headers.first { $0.name.lowercased() == wanted }?.value
  }

  public var isSuccess: Bool { (200...299).contains(status) }
}
