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
    var headers: Headers = [
      "Content-Type": "application/problem+json", "Cache-Control": "no-store",
      "Request-Id": id, "X-Content-Type-Options": "nosniff",
    ]
    if refusal.status == 503 { headers["Retry-After"] = ProblemDetail.retryAfter.value }
    return RefusalResponse(headers: headers, body: JSONValue.object(object).encoded())
  }
}
