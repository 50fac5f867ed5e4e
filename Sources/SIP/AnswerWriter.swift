/// Writes answers: what the request brought to be repeated, a tag, and what goes with the status.
///
/// Specified in `Documentation/formats/sip.md`, 3.
public struct AnswerWriter: Sendable {
  /// The methods that are answered, as Allow says them.
  static let allowed = "INVITE, ACK, CANCEL, OPTIONS"

  private let request: SIPRequest
  private let source: IPAddress
  private let port: UInt16
  private let tag: [UInt8]

  /// Prepares an answer.
  ///
  /// - Parameters:
  ///   - request: what is answered.
  ///   - source: where the packet came from, which is where the answer goes.
  ///   - port: likewise.
  ///   - tag: of To, where the request has none: letters and digits, the same each time the request comes.
  public init(_ request: SIPRequest, from source: IPAddress, port: UInt16, tag: [UInt8]) {
    self.request = request
    self.source = source
    self.port = port
    self.tag = tag
  }

  /// Appends an answer of at most `limit` bytes, and says whether there is one.
  ///
  /// What is too long is written with short field names, then without the last contacts or without Allow.
  /// One that is still too long is not written: nobody gets more bytes back than he sent over UDP.
  public func write(
    _ answer: Redirection.Answer, plan: ContactPlan, to output: inout [UInt8], limit: Int = .max
  ) -> Bool {
    let start = output.count
    let contacts: ContactList? =
      if case .contacts = answer { plan.contacts(for: request) } else { nil }
    for isShort in [false, true] {
      write(answer, isShort: isShort, to: &output)
      let rest = limit - (output.count - start) - Self.end(isShort: isShort).utf8.count
      if let contacts {
        let name = isShort ? "m: " : "Contact: "
        let room = rest - name.utf8.count - 2
        // The whole list, or with short names as much of it as there is room for.
        let end = isShort ? contacts.ends.last { $0 <= room } : contacts.ends.last
        if let end, end <= room {
          output += name.utf8
          output += contacts.text[..<end]
          output += "\r\n".utf8
          output += Self.end(isShort: isShort).utf8
          return true
        }
      } else {
        let extra = self.extra(of: answer)
        let isNeeded = if case .ok = answer { !isShort } else { true }
        if isNeeded ? extra.count <= rest : rest >= 0 {
          if extra.count <= rest { output += extra }
          output += Self.end(isShort: isShort).utf8
          return true
        }
      }
      output.removeSubrange(start...)
    }
    return false
  }

  private static func end(isShort: Bool) -> String {
    isShort ? "l: 0\r\n\r\n" : "Content-Length: 0\r\n\r\n"
  }

  private func write(
    _ answer: Redirection.Answer, isShort: Bool, to output: inout [UInt8]
  ) {
    output += "SIP/2.0 ".utf8
    output += answer.statusLine.utf8
    output += "\r\n".utf8
    let bytes = request.message.bytes
    var isFirst = true
    for field in request.message.fields {
      switch field.name {
      case .via:
        output += isShort ? "v: ".utf8 : "Via: ".utf8
        if isFirst {
          writeFirstVia(field.value, to: &output)
          isFirst = false
        } else {
          output += bytes[field.value]
        }
      case .from:
        output += isShort ? "f: ".utf8 : "From: ".utf8
        output += bytes[field.value]
      case .to:
        output += isShort ? "t: ".utf8 : "To: ".utf8
        output += bytes[field.value]
        if let to = request.to, to.tag == nil {
          output += ";tag=".utf8
          output += tag
        }
      case .callID:
        output += isShort ? "i: ".utf8 : "Call-ID: ".utf8
        output += bytes[field.value]
      case .cSeq:
        output += "CSeq: ".utf8
        output += bytes[field.value]
      case .contentLength, .maxForwards, .require, .retryAfter, .other: continue
      }
      output += "\r\n".utf8
    }
  }

  /// The hop that sent the request, with what it was seen as (RFC 3261, 18.2.1; RFC 3581, 4).
  ///
  /// A `received` that it claims itself is dropped.
  private func writeFirstVia(_ value: Range<Int>, to output: inout [UInt8]) {
    let bytes = request.message.bytes
    let via = request.via
    let claims = [via.received, via.rport].compactMap(\.self)
      .sorted { $0.lowerBound < $1.lowerBound }
    var index = value.lowerBound
    for claim in claims {
      output += bytes[index..<claim.lowerBound]
      index = claim.upperBound
    }
    output += bytes[index..<via.range.upperBound]
    let seen = Array(source.description.utf8)
    if via.rport != nil || !bytes[via.host].elementsEqual(seen) {
      output += ";received=".utf8
      output += seen
    }
    if via.rport != nil {
      output += ";rport=".utf8
      output += String(port).utf8
    }
    output += bytes[via.range.upperBound..<value.upperBound]
  }

  private func extra(of answer: Redirection.Answer) -> [UInt8] {
    switch answer {
    case .ok, .method: return Array("Allow: \(Self.allowed)\r\n".utf8)
    case .fault(.badExtension):
      var text: [UInt8] = []
      let bytes = request.message.bytes
      for field in request.message.fields where field.name == .require && !field.value.isEmpty {
        text += Array("Unsupported: ".utf8) + bytes[field.value] + Array("\r\n".utf8)
      }
      return text
    case .contacts, .emergency, .unknownCall, .fault: return []
    }
  }
}

extension Redirection.Answer {
  /// Status and reason; the reasons are ours, nothing of a request stands in them.
  public var statusLine: String {
    switch self {
    case .contacts: "302 Moved Temporarily"
    case .ok: "200 OK"
    case .emergency: "503 Emergency Calls Are Not Routed Here"
    case .unknownCall: "481 Call Does Not Exist"
    case .method(let isKnown): isKnown ? "405 Method Not Allowed" : "501 Not Implemented"
    case .fault(.badRequest(let reason)): "400 \(reason.rawValue)"
    case .fault(.unsupportedScheme): "416 Unsupported URI Scheme"
    case .fault(.badExtension): "420 Bad Extension"
    case .fault(.versionNotSupported): "505 Version Not Supported"
    }
  }
}

extension SIPRequest {
  /// What a tag is made from, so that a request that is sent again gets the same one (RFC 3261, 8.2.7), and
  /// a CANCEL that of its INVITE.
  public var identity: [UInt8] {
    let bytes = message.bytes
    var text: [UInt8] = []
    for part in [via.branch, from?.tag, callID] {
      if let part { text += bytes[part] }
      text.append(0)
    }
    return text
  }
}
