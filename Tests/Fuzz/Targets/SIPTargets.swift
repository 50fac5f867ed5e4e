import Encoding

@testable import SIP

extension FuzzTarget {
  /// What carriers, PBXs and strangers send, and what an operator writes about them.
  static let sip: [FuzzTarget] = [
    FuzzTarget("sip-request") { bytes in
      guard let message = try? SIPMessage(datagram: bytes), let request = try? SIPRequest(message),
        let plan = samplePlan
      else { return .refused }
      guard case .answer(let answer) = Redirection(request) else { return .accepted }
      var output = utf8("before")
      let writer = AnswerWriter(request, from: sampleSource, port: 5060, tag: utf8("a1b2"))
      guard writer.write(answer, plan: plan, to: &output, limit: bytes.count) else {
        return output == utf8("before") ? .accepted : .broken("an answer that was not to be sent")
      }
      let written = Array(output.dropFirst(6))
      guard written.count <= bytes.count else {
        return .broken("an answer longer than its request")
      }
      return judge(written, answers: request, with: answer, plan)
    },
    FuzzTarget("sip-response") { bytes in
      guard let message = try? SIPMessage(datagram: bytes), let response = try? SIPResponse(message)
      else { return .refused }
      guard (100...699).contains(response.status), (0...86_400).contains(response.retryAfter ?? 0)
      else { return .broken("a status or a time out of bounds") }
      guard let secrets = ProbeSecrets(random: [UInt8](repeating: 7, count: 32), sequence: 1) else {
        return .broken("no secrets")
      }
      return secrets.isAnswered(by: response)
        ? .broken("an answer that nobody could have made") : .accepted
    },
    FuzzTarget("sip-stream") { bytes in
      guard let first = bytes.first else { return .refused }
      let stream = Array(bytes.dropFirst())
      let whole = frames(of: stream, inPiecesOf: max(1, stream.count))
      // Where the network cut the bytes must not change what they mean.
      guard frames(of: stream, inPiecesOf: Int(first) + 1) == whole else {
        return .broken("a message that depends on how it was cut")
      }
      return whole.isEmpty ? .refused : .accepted
    },
    oneSpelling(
      "sip-contact",
      parse: { bytes in try string(bytes).map { try ContactAddress($0) } },
      encode: { contact in
        guard let uri = SIPURI(utf8(contact.description), at: 0..<contact.description.utf8.count),
          uri.scheme == .sip || uri.scheme == .sips
        else { return [] }
        return utf8(contact.description)
      }),
    settled(
      "sip-address-range", parse: { bytes in try string(bytes).map { try AddressRange($0) } },
      encode: { utf8($0.description) }),
  ]
}

private let sampleSource = IPAddress(v4: 0x0808_0808)
private let samplePlan = try? ContactPlan(
  id: "sample",
  contacts: [
    PreferredContact(ContactAddress("sip:desk@pbx.example.com")),
    PreferredContact(ContactAddress("sip:+13125550100@sbc.example.com:5061"), preference: 500),
  ])

/// What an answer must be, whatever it answers: a response that can be read where the request had no
/// fault, with the plan's contacts and no others, for the same call.
private func judge(
  _ written: [UInt8], answers request: SIPRequest, with answer: Redirection.Answer,
  _ plan: ContactPlan
) -> FuzzTarget.Finding {
  guard let message = try? SIPMessage(datagram: written), message.isResponse else {
    return .broken("an answer that is no message")
  }
  let names = written.split(separator: 0x0A).filter {
    $0.starts(with: utf8("Contact:")) || $0.starts(with: utf8("m:"))
  }
  guard case .contacts = answer else {
    return names.isEmpty ? .accepted : .broken("a contact where none may be")
  }
  let list = plan.contacts(for: request)
  let values = list.ends.map { Array(list.text[..<$0]) }
  guard names.count == 1, let line = names.first,
    values.contains(where: {
      line.elementsEqual(utf8("Contact: ") + $0 + [0x0D])
        || line.elementsEqual(utf8("m: ") + $0 + [0x0D])
    })
  else { return .broken("a contact that is not the plan's") }
  guard request.fault == nil, message.count(of: .via) == request.message.count(of: .via),
    let callID = message.value(of: .callID), let asked = request.callID,
    message.bytes[callID] == request.message.bytes[asked],
    let to = message.value(of: .to), NameAddress(message.bytes, at: to)?.tag != nil
  else { return .broken("an answer to another call") }
  return .accepted
}

private func frames(of bytes: [UInt8], inPiecesOf size: Int) -> [[UInt8]] {
  var framer = StreamFramer()
  var found: [[UInt8]] = []
  var start = 0
  while start < bytes.count {
    let piece = Array(bytes[start..<min(start + size, bytes.count)])
    start += size
    var index = 0
    reading: while index < piece.count {
      switch framer.next(piece, from: &index) {
      case .needsMore: break reading
      case .message(let message): found.append(message.bytes)
      case .lost(let message):
        if let message { found.append(utf8("lost") + message.bytes) }
        return found
      }
    }
  }
  return found
}
