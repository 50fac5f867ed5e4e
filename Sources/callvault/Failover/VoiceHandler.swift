import Failover
import HTTP
import HTTPClient
import Service
import Telephony

/// Serves Twilio beside the supervisor's API: `Documentation/formats/failover-actuators.md`, 7.
///
/// A document is made from memory before anything else is done: neither the log nor the supervisor's own thread is
/// waited for while a caller hears silence.
struct VoiceHandler: Handler {
  let voice: TwilioVoice
  let supervisor: Supervisor
  /// Answers everything else.
  let others: SupervisorAPI

  func handle(
    _ request: Request, body: RequestBody, response: ResponseWriter
  ) async throws {
    guard voice.serves(request.path) else {
      return try await others.handle(request, body: body, response: response)
    }
    let answer: TwilioVoice.Answer
    do throws(HTTPError) {
      let bytes = try await body.collect(upTo: TwilioVoice.bodyLimit)
      answer = voice.answer(
        method: request.method, target: Self.target(of: request),
        headers: request.headers.map { ClientRequest.Header($0.name, $0.value) }, body: bytes,
        now: Supervisor.now)
    } catch {
      guard error.code == .tooLarge else { throw error }
      return try await response.send(413, headers: Headers(), body: [])
    }
    var headers = Headers()
    for header in answer.headers { headers.add(header.name, header.value) }
    try await response.send(answer.status, headers: headers, body: answer.body)
    if answer.refusal != nil { await supervisor.refusedVoice(SupervisorPeer(request)) }
    if let leg = answer.leg { await supervisor.report(leg) }
  }

  /// Path and query in their one spelling; what has another is signed as another, and refused.
  private static func target(of request: Request) -> String {
    let query = request.query.map { "\($0.name)=\($0.value)" }.joined(separator: "&")
    return "/" + request.path.joined(separator: "/") + (query.isEmpty ? "" : "?" + query)
  }
}
