public import Audit
public import HTTP

/// A witness over HTTP: c2sp.org/tlog-witness and what `Documentation/formats/anchors.md`, 2.5, adds.
///
/// Whoever asks is known by nothing but the signature in the request.
public struct WitnessSite: Handler {
  private let witness: Witness

  public init(_ witness: Witness) { self.witness = witness }

  public func handle(
    _ request: Request, body: RequestBody, response: ResponseWriter
  ) async throws {
    let answer: WitnessAnswer
    switch (request.method, request.path) {
    case ("POST", ["add-checkpoint"]):
      answer = await witness.addCheckpoint(
        try await body.collect(upTo: AddCheckpointRequest.maximumByteCount))
    case ("GET", _) where request.path.count == 2 && request.path[0] == "checkpoint":
      answer = await witness.checkpoint(ofLog: request.path[1])
    case (_, ["add-checkpoint"]):
      return try await response.send(405, headers: ["Allow": "POST"])
    default:
      return try await response.send(404)
    }
    var headers: Headers = ["Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"]
    if let type = answer.type { headers["Content-Type"] = type }
    try await response.send(answer.status, headers: headers, body: answer.body)
  }
}
