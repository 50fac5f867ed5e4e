import Cryptography
import Encoding
import Failover
import HTTPClient

@testable import AMI
@testable import Telephony

extension FuzzTarget {
  static let telephony: [FuzzTarget] = [
    oneSpelling("ami-message", parse: { try AMIMessage(parsing: $0) }, encode: { $0.encoded }),
    FuzzTarget("ami-stream") { bytes in
      var whole = AMIReader()
      guard let messages = try? whole.take(bytes) else { return .refused }
      // In two pieces: a message, or its end, may be cut anywhere.
      var pieces = AMIReader()
      let middle = bytes.count / 2
      guard let first = try? pieces.take(Array(bytes[..<middle])),
        let second = try? pieces.take(Array(bytes[middle...]))
      else { return .broken("what is read whole is refused in pieces") }
      return first + second == messages && pieces.dropped == whole.dropped
        ? .accepted : .broken("pieces are read as something else")
    },
    settled(
      "form", parse: { FormEncoding.decode($0) },
      encode: { fields in Array(FormEncoding.encode(fields.map { ($0.name, $0.value) }).utf8) }),
    oneSpelling(
      "webhook-header", parse: { string($0).flatMap { WebhookSignature.Claim(parsing: $0) } },
      encode: { Array($0.text.utf8) }),
    FuzzTarget("twilio-request") { bytes in
      guard let key = try? SecretBytes(copying: utf8("fuzz")) else { return .refused }
      let signature = TwilioSignature(
        origin: "https://calls.example.org", token: SharedSecret(key))
      // Target, signature and kind of the body, a line each; the body is the rest.
      let parts = bytes.split(separator: 0x0A, maxSplits: 3, omittingEmptySubsequences: false)
      guard parts.count == 4 else { return .refused }
      let words = parts[..<3].map { String(decoding: $0, as: UTF8.self) }
      let headers = [
        ClientRequest.Header("X-Twilio-Signature", words[1]),
        ClientRequest.Header("Content-Type", words[2]),
      ]
      guard
        let fields = try? signature.check(
          target: words[0], headers: headers, body: Array(parts[3]))
      else { return .refused }
      let signed = TwilioSignature.spellings(of: signature.origin, words[0]).compactMap { address in
        try? TwilioSignature.code(
          utf8(address + TwilioSignature.parameterText(fields)), signature.token, .sha1)
      }
      return signed.map { Base64.encode($0) }.contains(words[1])
        ? .accepted : .broken("what was not signed is believed")
    },
    // What a vendor answers, given to everything that reads answers.
    FuzzTarget("vendor-answer") { bytes in
      guard let answer = VendorJSON.object(bytes) else { return .refused }
      _ = KamailioActuator.states(in: .object(answer), set: 1)
      _ = (TwilioOrigination(answer), TwilioNumber(answer))
      _ = try? TwilioClient.nextTarget(of: answer)
      var state = ThreeCXTokenState()
      let now = Moment(milliseconds: 0)
      if state.take(answer, sent: now), let token = state.token(at: now),
        token.utf8.contains(where: { $0 <= 0x20 || $0 >= 0x7F })
      {
        return .broken("a token that could end a header")
      }
      _ = ThreeCXProbe.areOnline(["10000"], in: bytes)
      _ = ThreeCXProbe.areRunning(["3CXQueue"], in: bytes)
      let destinations = ThreeCXRule(answer)?.destinations.values.compactMap(\.self) ?? []
      return destinations.contains { EmergencyNumbers.isTouched(by: $0.number) }
        ? .broken("an emergency number that a rule may lead to") : .accepted
    },
  ]
}
