/// Where a request goes: the path and query of RFC 9112, 3.2, decoded once and for all.
///
/// Strict, because two programs that decode a path differently can be played against each other.
/// Refused: `%` without two hex digits, `%00` and other encoded controls, encoded slashes and
/// backslashes, text that is not UTF-8, and the segments `.` and `..` in any spelling.
public struct RequestTarget: Sendable, Equatable {
  /// One pair of the query.
  public struct Pair: Sendable, Equatable {
    public let name: String
    public let value: String
  }

  /// More pairs than this are refused.
  public static let maximumPairs = 64

  public let segments: [String]
  public let query: [Pair]

  /// Parses origin-form: a path that begins with a slash, and perhaps a query.
  ///
  /// - Throws: ``HTTPError/Code/malformed``.
  public init(parsing text: ArraySlice<UInt8>) throws(HTTPError) {
    guard text.first == 0x2F else {
      throw HTTPError(.malformed, during: "reading the request target")
    }
    let mark = text.firstIndex(of: 0x3F) ?? text.endIndex
    segments = try Self.segments(of: text[text.startIndex + 1..<mark])
    query = mark == text.endIndex ? [] : try Self.pairs(of: text[(mark + 1)...])
  }

  private static func segments(of path: ArraySlice<UInt8>) throws(HTTPError) -> [String] {
    if path.isEmpty { return [] }
    var segments: [String] = []
    for part in path.split(separator: 0x2F, omittingEmptySubsequences: false) {
      let segment = try decoded(part, inQuery: false)
      guard segment != ".", segment != ".." else {
        throw HTTPError(.malformed, during: "reading a dot segment of the path")
      }
      guard !segment.utf8.contains(where: { $0 == 0x2F || $0 == 0x5C }) else {
        throw HTTPError(.malformed, during: "reading an encoded slash of the path")
      }
      segments.append(segment)
    }
    return segments
  }

  private static func pairs(of query: ArraySlice<UInt8>) throws(HTTPError) -> [Pair] {
    var pairs: [Pair] = []
    for part in query.split(separator: 0x26) {
      guard pairs.count < maximumPairs else {
        throw HTTPError(.malformed, during: "counting the pairs of the query")
      }
      let equals = part.firstIndex(of: 0x3D) ?? part.endIndex
      let value = equals == part.endIndex ? [] : part[(equals + 1)...]
      pairs.append(
        Pair(
          name: try decoded(part[..<equals], inQuery: true),
          value: try decoded(value, inQuery: true)))
    }
    return pairs
  }

  private static func decoded(
    _ part: ArraySlice<UInt8>, inQuery: Bool
  ) throws(HTTPError) -> String {
    var bytes: [UInt8] = []
    bytes.reserveCapacity(part.count)
    var rest = part
    while let byte = rest.popFirst() {
      switch byte {
      case 0x25:
        guard let high = rest.popFirst().flatMap(Syntax.hexValue),
          let low = rest.popFirst().flatMap(Syntax.hexValue)
        else { throw HTTPError(.malformed, during: "decoding a percent sign") }
        let value = high << 4 | low
        guard value >= 0x20, value != 0x7F else {
          throw HTTPError(.malformed, during: "decoding a control character")
        }
        bytes.append(value)
      case 0x2B where inQuery:
        bytes.append(0x20)
      case _ where Syntax.isPathCharacter(byte):
        bytes.append(byte)
      // Slash, question mark and brackets stand for themselves in a query.
      case 0x2F where inQuery, 0x3F where inQuery, 0x5B where inQuery, 0x5D where inQuery:
        bytes.append(byte)
      default:
        throw HTTPError(.malformed, during: "reading the request target")
      }
    }
    guard let text = String(validating: bytes, as: UTF8.self) else {
      throw HTTPError(.malformed, during: "decoding the request target")
    }
    return text
  }
}
