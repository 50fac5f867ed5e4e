public import Cryptography
import Encoding
public import HTTPClient

/// Signs requests of ours to others and checks those of others to us: HMAC-SHA-256 over time, nonce and body,
/// section 9 of `Documentation/formats/failover-actuators.md`.
public struct WebhookSignature: Sendable {
  public static let header = "CallVault-Signature"
  /// How far the sender's clock may be from ours.
  public static let toleranceMs: Int64 = 300_000

  /// Why a request is not believed.
  public enum Refusal: Error, Sendable, Equatable {
    case unsigned
    case mismatch
    /// Older or newer than the tolerance.
    case stale
    /// Seen before.
    case replayed
  }

  private let key: SharedSecret

  /// - Parameter key: at least 32 bytes.
  public init?(key: SharedSecret) {
    guard key.count >= 32 else { return nil }
    self.key = key
  }

  /// What a header of ours says.
  struct Claim: Sendable, Equatable {
    /// Seconds since 1970.
    let seconds: Int64
    let nonce: [UInt8]
    let code: [UInt8]

    /// `t=` seconds, `,n=` 32 and `,v1=` 64 lower-case digits; nil for anything else.
    init?(parsing text: String) {
      let parts = text.split(separator: ",", omittingEmptySubsequences: false)
      guard parts.count == 3, parts[0].hasPrefix("t="), parts[1].hasPrefix("n="),
        parts[2].hasPrefix("v1="), let seconds = Int64(parts[0].dropFirst(2)),
        (0...99_999_999_999).contains(seconds), String(seconds) == parts[0].dropFirst(2),
        let nonce = Hex.decode(parts[1].dropFirst(2)), nonce.count == 16,
        let code = Hex.decode(parts[2].dropFirst(3)), code.count == 32
      else { return nil }
      self.seconds = seconds
      self.nonce = nonce
      self.code = code
    }

    init(seconds: Int64, nonce: [UInt8], code: [UInt8]) {
      self.seconds = seconds
      self.nonce = nonce
      self.code = code
    }

    var text: String { "t=\(seconds),n=\(Hex.encode(nonce)),v1=\(Hex.encode(code))" }
  }

  /// The header for a body that is sent now.
  ///
  /// - Throws: `CryptographyError`, where there is no randomness.
  public func header(
    for body: [UInt8], atMs: Int64
  ) throws(CryptographyError) -> ClientRequest.Header {
    let seconds = max(0, atMs / 1000)
    let nonce = try Random.bytes(16)
    let code = try code(of: body, seconds: seconds, nonce: nonce)
    return ClientRequest.Header(
      Self.header, Claim(seconds: seconds, nonce: nonce, code: code).text)
  }

  /// Checks a request; the guard remembers its nonce only once everything else holds.
  public func check(
    _ header: String?, body: [UInt8], nowMs: Int64, replays: inout WebhookReplayGuard
  ) throws(Refusal) {
    guard let header, let claim = Claim(parsing: header) else { throw .unsigned }
    let expected: [UInt8]
    do {
      expected = try code(of: body, seconds: claim.seconds, nonce: claim.nonce)
    } catch {
      throw .unsigned
    }
    guard constantTimeEqual(expected, claim.code) else { throw .mismatch }
    guard (nowMs - claim.seconds * 1000).magnitude <= Self.toleranceMs.magnitude else {
      throw .stale
    }
    guard replays.admit(claim.nonce, nowMs: nowMs) else { throw .replayed }
  }

  private func code(
    of body: [UInt8], seconds: Int64, nonce: [UInt8]
  ) throws(CryptographyError) -> [UInt8] {
    let head = Array("callvault-webhook-v1\n\(seconds)\n\(Hex.encode(nonce))\n".utf8)
    return try key.withBytes { (bytes: RawSpan) throws(CryptographyError) in
      try HMACSHA256.authenticate(head + body, key: bytes)
    }
  }
}

/// Nonces of requests that were believed, for as long as their time could still be.
public struct WebhookReplayGuard: Sendable {
  /// More in ten minutes are refused: forgetting one would let it in again.
  static let limit = 65_536

  private var seen: [[UInt8]: Int64] = [:]
  private var sweptMs = Int64.min

  public init() {}

  mutating func admit(_ nonce: [UInt8], nowMs: Int64) -> Bool {
    // A request may be as far ahead of us as behind, so a nonce lives twice the tolerance.
    let life = 2 * WebhookSignature.toleranceMs
    if seen.count >= Self.limit || nowMs - max(sweptMs, 0) > life {
      seen = seen.filter { nowMs - $0.value <= life }
      sweptMs = nowMs
    }
    guard seen.count < Self.limit, seen[nonce] == nil else { return false }
    seen[nonce] = nowMs
    return true
  }
}
