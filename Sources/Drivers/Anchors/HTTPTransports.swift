public import Audit
public import HTTPClient

/// An address with a path before which requests are made: `https://host:port/prefix`.
public struct AnchorAddress: Hashable, Sendable {
  let origin: String
  /// Empty, or from a slash on, without one at its end.
  let path: String

  /// Is nil for what is no http or https address without a user, a query or a fragment.
  public init?(_ text: String) {
    guard text.utf8.count <= 1024, !text.utf8.contains(where: { $0 <= 0x20 || $0 >= 0x7f }),
      let scheme = ["https://", "http://"].first(where: { text.hasPrefix($0) })
    else { return nil }
    let rest = text.dropFirst(scheme.utf8.count)
    let authority = rest.prefix { $0 != "/" }
    guard !authority.isEmpty, !rest.contains(where: { "@?#".contains($0) }) else { return nil }
    origin = scheme + authority
    var path = rest.dropFirst(authority.count)
    while path.last == "/" { path.removeLast() }
    self.path = String(path)
  }
}

/// The way to an anchor over HTTP.
///
/// Clear `http` is allowed: nothing that is sent is secret, and every answer is signed.
public final class HTTPAnchorTransport: WitnessTransport, TimestampTransport {
  private let address: AnchorAddress
  private let client: HTTPClient

  /// - Parameters:
  ///   - address: where.
  ///   - trust: whose certificates count, for https.
  ///   - idleSeconds: how long the anchor may be silent before it counts as out of reach; for a
  ///     whole answer it has twice that.
  /// - Throws: `HTTPClientError/Code/unusable` for an address that cannot be used.
  public init(
    _ address: AnchorAddress, trust: Endpoint.Trust, idleSeconds: Int = 60
  ) throws(HTTPClientError) {
    self.address = address
    client = try HTTPClient(
      .openServer(origin: address.origin, trust: trust), idleSeconds: idleSeconds,
      totalSeconds: 2 * idleSeconds)
  }

  public func addCheckpoint(_ body: [UInt8]) async throws -> (status: Int, body: [UInt8]) {
    let answer = try await client.send(
      ClientRequest(
        "POST", address.path + "/add-checkpoint",
        headers: [.init("Content-Type", "text/plain; charset=utf-8")], body: .bytes(body)))
    return (answer.status, try Self.bounded(answer.body))
  }

  public func checkpoint(ofLog name: String) async throws -> (status: Int, body: [UInt8]) {
    let answer = try await client.send(
      ClientRequest("GET", "\(address.path)/checkpoint/\(name)"))
    return (answer.status, try Self.bounded(answer.body))
  }

  public func stamp(_ request: [UInt8]) async throws -> [UInt8] {
    let answer = try await client.send(
      ClientRequest(
        "POST", address.path.isEmpty ? "/" : address.path,
        headers: [
          .init("Content-Type", "application/timestamp-query"),
          .init("Accept", "application/timestamp-reply"),
        ], body: .bytes(request)))
    guard answer.status == 200 else {
      throw AuditError(
        .unavailable, during: "asking a time stamp authority",
        cause: AnchorStatusFault(status: answer.status))
    }
    return try Self.bounded(answer.body)
  }

  private static func bounded(_ body: [UInt8]) throws(AuditError) -> [UInt8] {
    guard body.count <= AddCheckpointRequest.maximumByteCount else {
      throw AuditError(.malformed, during: "taking an anchor's answer that is too long")
    }
    return body
  }
}

/// A status that is no answer.
struct AnchorStatusFault: Error, CustomStringConvertible {
  let status: Int

  var description: String { "HTTP status \(status)" }
}
