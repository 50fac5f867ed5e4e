import Cryptography
import Encoding
public import HTTP

/// Requests that never had a route: what the HTTP floor refuses by itself.
extension CallVaultAPI {
  /// The problem document of a refusal, in the words and the form of every other.
  public static func refusal(_ refusal: Refusal) -> RefusalResponse {
    var object = JSONObject()
    object["type"] = .string("urn:callvault:problem:http-\(refusal.status)")
    object["title"] = .string("The request was refused")
    object["status"] = .integer(Int64(refusal.status))
    object["detail"] = .string(refusal.detail)
    let id = Identifier.random().description
    object["request_id"] = .string(id)
    return RefusalResponse(
      headers: [
        "Content-Type": "application/problem+json", "Cache-Control": "no-store",
        "Request-Id": id, "X-Content-Type-Options": "nosniff",
      ], body: JSONValue.object(object).encoded())
  }

  /// Counts refusals, and tells the operator of faults.
  public static func report(
    _ event: ServerConfiguration.Event, metrics: MetricsRegistry, log: OperatorLog
  ) {
    switch event {
    case .refused(let error, _):
      metrics.add("callvault_refused_requests_total", [("reason", "\(error.code)")])
    case .handlerFailed(let error, _):
      // Its cause is in the log already, under the request's id; here is what never had one.
      metrics.add("callvault_cut_responses_total")
      log.write(.info, "response-cut", ["cause": .string(OperatorLog.describe(error))])
    case .cannotAccept(let error):
      log.write(.error, "cannot-accept", ["cause": .string(OperatorLog.describe(error))])
    }
  }
}
