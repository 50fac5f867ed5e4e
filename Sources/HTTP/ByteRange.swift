/// One range of a `Range` header (RFC 9110, 14.1.2), before it is held against a length.
public enum ByteRange: Sendable, Equatable {
  /// `first-last`, both included, counted from zero.
  case closed(first: Int64, last: Int64)
  /// `first-`, to the end.
  case from(Int64)
  /// `-count`, the last bytes.
  case suffix(Int64)

  /// More ranges than this in one header are taken for an attack, and the header is ignored.
  public static let maximumRanges = 16

  /// What a request for a range deserves.
  public enum Selection: Sendable, Equatable {
    /// 200 with everything.
    case whole
    /// 206 with these bytes; never empty.
    case part(Range<Int64>)
    /// 416 with `Content-Range: bytes */LENGTH`.
    case unsatisfiable
  }

  /// The ranges in a header, or nil when it must be ignored: another unit, or not of this grammar.
  public static func parse(_ header: String) -> [ByteRange]? {
    let utf8 = header.utf8
    let unit = utf8.prefix(6)
    guard unit.map(Syntax.lowered) == Array("bytes=".utf8), header.utf8.count <= 1024 else {
      return nil
    }
    var ranges: [ByteRange] = []
    for part in header.dropFirst(6).split(separator: ",", omittingEmptySubsequences: false) {
      let text = Syntax.trimmed(part)
      if text.isEmpty { continue }  // RFC 9110, 5.6.1: empty members of a list are ignored.
      guard ranges.count < maximumRanges, let range = ByteRange(text) else { return nil }
      ranges.append(range)
    }
    return ranges.isEmpty ? nil : ranges
  }

  private init?(_ text: Substring) {
    guard let dash = text.utf8.firstIndex(of: 0x2D) else { return nil }
    let before = text.utf8[..<dash]
    let after = text.utf8[text.utf8.index(after: dash)...]
    if before.isEmpty {
      guard let count = Self.number(after) else { return nil }
      self = .suffix(count)
    } else if after.isEmpty {
      guard let first = Self.number(before) else { return nil }
      self = .from(first)
    } else {
      guard let first = Self.number(before), let last = Self.number(after), first <= last else {
        return nil
      }
      self = .closed(first: first, last: last)
    }
  }

  /// Positions may have leading zeros, and one beyond every file is merely unsatisfiable.
  private static func number(_ digits: Substring.UTF8View) -> Int64? {
    guard !digits.isEmpty, digits.count <= 40, digits.allSatisfy({ (0x30...0x39).contains($0) })
    else { return nil }
    let significant = digits.drop { $0 == 0x30 }
    return significant.isEmpty ? 0 : Syntax.wholeNumber(significant) ?? Int64.max
  }

  /// The bytes meant in a body of `length` bytes, or nil when there are none.
  public func resolved(in length: Int64) -> Range<Int64>? {
    switch self {
    case .closed(let first, let last):
      return first < length ? first..<(min(last, length - 1) + 1) : nil
    case .from(let first):
      return first < length ? first..<length : nil
    case .suffix(let count):
      return count > 0 && length > 0 ? max(0, length - count)..<length : nil
    }
  }

  /// What `Range` and `If-Range` of a GET or HEAD select of a body.
  ///
  /// Several ranges get the whole body, as RFC 9110, 14.2 permits. A condition is met only by the
  /// same strong validator: a weak tag or a date cannot show that bytes of two answers fit together.
  /// `entityTag` has its quotes and is strong; `length` is that of the whole body, in bytes.
  public static func selection(
    from headers: Headers, entityTag: String, length: Int64
  ) -> Selection {
    let fields = headers.all("Range")
    guard fields.count == 1, let ranges = parse(fields[0]) else { return .whole }
    let conditions = headers.all("If-Range")
    guard conditions.allSatisfy({ $0 == entityTag }) else { return .whole }
    let resolved = ranges.compactMap { $0.resolved(in: length) }
    guard let first = resolved.first else { return .unsatisfiable }
    return ranges.count == 1 ? .part(first) : .whole
  }
}
