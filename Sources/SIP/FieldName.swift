/// The header fields that an answer is made of or depends on; every other one is only checked for its shape.
enum FieldName: UInt8, Sendable {
  case via
  case from
  case to
  case callID
  case cSeq
  case contentLength
  case maxForwards
  case require
  case retryAfter
  case other

  /// Reads a name in either form (RFC 3261, 7.3.3) and any case.
  init(_ bytes: [UInt8], at range: Range<Int>) {
    switch range.count {
    case 1:
      switch Syntax.lowered(bytes[range.lowerBound]) {
      case 0x76: self = .via
      case 0x66: self = .from
      case 0x74: self = .to
      case 0x69: self = .callID
      case 0x6C: self = .contentLength
      default: self = .other
      }
    case 2: self = bytes.holds("to", at: range) ? .to : .other
    case 3: self = bytes.holds("via", at: range) ? .via : .other
    case 4:
      self =
        bytes.holds("from", at: range) ? .from : bytes.holds("cseq", at: range) ? .cSeq : .other
    case 7:
      self =
        bytes.holds("call-id", at: range)
        ? .callID : bytes.holds("require", at: range) ? .require : .other
    case 11: self = bytes.holds("retry-after", at: range) ? .retryAfter : .other
    case 12: self = bytes.holds("max-forwards", at: range) ? .maxForwards : .other
    case 14: self = bytes.holds("content-length", at: range) ? .contentLength : .other
    default: self = .other
    }
  }

  /// Whether a second field of the name makes a message ambiguous (RFC 4475, 3.3.8).
  var isSingle: Bool {
    switch self {
    case .from, .to, .callID, .cSeq, .contentLength, .maxForwards: true
    case .via, .require, .retryAfter, .other: false
    }
  }
}
