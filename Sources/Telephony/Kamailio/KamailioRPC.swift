import Encoding
import Failover
import HTTPClient
import YAML

/// Kamailio's JSON-RPC over its HTTP server.
struct KamailioRPC: Sendable {
  private let server: VendorServer
  private let path: String

  /// Keys of a Kamailio in settings.
  static let keys = ["url", "ca", "path"]

  init(_ fields: YAMLMapping, policy: RetryPolicy = RetryPolicy()) throws(YAMLError) {
    server = VendorServer(
      try VendorSettings.endpoint(fields.required("url"), ca: fields["ca"]).endpoint,
      policy: policy)
    path =
      try fields["path"].map { node throws(YAMLError) in try VendorSettings.path(node) } ?? "/RPC"
  }

  /// Calls a procedure.
  ///
  /// - Throws: ``FailoverError/Code/refused`` with a ``VendorAnswer`` for an error, besides what a server throws.
  func call(
    _ method: String, _ parameters: [JSONValue], effect: RetryPolicy.Effect,
    before deadline: Moment
  ) async throws(FailoverError) -> JSONValue {
    let body: JSONValue = [
      "jsonrpc": "2.0", "method": .string(method), "params": .array(parameters), "id": 1,
    ]
    let response = try await server.answer(
      to: ClientRequest(
        "POST", path, headers: [ClientRequest.Header("Content-Type", "application/json")],
        body: .bytes(body.encoded())), effect: effect, before: deadline)
    let answer = VendorJSON.object(response.body)
    guard response.isSuccess, let answer, answer["error"] == nil,
      answer["jsonrpc"]?.string == "2.0"
    else {
      throw FailoverError(
        .refused, during: "asking Kamailio",
        cause: VendorAnswer(
          status: response.status, code: answer?["error"]?.object?["code"]?.integer))
    }
    return answer["result"] ?? .null
  }
}
