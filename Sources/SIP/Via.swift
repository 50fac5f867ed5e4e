/// The first Via of a message: the hop that sent it.
///
/// What it says of where to answer (host, port, `maddr`) is read and never followed: an answer goes to
/// where the packet came from.
struct Via: Sendable {
  /// Without brackets.
  let host: Range<Int>
  let branch: Range<Int>?
  /// `;rport`, with or without a value: the sender asks for the port it was seen with (RFC 3581).
  let rport: Range<Int>?
  /// A `;received=` that is there already, which nobody but the receiver may have written.
  let received: Range<Int>?
  /// All of it, up to the comma before the next hop or the end of the field.
  let range: Range<Int>

  /// Reads the first hop of a field's value; nil if it is none.
  init?(_ bytes: [UInt8], at value: Range<Int>) {
    let limit = value.upperBound
    var index = value.lowerBound

    func word(_ wanted: (Range<Int>) -> Bool) -> Bool {
      index = Parameter.skipSpace(bytes, index, limit)
      let start = index
      while index < limit, Syntax.isToken(bytes[index]) { index += 1 }
      return index > start && wanted(start..<index)
    }
    func slash() -> Bool {
      index = Parameter.skipSpace(bytes, index, limit)
      guard index < limit, bytes[index] == Syntax.slash else { return false }
      index += 1
      return true
    }

    guard word({ bytes.holds("sip", at: $0) }), slash(), word({ bytes.holds("2.0", at: $0) }),
      slash(), word({ _ in true }), index < limit, Syntax.isSpace(bytes[index])
    else { return nil }
    index = Parameter.skipSpace(bytes, index, limit)
    guard let place = HostPort(bytes, from: index, to: limit, allowsSpace: true) else { return nil }
    host = place.host
    index = place.end
    var branch: Range<Int>?
    var rport: Range<Int>?
    var received: Range<Int>?
    var end: Int?
    while end == nil {
      switch Parameter.next(bytes, from: index, to: limit) {
      case .malformed: return nil
      case .end(let place): end = place
      case .parameter(let parameter):
        index = parameter.whole.upperBound
        if bytes.holds("branch", at: parameter.name) {
          guard branch == nil, let value = parameter.value else { return nil }
          branch = value
        } else if bytes.holds("rport", at: parameter.name) {
          guard rport == nil else { return nil }
          rport = parameter.whole
        } else if bytes.holds("received", at: parameter.name) {
          guard received == nil else { return nil }
          received = parameter.whole
        }
      }
    }
    self.branch = branch
    self.rport = rport
    self.received = received
    range = value.lowerBound..<index
  }
}
