/// What a resolver says of a name.
public enum DNSAnswer: Sendable, Equatable {
  case address
  /// There is no such name (NXDOMAIN), or it has no address of that kind.
  case none
  /// It could not find out (SERVFAIL).
  case failure
  /// Another answer: it refuses, or does not understand.
  case refusal
}

/// One question for a name's address, and what may count as its answer: the little of RFC 1035 that tells whether a
/// resolver does its work.
public struct DNSQuestion: Sendable {
  public enum Kind: UInt16, Sendable {
    case ipv4 = 1
    case ipv6 = 28

    var length: Int { self == .ipv4 ? 4 : 16 }
  }

  /// Bytes of the longest answer that is looked at; without EDNS none is longer over UDP.
  public static let answerLimit = 512

  let id: UInt16
  let kind: Kind
  private let question: [UInt8]

  /// - Parameters:
  ///   - name: what is asked for.
  ///   - kind: of the address.
  ///   - id: what the answer repeats; not to be guessed.
  public init(_ name: DNSName, _ kind: Kind, id: UInt16) {
    self.id = id
    self.kind = kind
    question = name.encoded + [UInt8(kind.rawValue >> 8), UInt8(kind.rawValue & 0xFF), 0, 1]
  }

  /// The message: recursion desired, one question.
  public var encoded: [UInt8] {
    [UInt8(id >> 8), UInt8(id & 0xFF), 0x01, 0, 0, 1, 0, 0, 0, 0, 0, 0] + question
  }

  /// What a message answers to this question.
  ///
  /// - Parameter bytes: from the network; whatever they are, this returns.
  /// - Returns: nil where it is no answer to it.
  public func answer(in bytes: [UInt8]) -> DNSAnswer? {
    let start = 12 + question.count
    guard bytes.count >= start, bytes.count <= Self.answerLimit,
      UInt16(bytes[0]) << 8 | UInt16(bytes[1]) == id,
      // A response to a query, with the one question.
      bytes[2] & 0xF8 == 0x80, bytes[4] == 0, bytes[5] == 1, Self.matches(bytes, question)
    else { return nil }
    switch bytes[3] & 0x0F {
    case 0: break
    case 2: return .failure
    case 3: return DNSAnswer.none
    default: return .refusal
    }
    // Cut short: there is more than fits, so there is something.
    if bytes[2] & 0x02 != 0 { return .address }
    let count = Int(bytes[6]) << 8 | Int(bytes[7])
    return hasAddress(bytes[start...], records: count) ? .address : DNSAnswer.none
  }

  /// Whether the question stands there; names count no case (RFC 4343).
  private static func matches(_ bytes: [UInt8], _ question: [UInt8]) -> Bool {
    zip(bytes[12...], question).allSatisfy { one, other in
      lower(one) == lower(other)
    }
  }

  private static func lower(_ byte: UInt8) -> UInt8 {
    (0x41...0x5A).contains(byte) ? byte | 0x20 : byte
  }

  private func hasAddress(_ bytes: ArraySlice<UInt8>, records: Int) -> Bool {
    var rest = bytes
    for _ in 0..<records {
      guard let owner = Self.nameLength(rest) else { return false }
      rest = rest.dropFirst(owner)
      guard rest.count >= 10 else { return false }
      let head = Array(rest.prefix(10))
      let length = Int(head[8]) << 8 | Int(head[9])
      rest = rest.dropFirst(10)
      guard rest.count >= length else { return false }
      if UInt16(head[0]) << 8 | UInt16(head[1]) == kind.rawValue, head[2] == 0, head[3] == 1,
        length == kind.length
      {
        return true
      }
      rest = rest.dropFirst(length)
    }
    return false
  }

  /// Bytes of a name: labels until the empty one, or until a pointer, which is not followed.
  private static func nameLength(_ bytes: ArraySlice<UInt8>) -> Int? {
    var length = 0
    while length < bytes.count {
      let byte = bytes[bytes.startIndex + length]
      switch byte & 0xC0 {
      case 0xC0: return length + 2 <= bytes.count ? length + 2 : nil
      case 0: length += 1 + Int(byte)
      default: return nil
      }
      if byte == 0 { return length }
    }
    return nil
  }
}
