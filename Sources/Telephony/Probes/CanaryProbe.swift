import Cryptography
import Encoding
public import Failover
import HTTPClient
public import YAML

/// An utterance of a closed list that the AI engine must understand: section 12 of
/// `Documentation/formats/failover-actuators.md`.
///
/// An engine that is up and talks nonsense answers health checks, and no caller.
public final class CanaryProbe: Probe {
  /// What is said, and what must come back.
  struct Phrase: Sendable, Equatable {
    let utterance: String
    let expected: String
  }

  public let target: TargetID
  public let signal = SignalKind.canary
  private let pool: ClientPool
  private let path: String
  private let token: SharedSecret?
  private let phrases: [Phrase]
  private let pace: ProbePace

  /// Keys: `url`, `ca`, `path`, `token_file`, `phrases` (`say` and `expect` each), `interval_ms`, `limit_ms`.
  public init(target: TargetID, settings: YAMLNode) throws(YAMLError) {
    self.target = target
    let fields = try settings.mapping(
      of: ["url", "ca", "path", "token_file", "phrases"] + ProbePace.keys)
    pool = ClientPool(
      try VendorSettings.endpoint(fields.required("url"), ca: fields["ca"]).endpoint)
    path = try VendorSettings.path(fields.required("path"))
    token = try fields["token_file"].map { node throws(YAMLError) in
      try VendorSettings.secret(node)
    }
    let phrasesNode = try fields.required("phrases")
    var phrases: [Phrase] = []
    for node in try phrasesNode.sequence() {
      let parts = try node.mapping(of: ["say", "expect"])
      let phrase = Phrase(
        utterance: try parts.required("say").string(),
        expected: try parts.required("expect").string())
      guard phrase.utterance.utf8.count <= 200, phrase.expected.utf8.count <= 200 else {
        throw VendorSettings.refuse(node, "what is said and expected has at most 200 bytes")
      }
      phrases.append(phrase)
    }
    guard (1...64).contains(phrases.count) else {
      throw VendorSettings.refuse(phrasesNode, "1 to 64 phrases are expected")
    }
    self.phrases = phrases
    pace = try ProbePace(fields, intervalMs: 5_000, limitMs: 4_000)
  }

  public func run(report: @escaping @Sendable (ProbeObservation) -> Void) async {
    await pace.run(target: target, signal: signal, report: report) { deadline in
      await self.once(before: deadline)
    }
  }

  private func once(before deadline: Moment) async -> ProbeObservation.Result {
    guard let phrase = phrases.randomElement() else { return .missed(.wrongAnswer) }
    let nonce = "\(Identifier.random())"
    var headers = [ClientRequest.Header("Content-Type", "application/json")]
    if let token {
      headers.append(ClientRequest.Header("Authorization", "Bearer \(token.text)"))
    }
    let question: JSONValue = [
      "v": 1, "nonce": .string(nonce), "utterance": .string(phrase.utterance),
    ]
    let sent = Moment.now
    do throws(HTTPClientError) {
      let response = try await pool.send(
        ClientRequest("POST", path, headers: headers, body: .bytes(question.encoded())),
        urgency: .normal, by: deadline.instant)
      if let failure = ProbeObservation.Result.unsuccessful(response) { return failure }
      guard Self.isRight(response.body, nonce: nonce, phrase) else {
        return .missed(.wrongAnswer)
      }
      return .alive(roundTripMs: Moment.now.ms(since: sent))
    } catch {
      return .missed(ProbeMiss(error))
    }
  }

  /// Whether an answer is to this question and is the expected one; an answer kept from an earlier question
  /// has another nonce.
  static func isRight(_ body: [UInt8], nonce: String, _ phrase: Phrase) -> Bool {
    guard let answer = VendorJSON.object(body) else { return false }
    return answer["v"]?.integer == 1 && answer["nonce"]?.string == nonce
      && answer["answer"]?.string == phrase.expected
  }
}
